"""`fetch`: what a model reads of a page, and what it is told where there is none."""

import base64
import gzip
import zlib
from collections.abc import Iterator

import pytest

from tools.guest import Guest
from tools.site import Page, Site, open_site

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\0\0\0\0" + zlib.compress(b"\0\0")
HTML = "text/html; charset=utf-8"


@pytest.fixture(scope="module")
def fetch(tmp_path_factory: pytest.TempPathFactory) -> Guest:
    """Return the guest, compiled once."""
    return Guest.load("fetch", tmp_path_factory.mktemp("fetch"))


@pytest.fixture
def site() -> Iterator[Site]:
    """Serve a site without pages."""
    with open_site() as site:
        yield site


def test_page_is_markdown_with_absolute_links(fetch: Guest, site: Site) -> None:
    """Issue: readable Markdown; title, headings, links, tables, lists and code are kept."""
    html = (
        "<title>T</title><nav>menu</nav><script>x()</script><h1>Hé</h1>"
        "<p>See <a href='/b?c'>this</a>:<ul><li>one<li><code>two_2</code></ul>"
        "<table><tr><th>a<th>b<tr><td>1<td>2</table><pre>x\n  y</pre>"
    )
    site.pages["/p"] = Page(body=html.encode(), kind=HTML)

    assert fetch.says("--", f"{site.url}/p") == (
        f"{site.url}/p · 200 · text/html · {len(html.encode())}B\n"
        f"# T\n\n# Hé\n\nSee [this]({site.url}/b?c):\n\n- one\n- `two_2`\n\n"
        "| a | b |\n|---|---|\n| 1 | 2 |\n\n```\nx\n  y\n```"
    )
    assert fetch.says("--raw", "true", "--", f"{site.url}/p").endswith(html)


def test_json_is_laid_out_and_says_the_same(fetch: Guest, site: Site) -> None:
    """Issue: JSON pretty-printed. Ours: numbers as they were sent, short members in one line."""
    long = "x" * 100
    site.pages["/j"] = Page(
        body=f'{{"b":[1.0,2e400],"a":"{long}"}}'.encode(), kind="application/json"
    )

    _, text = fetch.says("--", f"{site.url}/j").split("\n", 1)

    assert f'{{\n  "b": [1.0, 2e400],\n  "a": "{long}"\n}}' == text


def test_image_is_an_image_block(fetch: Guest, site: Site) -> None:
    """Issue: images as image content, as `read` gives them."""
    site.pages["/i"] = Page(body=PNG, kind="image/png")
    text, image = fetch.answer("--", f"{site.url}/i")["content"]

    assert f"{site.url}/i · 200 · image/png · {len(PNG)}B · PNG image" == text["text"]
    assert image["mimeType"] == "image/png"
    assert base64.b64decode(image["data"]) == PNG


def test_what_is_neither_is_named_with_its_size(fetch: Guest, site: Site) -> None:
    """Issue: other media are named as what they are."""
    site.pages["/f"] = Page(body=b"%PDF-1.7" + b"x" * 2040, kind="application/pdf")

    line = f"{site.url}/f · 200 · application/pdf · 2.0K\n[fetch shows text and images]"
    assert line == fetch.says("--", f"{site.url}/f")


@pytest.mark.parametrize(
    ("charset", "text"), [("iso-8859-1", "Größe"), ("shift_jis", "テスト"), ("koi8-r", "тест")]
)
def test_charset_of_the_header_is_read(fetch: Guest, site: Site, charset: str, text: str) -> None:
    """Issue: charsets by header, byte order mark and meta."""
    site.pages["/t"] = Page(body=text.encode(charset), kind=f"text/plain; charset={charset}")

    assert fetch.says("--", f"{site.url}/t").endswith(f"\n{text}")


def test_rest_of_a_long_page_is_had_by_offset(fetch: Guest, site: Site) -> None:
    """Issue: `offset` for the rest, with a sentence that says how."""
    lines = "".join(f"line {n}\n" for n in range(3000))
    site.pages["/l"] = Page(body=lines.encode())

    _, first = fetch.says("--", f"{site.url}/l").split("\n", 1)
    shown, _, note = first.rpartition("\n")
    offset = note.partition("offset=")[2].partition(" ")[0]
    _, rest = fetch.says(f"--offset={offset}", "--", f"{site.url}/l").split("\n", 1)

    assert f"[characters 1-{int(offset) - 1} of {len(lines)}; offset={offset} for the rest]" == note
    assert lines == f"{shown}\n{rest}\n"


def test_compressed_page_is_unpacked_and_a_bomb_is_cut(fetch: Guest, site: Site) -> None:
    """Issue: gzip decoded, bounded. A bomb is a long page and no end of the guest."""
    gzipped = {"content-encoding": "gzip"}
    site.pages["/z"] = Page(body=gzip.compress(b"unpacked"), headers=gzipped)
    site.pages["/b"] = Page(body=gzip.compress(b"0" * (64 << 20)), headers=gzipped)

    bomb = fetch.says("--limit=10", "--", f"{site.url}/b")

    assert fetch.says("--", f"{site.url}/z").endswith("\nunpacked")
    assert "more than 8.0M\n0000000000\n[characters 1-10 of many; offset=11 for" in bomb
    assert {"gzip"} == {each.headers["accept-encoding"] for each in site.requests}


def test_redirect_within_the_site_is_followed(fetch: Guest, site: Site) -> None:
    """Issue: at most ten, within one scheme, host and port."""
    site.pages["/a"] = Page(status=302, headers={"location": "b"})
    site.pages["/b"] = Page(status=308, headers={"location": f"{site.url}/c#d"})
    site.pages["/c"] = Page(body=b"there")
    site.pages["/loop"] = Page(status=307, headers={"location": "/loop"})

    assert f"{site.url}/c · 200 · text/plain · 5B\nthere" == fetch.says("--", f"{site.url}/a")
    assert "more than 10 redirects" in fetch.refuses("--", f"{site.url}/loop")
    assert 11 == [each.path for each in site.requests].count("/loop")


def test_redirect_that_leaves_the_site_is_named_and_not_followed(fetch: Guest, site: Site) -> None:
    """Issue: what a call may ask was decided for its URL; the other one is a call of its own."""
    with open_site() as other:
        site.pages["/a"] = Page(status=301, headers={"location": f"{other.url}/x"})
        said = fetch.says("--", f"{site.url}/a")

        assert [] == other.requests
    assert f"{site.url}/a · 301 → {other.url}/x\n" in said
    assert "call fetch again with that URL" in said


def test_status_of_an_error_is_shown_with_its_page(fetch: Guest, site: Site) -> None:
    """Issue: HTTP error statuses: status and the body's text, is_error true."""
    said = fetch.refuses("--", f"{site.url}/none")

    assert f"{site.url}/none · 404 · text/plain · 12B\nnothing here" == said


def test_gateway_s_own_word_stands_in_place_of_a_page(fetch: Guest, site: Site) -> None:
    """Issue: a 502 with `Proxy-Status: preopen` says that the connection failed (RFC 9209)."""
    status = 'preopen; error=tls_certificate_error; details="its certificate has expired"'
    page = Page(status=502, body=b"<h1>Bad</h1>", headers={"proxy-status": status})
    site.pages["/w"] = page
    site.pages["/o"] = Page(status=502, body=b"a page", headers={"proxy-status": "other; x=1"})
    host = site.url.removeprefix("http://")

    said = fetch.refuses("--", f"{site.url}/w")

    assert f"{host} could not be reached: its certificate has expired" == said
    assert fetch.refuses("--", f"{site.url}/o").endswith("a page")


def test_page_that_ends_too_early_is_no_good_answer(fetch: Guest, site: Site) -> None:
    """Ours: a short file must not look whole."""
    site.pages["/s"] = Page(body=b"half", headers={"content-length": "99", "connection": "close"})
    said = fetch.refuses("--", f"{site.url}/s")

    assert "\nhalf\n[incomplete: " in said


def test_head_shows_headers_alone(fetch: Guest, site: Site) -> None:
    """Issue: `head = true` for HEAD."""
    site.pages["/h"] = Page(body=b"body", headers={"etag": '"1"'})
    said = fetch.says("--head", "true", "--", f"{site.url}/h")

    assert '\netag: "1"' in said
    assert ["HEAD"] == [each.method for each in site.requests]


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("example.com", 'url: "example.com" has no scheme; write https://…'),
        ("ftp://h/", "url: ftp: only http and https can be asked"),
        ("http://u:p@h/", "url: a name or password in a URL is not sent; leave it out"),
        ("http://127.0.0.1:1/", "127.0.0.1:1 refused the connection"),
    ],
)
def test_what_cannot_be_asked_is_a_sentence(fetch: Guest, url: str, sentence: str) -> None:
    """Issue: errors are sentences that a model can act on."""
    assert sentence == fetch.refuses("--", url)

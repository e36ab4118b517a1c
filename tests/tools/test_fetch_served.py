"""`fetch` through a real client: pages as a model reads them, redirects, denials."""

import pytest
from mcp_types import ImageContent

from tools.desk import Desk, text_of
from tools.web import Web

pytestmark = pytest.mark.anyio

PAGE = """<!doctype html><html><head><title>Lighthouse</title><style>p {}</style>
<script>var secret = "not for a reader"</script></head><body>
<h1>Lighthouse</h1><p>It <b>blinks</b>; see <a href="/manual?x=1">the manual</a>.</p>
<ul><li>red</li><li>green</li></ul><pre><code>while True: blink()</code></pre>
<table><tr><th>lamp</th><th>state</th></tr><tr><td>red</td><td>on</td></tr></table>
</body></html>"""
PNG = b"\x89PNG\r\n\x1a\n" + bytes.fromhex(
    "0000000d4948445200000001000000010806000000"
    "1f15c489"
    "0000000a49444154789c6300010000050001"
    "0d0a2db4"
    "0000000049454e44ae426082"
)


@pytest.fixture(scope="module")
def more_flags(web: Web) -> list[str]:
    """Open it, and nothing else."""
    return ["--egress-private", web.base]


async def test_page_is_read_as_markdown_with_title_links_and_tables(desk: Desk, web: Web) -> None:
    """Issue: HTML to readable Markdown with title, links and tables kept."""
    said = await desk.says("fetch", url=web.put("/page", PAGE))

    assert "Lighthouse" in said
    assert f"[the manual]({web.base}/manual?x=1)" in said
    assert "**blinks**" in said
    assert "while True: blink()" in said
    assert "| red" in said
    assert "not for a reader" not in said


async def test_rest_of_a_long_page_is_read_from_its_offset(desk: Desk, web: Web) -> None:
    """Issue: `offset` for the rest; what was left out is said, and how to get it."""
    lines = [f"line {number:06}" for number in range(20_000)]
    url = web.put("/long", "\n".join(lines), "text/plain")

    first = await desk.says("fetch", url=url)
    offset = next(int(word) for word in first.split("offset=")[1].split() if word.isdigit())
    rest = await desk.says("fetch", url=url, offset=offset)

    assert "line 000000" in first
    assert "line 019999" not in first
    assert "line 000000" not in rest


async def test_json_is_laid_out(desk: Desk, web: Web) -> None:
    """Issue: JSON pretty-printed."""
    values = [{"name": "läntern", "number": number, "state": "on"} for number in range(9)]
    said = await desk.says("fetch", url=web.put_json("/json", {"lamps": values}))

    assert '"name": "läntern", "number": 8' in said
    assert said.count("\n") > 9


@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [
        ("text/plain; charset=iso-8859-1", "caf\u00e9".encode("latin-1"), "café"),
        ("text/plain; charset=shift_jis", "灯台".encode("shift_jis"), "灯台"),
        ("text/html", '<meta charset="windows-1251"><p>маяк'.encode("cp1251"), "маяк"),
        ("text/plain", b"\xef\xbb\xbfmarked", "marked"),
        ("text/plain; charset=utf-8", b"bro\xffken", "bro\ufffdken"),
    ],
)
async def test_text_is_decoded_by_its_charset(
    desk: Desk, web: Web, kind: str, body: bytes, expected: str
) -> None:
    """Issue: charsets, by header, mark or page."""
    assert expected in await desk.says("fetch", url=web.put("/charset", body, kind))


async def test_image_is_an_image_and_other_media_are_named(desk: Desk, web: Web) -> None:
    """Issue: other media as media."""
    image = await desk.call("fetch", url=web.put("/dot.png", PNG, "image/png"))
    other = await desk.says("fetch", url=web.put("/x.zip", b"PK\x03\x04rest", "application/zip"))

    assert any(isinstance(block, ImageContent) for block in image.content)
    assert "application/zip" in other


async def test_packed_page_is_unpacked_and_a_bomb_is_not(desk: Desk, web: Web) -> None:
    """Issue: gzip bombs: what unpacks for ever is cut, and that is said."""
    page = await desk.says("fetch", url=web.put("/packed", PAGE, packed=True))
    bomb = web.put("/bomb", b"\0" * 200_000_000, "text/plain", packed=True)
    cut = await desk.call("fetch", url=bomb)

    assert "Lighthouse" in page
    assert len(text_of(cut)) < 1_000_000


async def test_redirect_within_the_host_is_followed_and_one_that_leaves_it_is_shown(
    desk: Desk, web: Web
) -> None:
    """Issue: a redirect that leaves the grant is no Denial: the result names the target."""
    web.put("/page", PAGE)
    inside = await desk.says("fetch", url=web.lead("/moved", "/page"))
    away = web.lead("/away", "https://elsewhere.example/x", "301 Moved Permanently")
    result = await desk.call("fetch", url=away)

    assert "Lighthouse" in inside
    assert "https://elsewhere.example/x" in text_of(result)
    assert "fetch" in text_of(result)
    assert not result.is_error
    assert result.meta is not None
    assert result.meta["preopen/receipt"]["denials"] == []


async def test_redirects_in_a_circle_end(desk: Desk, web: Web) -> None:
    """Ours: ten are followed."""
    assert "redirects" in await desk.refuses("fetch", url=web.lead("/circle", "/circle"))


async def test_status_that_is_no_success_is_an_error_with_its_text(desk: Desk, web: Web) -> None:
    """Ours: a model sees what the server said."""
    said = await desk.refuses("fetch", url=f"{web.base}/nothing")

    assert "404" in said
    assert "nope" in said


async def test_head_asks_for_no_body(desk: Desk, web: Web) -> None:
    """Issue: GET and HEAD."""
    said = await desk.says("fetch", url=web.put("/page", PAGE), head=True)

    assert web.heads[-1].startswith("HEAD /page ")
    assert "200" in said
    assert "blinks" not in said


async def test_host_that_is_not_open_is_denied_before_anything_starts(desk: Desk) -> None:
    """Issue: with nothing listed it is offered, and the denial has the line to add."""
    result = await desk.call("fetch", url="https://docs.python.org/3/")

    assert result.is_error
    assert "--egress https://docs.python.org" in text_of(result)
    assert result.meta is not None
    assert result.meta["preopen/receipt"]["cell"] == "none"


async def test_host_where_nobody_listens_is_said_as_such(desk: Desk, web: Web) -> None:
    """Ours: a failed connection is no page; another port of the host is not open."""
    said = await desk.refuses("fetch", url=f"{web.base.rsplit(':', 1)[0]}:1/")

    assert "--egress-private http://127.0.0.1:1" in said


@pytest.mark.parametrize("url", ["docs.python.org", "ftp://a.example/", "http://", "http://a b/"])
async def test_what_is_no_url_is_refused_with_what_to_write(desk: Desk, url: str) -> None:
    """Ours: a sentence that helps."""
    assert "write " in await desk.refuses("fetch", url=url)

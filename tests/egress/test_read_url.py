import pytest
from hypothesis import given
from hypothesis import strategies as st

from preopen.egress.url import MAX_PATH, read_url
from spellings import examples

URLS = {
    "https://example.com": ("https", "example.com", 443, "/", ""),
    "http://example.com": ("http", "example.com", 80, "/", ""),
    "HTTPS://EXAMPLE.com:443/": ("https", "example.com", 443, "/", ""),
    "https://example.com?q#f": ("https", "example.com", 443, "/", "?q"),
    "https://example.com#f": ("https", "example.com", 443, "/", ""),
    "https://example.com#@evil.example/": ("https", "example.com", 443, "/", ""),
    "https://example.com\\@evil.example/": ("https", "example.com", 443, "/@evil.example/", ""),
    "https:\\\\example.com\\a\\..\\b": ("https", "example.com", 443, "/b", ""),
    "https:/\\example.com/": ("https", "example.com", 443, "/", ""),
    "https://example.com/a?b\\c": ("https", "example.com", 443, "/a", "?b\\c"),
    "  https://example.com/ ": ("https", "example.com", 443, "/", ""),
    "https://example.com/a b?c d": ("https", "example.com", 443, "/a%20b", "?c%20d"),
    "https://example.com/\u00e9?\u00e9": ("https", "example.com", 443, "/%C3%A9", "?%C3%A9"),
    "https://example.com/a@b": ("https", "example.com", 443, "/a@b", ""),
    "https://example.com/?u=a@b://c": ("https", "example.com", 443, "/", "?u=a@b://c"),
    "https://b\u00fccher.example:8443/x/../y": (
        *("https", "xn--bcher-kva.example", 8443),
        *("/y", ""),
    ),
    "http://[::1]:3000/": ("http", "::1", 3000, "/", ""),
    "http://0x7f.1/": ("http", "127.0.0.1", 80, "/", ""),
    "http://\uff11\uff12\uff17\u30021": ("http", "127.0.0.1", 80, "/", ""),
}
BAD_URLS = (
    *(
        "",
        " ",
        "example.com",
        "example.com:443/x",
        "localhost:3000",
        "/a",
        "//example.com/",
        "#",
        "?",
    ),
    *(
        "ftp://example.com",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "data:,x",
        "ws://a.b",
        "://a",
    ),
    *("https:", "https:/", "https://", "https:example.com", "https:/example.com", "https:///a.b"),
    *(
        "https://?q",
        "https://#f",
        "https://:80/",
        "https://\\\\a.b",
        "https://u@a.b",
        "https://u:p@a.b/",
    ),
    *("https://@a.b/", "https://a.b@c.d\\e", "https://a.b:0/", "https://a.b:65536", "https://a b/"),
    *("https://a.b/\n", "https://a.b/\t", "ht\ntps://a.b", "https://a\x00.b", "https://a.b/\x80"),
    *(
        "https://a.b/%",
        "https://a.b/%zz",
        "https://a.b/?%z",
        "https://a.b/\ud800",
        "https://a.b/?\t",
        "https://a.b/?q\r\nX:",
        "https://a.b?\x9f",
        "https://[::1",
    ),
    *("https://a.b/" + "x" * MAX_PATH, "https://" + "a" * 20000, "https://a.b/" + "\u00e9" * 1366),
)


@pytest.mark.parametrize(("text", "parts"), URLS.items())
def test_a_url_is_read_as_browsers_read_it(
    text: str, parts: tuple[str, str, int, str, str]
) -> None:
    """URL standard 4.4: backslashes, spaces, Unicode; the fragment stays here."""
    found = read_url(text)

    assert (found.scheme, found.host, found.port, found.path, found.query) == parts
    assert found.method == "GET"


@pytest.mark.parametrize("text", BAD_URLS)
def test_a_url_that_is_none_is_refused_with_a_way_out(text: str) -> None:
    """Style rule 1; URL standard 4.4, and ours where browsers repair."""
    with pytest.raises(ValueError, match="; ") as raised:
        read_url(text)

    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 500


def test_a_url_without_a_scheme_is_told_which() -> None:
    """Style rule 1: the message holds what to write."""
    with pytest.raises(ValueError, match="has no scheme") as raised:
        read_url("example.com/a")

    assert str(raised.value) == '"example.com/a" has no scheme; write "https://example.com/a"'


@examples(500)
@given(
    st.text(max_size=60)
    | st.text("/.%2eE5cF;\\?#@: a\u00e9[]", max_size=24).map("https://example.com".__add__)
)
def test_a_url_that_was_read_reads_the_same(text: str) -> None:
    """Ours: as above, for arguments."""
    try:
        found = read_url(text)
    except ValueError:
        return
    again = read_url(found.origin + found.path + found.query)

    assert again == found

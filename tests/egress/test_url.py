from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preopen.egress.rule import Target
from preopen.egress.url import (
    MAX_PATH,
    ErrorCode,
    Unreadable,
    fold_method,
    is_disguised,
    read_path,
    read_request,
    read_url,
)
from spellings import CLOSED, examples, spellings

DENIED: ErrorCode = "HTTP-request-denied"
INVALID: ErrorCode = "HTTP-request-URI-invalid"
TOO_LONG: ErrorCode = "HTTP-request-URI-too-long"
BAD_METHOD: ErrorCode = "HTTP-request-method-invalid"

METHODS = {"GET": "GET", "get": "GET", "pAtCh": "PATCH", "M-SEARCH": "M-SEARCH", "x" * 32: "X" * 32}
BAD_METHODS = {
    **dict.fromkeys(("CONNECT", "connect", "TRACE", "Trace", "track", "cOnNeCt"), DENIED),
    **dict.fromkeys(("", " GET", "GET ", "GE T", "GET\r\nX: y", "GET\n", "G\x00T"), BAD_METHOD),
    **dict.fromkeys(("GET/", "G:T", "G(T", "\u017fEARCH", "\uff27ET", "x" * 33), BAD_METHOD),
    **dict.fromkeys(("x" * 9999, "\ud800", "G\u0130T", "GET\u2028"), BAD_METHOD),
}
SCHEMES = {None: "https", "https": "https", "http": "http", "HTTPS": "https", "hTTp": "http"}
BAD_SCHEMES = (
    "",
    "ftp",
    "file",
    "ws",
    "http:",
    "https://",
    " http",
    "http\n",
    "\uff48ttp",
    "htt\u1e57",
)
AUTHORITIES = {
    "example.com": ("example.com", 443),
    "Example.COM.": ("example.com", 443),
    "example.com:": ("example.com", 443),
    "example.com:443": ("example.com", 443),
    "example.com:0443": ("example.com", 443),
    "example.com:1": ("example.com", 1),
    "example.com:65535": ("example.com", 65535),
    "0x7f.1:8080": ("127.0.0.1", 8080),
    "[::1]": ("::1", 443),
    "[::1]:80": ("::1", 80),
    "[FD00::1]:": ("fd00::1", 443),
}
BAD_AUTHORITIES = (
    *(None, "", ":", ":80", "@", "user@example.com", "u:p@example.com", "a@b@c", "u%40example.com"),
    *("@example.com", "example.com@", "user:pass@127.0.0.1:80", "example.com%40evil.example"),
    *("example.com:0", "example.com:00000", "example.com:65536", "example.com:99999"),
    *(
        "example.com:000443",
        "example.com:+80",
        "example.com:-1",
        "example.com: 80",
        "example.com:8o",
    ),
    *(
        "example.com:80:80",
        "example.com:\uff18\uff10",
        "example.com:\u0668\u0660",
        "example.com::80",
    ),
    *("::1", "::1:80", "[::1", "[::1]80", "[::1]:x", "[::1]]", "[fe80::1%25eth0]", "a[::1]"),
    *("example.com/", "example.com/x", "example.com\\x", "example.com?q", "example.com#f", "a b"),
    *(
        "example.com\r\nHost: evil",
        "example.com\n",
        "example.com\x00",
        "\texample.com",
        "*",
        "*.a.b",
    ),
    *("example.com%3a80", "example.com%2f", "a" * 9000, "1" * 9000, "[" * 9000, ":" * 9000),
)
PATHS = {
    None: ("/", ""),
    "": ("/", ""),
    "/": ("/", ""),
    "/a/b": ("/a/b", ""),
    "?": ("/", "?"),
    "?q": ("/", "?q"),
    "/a?": ("/a", "?"),
    "/a?b?c": ("/a", "?b?c"),
    "/?../x": ("/", "?../x"),
    "/a?b=\\c": ("/a", "?b=\\c"),
    "//a": ("//a", ""),
    "/a//b/": ("/a//b/", ""),
    "/.": ("/", ""),
    "/..": ("/", ""),
    "/../..": ("/", ""),
    "/./a": ("/a", ""),
    "/a/.": ("/a/", ""),
    "/a/..": ("/", ""),
    "/a/../b": ("/b", ""),
    "/a/b/../../c": ("/c", ""),
    "/a//../b": ("/a/b", ""),
    "/%2e/a": ("/a", ""),
    "/a/%2E%2e/b": ("/b", ""),
    "/a/.%2E/b": ("/b", ""),
    "/a/%2e./b": ("/b", ""),
    "/a/%2e%2E": ("/", ""),
    "/a/.../b": ("/a/.../b", ""),
    "/a/..;/b": ("/a/..;/b", ""),
    "/a/%252e%252e/b": ("/a/%252e%252e/b", ""),
    "/a/..%2fb": ("/a/..%2fb", ""),
    "/a/%5c..": ("/a/%5c..", ""),
    "/%41%zz"[:4]: ("/%41", ""),
    "/a@b:c;d=e,f!$&'()*+~": ("/a@b:c;d=e,f!$&'()*+~", ""),
    '/"<>^`{|}': ("/%22%3C%3E%5E%60%7B|%7D", ""),
    "/?\"<>'`{|}^": ("/", "?%22%3C%3E%27`{|}^"),
    "/[a]": ("/[a]", ""),
}
BAD_PATHS = (
    *("a", "a/b", "*", "../a", "http://evil.example/", "@evil.example/", ":80/", ".evil.example"),
    *(
        "/a#b",
        "/#",
        "#",
        "/a?b#c",
        "/a b",
        "/a?b c",
        " /",
        "/ ",
        "/a\tb",
        "/a\x00",
        "/a\x7f",
        "/\x80",
    ),
    *(
        "/a\r\nX: y",
        "/a HTTP/1.1\r\nHost: evil",
        "/a\n",
        "/a?b\r\nc",
        "/\u00e9",
        "/?\u00e9",
        "/\ud800",
    ),
    *(
        "/\\",
        "/\\..\\a",
        "\\a",
        "/a\\b",
        "/a\\?b",
        "/%",
        "/%2",
        "/%zz",
        "/a%2/b",
        "/%%41",
        "/%u0041",
    ),
    *("/?%", "/?a=50%", "/?%zz", "/%\u0664\u0661", "/\u2028", "/\uff0e\uff0e/a", "/\u2025/a"),
)
DISGUISED = (
    *("/a%2fb", "/a%2Fb", "/a%5cb", "/a%5C", "/a%252fb", "/a%25252fb", "/a%2525252fb", "/%255c"),
    *(
        "/..;/a",
        "/a/..;x=y/b",
        "/a/..%3b/b",
        "/a/%2e%2e;/b",
        "/a/.;/b",
        "/%252e%252e/a",
        "/a/%252e",
    ),
    *("/a/..%20/b", "/a/%20../b", "/a/.../b", "/a/..%00/b", "/a%00", "/a%0d%0a", "/a%7f", "/a%ff"),
    *("/%c0%ae%c0%ae/a", "/a%c0%afb", "/%EF%BC%8E%EF%BC%8E/a", "/a%EF%BC%8Fb", "/%E2%80%A5/a"),
    *("/a%E2%80%8Bb", "/a%EF%BC%BCb"),
)
PLAIN = (
    *("/", "/a", "/a/b.c/", "/a;b=c/d", "/.well-known/x", "/a..b", "/..a", "/a.", "/%41", "/a%20b"),
    *("/caf%C3%A9", "/100%25", "/a%2525b", "/~user/@x", "//", "/a//b", "/v1:batch", "/...a", "/;a"),
)


def read(path: str | None) -> Target | Unreadable:
    return read_request("GET", "https", "example.com", path)


def refused(found: Target | Unreadable) -> ErrorCode:
    assert isinstance(found, Unreadable)
    assert found.reason.isprintable()
    assert "; " in found.reason
    assert len(found.reason) < 400
    return found.error


@pytest.mark.parametrize(("method", "folded"), METHODS.items())
def test_a_method_is_folded_to_capitals(method: str, folded: str) -> None:
    """Design §10: wasmtime lets `other("get")` through, which servers take for GET."""
    found = read_request(method, None, "example.com", None)

    assert found == Target(method=folded, scheme="https", host="example.com", port=443)
    assert fold_method(method) == folded


@pytest.mark.parametrize(("method", "error"), BAD_METHODS.items())
def test_a_method_that_is_none_or_nobodys_is_refused(method: str, error: ErrorCode) -> None:
    """Design §10: CONNECT and TRACE as `other`; RFC 9110 5.6.2: a method is a token."""
    assert refused(read_request(method, "https", "example.com", "/")) == error
    with pytest.raises(ValueError, match="; "):
        read_url("https://example.com/", method)


@pytest.mark.parametrize(("scheme", "folded"), SCHEMES.items())
def test_a_missing_scheme_means_https(scheme: str | None, folded: str) -> None:
    """Design §10: wasi:http leaves it out; capitals are the same (RFC 3986, 3.1)."""
    found = read_request("GET", scheme, "example.com", "/")

    assert isinstance(found, Target)
    assert (found.scheme, found.port) == (folded, 443 if folded == "https" else 80)


@pytest.mark.parametrize("scheme", BAD_SCHEMES)
def test_another_scheme_is_refused(scheme: str) -> None:
    """Design §10: http and https, and nothing that folds to them from beyond ASCII."""
    assert refused(read_request("GET", scheme, "example.com", "/")) == DENIED


@pytest.mark.parametrize(("authority", "host_and_port"), AUTHORITIES.items())
def test_an_authority_is_a_host_and_perhaps_a_port(
    authority: str, host_and_port: tuple[str, int]
) -> None:
    """Design §10: an empty port is the scheme's own."""
    found = read_request("GET", "https", authority, "/")

    assert isinstance(found, Target)
    assert (found.host, found.port) == host_and_port


@pytest.mark.parametrize("authority", BAD_AUTHORITIES)
def test_an_authority_with_anything_else_is_refused(authority: str | None) -> None:
    """Design §10: user names, second ports, paths and controls."""
    assert refused(read_request("GET", "https", authority, "/")) == INVALID


def test_a_password_is_not_repeated() -> None:
    """Style rule 19: no message holds a secret."""
    found = read_request("GET", "https", "user:hunter2@example.com", "/")

    assert "hunter2" not in repr(found)
    with pytest.raises(ValueError, match="user name") as raised:
        read_url("https://user:hunter2@example.com/")
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(("path", "normal"), PATHS.items())
def test_a_path_is_resolved_before_anything_is_compared(
    path: str | None, normal: tuple[str, str]
) -> None:
    """Design §10, URL standard 4.4: dot segments, also encoded; a query gets its slash."""
    found = read(path)

    assert isinstance(found, Target)
    assert (found.path, found.query) == normal


@pytest.mark.parametrize("path", BAD_PATHS)
def test_a_path_that_two_readers_could_read_apart_is_refused(path: str) -> None:
    """Design §10: fragments, backslashes, controls, raw Unicode, malformed percent-encoding."""
    assert refused(read(path)) == INVALID


def test_path_and_query_have_a_greatest_length() -> None:
    """Design §10: 8192 bytes, as they go out: what grows by encoding is counted afterwards."""
    assert isinstance(read("/" + "a" * (MAX_PATH - 1)), Target)
    assert isinstance(read("/a?" + "b" * (MAX_PATH - 3)), Target)
    assert isinstance(read("?" + "b" * (MAX_PATH - 2)), Target)
    assert refused(read("/" + "a" * MAX_PATH)) == TOO_LONG
    assert refused(read("?" + "b" * (MAX_PATH - 1))) == TOO_LONG
    assert refused(read("/" + '"' * (MAX_PATH // 3 + 1))) == TOO_LONG
    assert refused(read("/" + "../" * 100_000)) == TOO_LONG


@pytest.mark.parametrize("path", DISGUISED)
def test_a_disguised_path_is_seen(path: str) -> None:
    """Ours: what some server decodes once more and reads as another path."""
    assert is_disguised(path)


@pytest.mark.parametrize("path", PLAIN)
def test_a_plain_path_is_no_disguise(path: str) -> None:
    """Ours: the pair of the test above."""
    assert not is_disguised(path)


ANY_TEXT = st.text(max_size=40) | st.text("/.%2eE5cF;\\?#@: a\u00e9[]", max_size=24)


@examples(500)
@given(
    st.sampled_from(["GET", "get", "PUT", "x-y"]) | st.text(max_size=8),
    st.sampled_from([None, "http", "HTTPS"]) | st.text(max_size=6),
    st.sampled_from(["example.com", "Example.com:80", "[::1]:1", "0x7f.1"]) | ANY_TEXT,
    st.none() | ANY_TEXT.map("/".__add__) | ANY_TEXT,
)
def test_what_was_read_reads_the_same(
    method: str, scheme: str | None, authority: str, path: str | None
) -> None:
    """Ours: any text is answered, and a Target is a fixed point: what was judged goes out."""
    found = read_request(method, scheme, authority, path)
    if isinstance(found, Unreadable):
        refused(found)
        return
    _, _, origin = found.origin.partition("://")
    again = read_request(found.method, found.scheme, origin, found.path + found.query)

    assert again == found
    assert read_url(found.origin + found.path + found.query, found.method) == found
    assert (found.path + found.query).isascii()
    assert (found.path + found.query).isprintable()
    assert " " not in found.path + found.query
    assert not {".", "..", "%2e", "%2e%2e", ".%2e", "%2e."} & set(found.path.lower().split("/"))


@examples(300)
@given(st.data(), st.sampled_from(CLOSED))
def test_no_spelling_of_an_address_hides_in_a_request(data: st.DataObject, address: str) -> None:
    """Design §10: through either door it arrives as the address that it is."""
    spelling = data.draw(spellings(IPv4Address(address)))
    found = read_request("GET", "http", spelling, "/")

    assert isinstance(found, Target)
    assert found.host == address
    assert read_url(f"http://{spelling}/").host == address


@examples(100)
@given(st.text("/.%2eE", max_size=24).map("/".__add__))
def test_a_path_never_climbs_out(text: str) -> None:
    """URL standard 4.4: dot segments at the root stay there, and none is left."""
    try:
        path = read_path(text)
    except ValueError:
        return

    assert path.startswith("/")
    assert read_path(path) == path

"""Header fields: what passes, what stays behind, and how a request leaves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preopen.egress.headers import (
    has_body,
    is_encoded,
    may_carry,
    outgoing,
    passable,
    returned,
)
from preopen.egress.rule import Secret, Target
from preopen.egress.tickets import Login

TARGET = Target(method="POST", scheme="https", host="a.example", port=443)
NAMES = st.sampled_from(
    [b"Connection", b"X-A", b"x-b", b"Content-Length", b"Host", b"TE", b"Cookie"]
)
FIELDS = st.lists(
    st.tuples(NAMES, st.sampled_from([b"x-a", b"X-B, close", b"content-length", b"1"]))
)


@pytest.mark.parametrize(
    "name",
    [
        b"Connection",
        b"keep-alive",
        b"Proxy-Authorization",
        b"Proxy-Status",
        b"proxy-connection",
        b"TE",
        b"Trailer",
        b"Transfer-Encoding",
        b"UPGRADE",
        b"Host",
        b"Expect",
        b"HTTP2-Settings",
    ],
)
def test_fields_of_one_connection_stay_on_it(name: bytes) -> None:
    """RFC 9110, 7.6.1; RFC 9209, 2; design §10."""
    assert passable([(name, b"x"), (b"X-Kept", b"Y")]) == [(b"X-Kept", b"Y")]


@given(FIELDS)
def test_what_connection_names_goes_with_it_but_for_the_length(
    fields: list[tuple[bytes, bytes]],
) -> None:
    """RFC 9110, 7.6.1; without its length a body could be read in two ways."""
    named = b",".join(value for name, value in fields if name == b"Connection").lower()
    passed = passable(fields)

    for name, value in fields:
        stays = name in {b"Cookie", b"Content-Length"} or (
            name.lower() in {b"x-a", b"x-b"} and name.lower() not in named
        )
        assert ((name, value) in passed) == stays


def test_a_request_leaves_with_our_host_and_its_own_framing() -> None:
    """Design §9.4: Host is the gateway's; RFC 9112, 6.1: one framing."""
    fields = [(b"Host", b"evil"), (b"X-A", b"1"), (b"Transfer-Encoding", b"chunked")]

    assert outgoing(fields, TARGET, None) == [
        (b"Host", b"a.example"),
        (b"X-A", b"1"),
        (b"Transfer-Encoding", b"chunked"),
    ]
    assert has_body(fields)
    assert not has_body([(b"X-A", b"1")])


def test_a_credential_is_added_last_and_alone() -> None:
    """Ours: whatever the guest names, or has Connection name, the credential goes out."""
    login = Login(header=b"X-Key", value=Secret("Key hush-hush"), secret=Secret("hush-hush"))
    fields = [(b"connection", b"x-key, accept-encoding"), (b"x-key", b"mine")]

    assert outgoing(fields, TARGET, login) == [
        (b"Host", b"a.example"),
        (b"X-Key", b"Key hush-hush"),
        (b"Accept-Encoding", b"identity"),
    ]


@pytest.mark.parametrize(
    ("host", "port", "expected"),
    [
        ("a.example", 443, "a.example"),
        ("a.example", 8443, "a.example:8443"),
        ("2001:db8::1", 443, "[2001:db8::1]"),
        ("2001:db8::1", 80, "[2001:db8::1]:80"),
    ],
)
def test_the_host_field_says_what_the_url_says(host: str, port: int, expected: str) -> None:
    """RFC 9110, 7.2: the port is left out where it is the scheme's own."""
    assert Target(method="GET", scheme="https", host=host, port=port).authority == expected


def test_of_two_lengths_of_an_answer_the_chunked_one_counts() -> None:
    """RFC 9112, 6.3: Transfer-Encoding overrides Content-Length."""
    fields = [(b"Content-Length", b"3"), (b"Transfer-Encoding", b"chunked"), (b"A", b"b")]

    assert returned(fields) == [(b"A", b"b")]
    assert returned(fields[:1]) == fields[:1]


@pytest.mark.parametrize(
    ("name", "may"),
    [
        ("Authorization", True),
        ("X-Api-Key", True),
        ("Host", False),
        ("content-LENGTH", False),
        ("Transfer-Encoding", False),
        ("Accept-Encoding", False),
        ("Proxy-Authorization", False),
        ("X Y", False),
        ("X\nY", False),
        ("é", False),
        ("", False),
    ],
)
def test_a_credential_is_no_field_that_frames_or_routes(name: str, may: bool) -> None:  # noqa: FBT001 - a parameter of pytest's
    """Ours: the manifest chooses the name, and the gateway owns some."""
    assert may_carry(name) == may


@pytest.mark.parametrize(
    ("codings", "encoded"),
    [
        ([], False),
        ([b"identity"], False),
        ([b""], False),
        ([b"gzip"], True),
        ([b"identity", b"br"], True),
    ],
)
def test_a_coding_over_a_body_is_seen(codings: list[bytes], encoded: bool) -> None:  # noqa: FBT001 - a parameter of pytest's
    """RFC 9110, 8.4: each Content-Encoding of them counts."""
    assert is_encoded([(b"Content-Encoding", coding) for coding in codings]) == encoded

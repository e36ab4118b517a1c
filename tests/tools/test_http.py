"""`http`: any method, and a response with what of it matters."""

import json
from collections.abc import Iterator

import pytest

from tools.guest import Guest
from tools.site import Page, Site, open_site


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Guest:
    """Return the guest, compiled once."""
    return Guest.load("http", tmp_path_factory.mktemp("http"))


@pytest.fixture
def site() -> Iterator[Site]:
    """Serve a site without pages."""
    with open_site() as site:
        yield site


def test_json_arrives_as_it_was_written(http: Guest, site: Site) -> None:
    """Issue: `json` is any value. Ours: POST unless another method is named."""
    site.pages["/"] = Page(body=b'{"ok":true}', kind="application/json", status=201)
    value = '{"b": 1.0, "a": [12345678901234567890123]}'

    said = http.says(stdin=f'{{"url": "{site.url}", "json": {value}}}')
    (request,) = site.requests

    assert f'POST {site.url}/ · 201 · application/json · 11B\n\n{{"ok": true}}' == said
    assert ("POST", value.encode()) == (request.method, request.body)
    assert request.headers["content-type"] == "application/json"


def test_method_headers_and_body_are_the_caller_s(http: Guest, site: Site) -> None:
    """Issue: any method, `headers`, `body`."""
    site.pages["/x?y"] = Page(status=204)
    asked = {
        "url": f"{site.url}/x?y",
        "method": "purge",
        "headers": {"X-One": "1", "user-agent": "me"},
        "body": "grün",
    }
    said = http.says(stdin=json.dumps(asked))
    (request,) = site.requests

    assert f"PURGE {site.url}/x?y · 204 · 0B" == said
    assert ("PURGE", "grün".encode()) == (request.method, request.body)
    assert ("1", "me") == (request.headers["x-one"], request.headers["user-agent"])


def test_headers_that_matter_are_shown_or_all(http: Guest, site: Site) -> None:
    """Issue: headers that matter, or all with `all_headers`; redirects are shown, not followed."""
    site.pages["/r"] = Page(status=302, headers={"location": "/to", "x-served-by": "cache-7"})

    few = http.says(stdin=json.dumps({"url": f"{site.url}/r"}))
    every = http.says(stdin=json.dumps({"url": f"{site.url}/r", "all_headers": True}))

    assert f"GET {site.url}/r · 302 · 0B\nlocation: /to" == few
    assert "\nx-served-by: cache-7" in every
    assert ["/r", "/r"] == [each.path for each in site.requests]


def test_error_status_is_an_error_with_its_body(http: Guest, site: Site) -> None:
    """Issue: the same errors as fetch."""
    said = http.refuses(stdin=json.dumps({"url": f"{site.url}/none", "method": "DELETE"}))

    assert f"DELETE {site.url}/none · 404 · text/plain · 12B\n\nnothing here" == said


def test_long_body_says_how_much_more_there_is(http: Guest, site: Site) -> None:
    """Ours: a request that changes something cannot be sent again for the rest."""
    site.pages["/l"] = Page(body=b"x" * 50)
    said = http.says(stdin=json.dumps({"url": f"{site.url}/l", "limit": 20}))

    assert said.endswith(f"\n\n{'x' * 20}\n[30 more characters: limit shows more]")


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"body": "a", "json": 1}, "give body or json, not both"),
        ({"method": "GET", "body": "a"}, "GET has no body: name another method"),
        ({"headers": {"Host": "x"}}, "the request cannot have this header Host: forbidden"),
        ({"headers": {"a b": "x"}}, "the request cannot have this header a b: invalid syntax"),
        ({"headers": {"a": "b\r\nc: d"}}, "the request cannot have this header a: invalid syntax"),
    ],
)
def test_what_cannot_be_sent_is_a_sentence(
    http: Guest, site: Site, more: dict[str, object], sentence: str
) -> None:
    """Ours: what the schema cannot say, and what wasi:http refuses; nothing is sent."""
    assert sentence == http.refuses(stdin=json.dumps({"url": site.url, **more}))
    assert [] == site.requests

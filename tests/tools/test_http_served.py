"""`http` through a real client: any method, headers and bodies; what came back, as it came."""

import json

import pytest

from tools.desk import Desk
from tools.web import Web

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def more_flags(web: Web) -> list[str]:
    """Open it, and nothing else."""
    return ["--egress-private", web.base]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
async def test_any_method_is_sent(desk: Desk, web: Web, method: str) -> None:
    """Issue: any method."""
    said = await desk.says("http", url=web.put_json("/x", {"is": "here"}), method=method)

    assert web.heads[-1].startswith(f"{method} /x ")
    assert "200" in said
    assert '"is": "here"' in said


async def test_headers_and_a_text_body_arrive_as_they_were_given(desk: Desk, web: Web) -> None:
    """Issue: headers, text body."""
    headers = {"X-Token": "abc", "Content-Type": "text/csv"}
    url = web.put("/post", "taken", "text/plain")
    await desk.says("http", url=url, method="POST", headers=headers, body="a,b\nü,2\n")

    head = web.heads[-1].lower()
    assert "x-token: abc\r\n" in head
    assert "content-type: text/csv\r\n" in head
    assert web.bodies[-1] == "a,b\nü,2\n".encode()


async def test_json_body_is_sent_as_json(desk: Desk, web: Web) -> None:
    """Issue: JSON body."""
    value = {"name": "lämp", "on": [True, None, 1.5]}
    await desk.says("http", url=web.put("/post", "taken"), method="POST", json=value)

    assert json.loads(web.bodies[-1]) == value
    assert "content-type: application/json" in web.heads[-1].lower()


async def test_redirect_is_shown_and_not_followed(desk: Desk, web: Web) -> None:
    """Issue: redirects are the model's to follow."""
    before = len(web.heads)
    said = await desk.says("http", url=web.lead("/moved", "/page"))

    assert "302" in said
    assert "/page" in said
    assert len(web.heads) == before + 1


@pytest.mark.parametrize("method", ["CONNECT", "TRACE"])
async def test_methods_that_nobody_may_send_are_refused(desk: Desk, web: Web, method: str) -> None:
    """Issue: CONNECT and TRACE refused."""
    before = len(web.heads)
    await desk.refuses("http", url=web.put("/x", "y"), method=method)

    assert len(web.heads) == before


@pytest.mark.parametrize(
    "headers", [{"X-A": "a\r\nX-B: b"}, {"X A": "b"}, {"": "b"}, {"Host": "other.example"}]
)
async def test_header_that_is_none_changes_no_other(
    desk: Desk, web: Web, headers: dict[str, str]
) -> None:
    """Issue: CR/LF smuggling; the host is the gateway's to say."""
    before = len(web.heads)
    await desk.call("http", url=web.put("/x", "y"), headers=headers)

    for head in web.heads[before:]:
        assert "X-B" not in head
        assert "other.example" not in head

"""`[[egress]]`: what a manifest asks of the network. Granted beside withheld, servers on loopback.

The operator has every server of a test open unless the test says otherwise: so what is stopped here
is stopped by the manifest's own word.
"""

from contextlib import suppress
from pathlib import Path

import pytest

from preopen.cells.pool import Pool
from preopen.errors import ManifestError
from preopen.policy.policy import Policy
from promises.harness import offer
from promises.network import SECRET, Ask, asking, lines, operator, sent, tool
from web import Arrived, serving

pytestmark = pytest.mark.anyio
keeps = pytest.mark.keeps

LOGIN = {"header": "Authorization", "secret": "EXAMPLE"}


def knowing(folder: Path, *private: str) -> Policy:
    """Return the policy that opens these, and has the secret."""
    named, environ = {"EXAMPLE": {"environment": "TOKEN"}}, {"TOKEN": SECRET}
    return operator(folder, private=private, secrets=named, environ=environ)


@keeps("egress[].allow", "granted")
async def test_request_that_was_asked_for_arrives(pool: Pool, tree: Path) -> None:
    """Design §10: scheme, host, port and path prefix; the receipt says what was dialled."""
    async with serving() as web:
        text = asking("get", f"{web.origin}/in/x?q=1", allow=f"{web.origin}/in")
        answer = await sent(pool, operator(tree, private=[web.origin]), text)

    assert ["/in/x?q=1"] == web.targets
    assert [("200", "127.0.0.1")] == [(r.result, r.address) for r in answer.receipt.requests]
    assert [200] == [line["status"] for line in lines(answer)]


@keeps("egress[].allow", "withheld")
async def test_request_beyond_what_was_asked_for_goes_nowhere(pool: Pool, tree: Path) -> None:
    """Design §9: the gate denies it; with no gate the cell's own network and Landlock hold it."""
    async with serving() as web, serving() as other:
        urls = [f"{web.origin}/out", f"{web.origin}/inside", f"{other.origin}/in"]
        text = asking("get", *urls, allow=f"{web.origin}/in")
        answer = await sent(pool, operator(tree, private=[web.origin, other.origin]), text)

    assert [] == web.targets + other.targets
    assert [True] * 3 == ["error" in line for line in lines(answer)]


async def test_denial_in_the_receipt_names_what_was_in_the_way(pool: Pool, tree: Path) -> None:
    """Issue: a Denial says the line that would allow it; what the guest hears is one code."""
    async with serving() as web:
        text = asking("get", f"{web.origin}/out", allow=f"{web.origin}/in")
        answer = await sent(pool, operator(tree, private=[web.origin]), text)

    (denial,) = answer.receipt.denials
    assert "for what lies below /in, not for this path" in denial.reason
    assert "under [[egress]] in the tool's manifest" in denial.allow
    assert [{"error": "HTTP-request-denied"}] == lines(answer)


@keeps("egress[].methods", "granted")
async def test_method_that_was_asked_for_arrives(pool: Pool, tree: Path) -> None:
    """Design §5: `methods`, exactly."""
    async with serving() as web:
        text = asking("post", web.origin, "5", allow=web.origin, methods=["POST"])
        await sent(pool, operator(tree, private=[web.origin]), text)

    assert [("POST", 5)] == [(each.method, len(each.body)) for each in web.arrived]


@pytest.mark.parametrize("method", ["POST", "OPTIONS", "other:delete"])
@keeps("egress[].methods", "withheld")
async def test_method_that_was_not_asked_for_goes_nowhere(
    pool: Pool, tree: Path, method: str
) -> None:
    """Design §5: GET and HEAD by default; folded before it is compared, however it is spelt."""
    async with serving() as web:
        text = asking(
            "send", method, "http", web.origin.removeprefix("http://"), "/", allow=web.origin
        )
        answer = await sent(pool, operator(tree, private=[web.origin]), text)

    assert [] == web.targets
    assert ["denied"] == [request.result for request in answer.receipt.requests]
    assert 1 == len(answer.receipt.denials)


PORTS = "http://127.0.0.1:1..65535"


@keeps("egress[].narrow_to", "granted")
async def test_url_of_the_arguments_is_reached(pool: Pool, tree: Path) -> None:
    """Design §5: `narrow_to` names the argument whose URL the call is for."""
    async with serving() as web:
        text = asking("get", "{url}", allow=PORTS, narrow_to="url")
        await sent(pool, operator(tree, private=[web.origin]), text, url=f"{web.origin}/x")

    assert ["/x"] == web.targets


@keeps("egress[].narrow_to", "withheld")
async def test_host_that_the_arguments_do_not_name_is_not_reached(pool: Pool, tree: Path) -> None:
    """Design §5: a grant is cut to one scheme, host and port before the call."""
    async with serving() as web, serving() as other:
        text = asking("get", f"{other.origin}/", "{url}", allow=PORTS, narrow_to="url")
        policy = operator(tree, private=[web.origin, other.origin])
        answer = await sent(pool, policy, text, url=f"{web.origin}/x")

    assert [] == other.targets
    assert ["denied", "200"] == [request.result for request in answer.receipt.requests]
    assert [f"GET {other.origin}"] == [denial.target for denial in answer.receipt.denials]


@keeps("egress[].private", "granted")
async def test_private_addresses_that_were_asked_for_are_reached(pool: Pool, tree: Path) -> None:
    """Design §10: the rule says `private`, and the policy allows it."""
    async with serving() as web:
        allow = f"http://127.0.0.0/8:{web.port}"
        text = asking("get", web.origin, allow=allow, private=True)
        more = '[decide]\ndangerous = "allow"\n'
        policy = operator(tree, private=[web.origin], max_level="dangerous", more=more)
        await sent(pool, policy, text)

    assert ["/"] == web.targets


@keeps("egress[].private", "withheld")
async def test_private_address_is_not_reached_by_a_block_that_holds_it(
    pool: Pool, tree: Path
) -> None:
    """Design §10: a rule that does not say `private` opens no address of the operator's network."""
    async with serving() as web:
        text = asking("get", web.origin, allow=f"http://127.0.0.0/8:{web.port}")
        answer = await sent(pool, operator(tree, private=[web.origin]), text)

    assert [] == web.targets
    (denial,) = answer.receipt.denials
    assert "127.0.0.1 is a loopback address" == denial.reason


@keeps("egress[].private", "withheld")
async def test_tool_that_asks_for_private_addresses_is_dangerous(tree: Path) -> None:
    """Design §5: `private = true` in a manifest; above the operator's level it is not offered."""
    text = asking("get", "{url}", allow="http://10.0.0.0/8", private=True)
    with pytest.raises(ManifestError, match="private addresses among them"):
        offer(text, operator(tree, private=["http://10.0.0.1"]))


@keeps("egress[].credential.header", "granted")
@keeps("egress[].credential.format", "granted")
@keeps("egress[].credential.secret", "granted")
async def test_credential_is_in_its_header_in_its_format(pool: Pool, tree: Path) -> None:
    """Design §9: the gateway adds it, and the guest never sees it."""
    login = {**LOGIN, "header": "X-Key", "format": "Token <{secret}>"}
    async with serving() as web:
        text = asking("get", web.origin, allow=web.origin, credential=login)
        await sent(pool, knowing(tree, web.origin), text)

    assert [[f"Token <{SECRET}>"]] == [each.values("X-Key") for each in web.arrived]


@keeps("egress[].credential.header", "withheld")
async def test_header_of_a_connection_carries_no_credential(pool: Pool, tree: Path) -> None:
    """RFC 9110, 7.6.1: it is the gateway's own; the manifest is refused, and the request denied."""
    login = {**LOGIN, "header": "Proxy-Authorization"}
    async with serving() as web:
        text = asking("get", web.origin, allow=web.origin, credential=login)
        with suppress(ManifestError):
            await sent(pool, knowing(tree, web.origin), text)

    assert [] == [each.values("Proxy-Authorization") for each in web.arrived]


@keeps("egress[].credential.header", "withheld")
async def test_guest_s_own_header_of_that_name_is_overruled(pool: Pool, tree: Path) -> None:
    """Design §10: a credential rule overrules what the guest wrote."""
    async with serving() as web:
        host = web.origin.removeprefix("http://")
        words = ("send", "GET", "http", host, "/", "authorization=guest")
        text = asking(*words, allow=web.origin, credential=LOGIN)
        await sent(pool, knowing(tree, web.origin), text)

    assert [[SECRET]] == [each.values("Authorization") for each in web.arrived]


@pytest.mark.parametrize("template", ["Bearer", "{secret}:{secret}"])
@keeps("egress[].credential.format", "withheld")
async def test_format_without_one_place_for_the_secret_sends_nothing(
    pool: Pool, tree: Path, template: str
) -> None:
    """Ours: a header without its secret, or with two of it, is no login that anybody meant."""
    async with serving() as web:
        text = asking("get", web.origin, allow=web.origin, credential={**LOGIN, "format": template})
        with suppress(ManifestError):
            await sent(pool, knowing(tree, web.origin), text)

    assert [] == web.targets


@keeps("egress[].credential.secret", "withheld")
async def test_secret_that_the_operator_does_not_name_is_not_gone_without(
    pool: Pool, tree: Path
) -> None:
    """Design §9: the tool is refused; were it offered, its request would be denied."""
    async with serving() as web:
        text = asking("get", web.origin, allow=web.origin, credential=LOGIN)
        with suppress(ManifestError):
            await sent(pool, operator(tree, private=[web.origin]), text)

    assert [] == web.targets


@keeps("egress[].credential.secret", "withheld")
async def test_secret_goes_to_no_other_host_of_the_tool(pool: Pool, tree: Path) -> None:
    """Design §10: rules are not added up: a credential goes where its own ask lets it go."""
    async with serving() as web, serving() as other:
        asks = [Ask(allow=web.origin, credential=LOGIN), Ask(allow=other.origin)]
        policy = knowing(tree, web.origin, other.origin)
        await sent(pool, policy, tool("get", web.origin, other.origin, asks=asks))

    assert [[SECRET]] == [each.values("Authorization") for each in web.arrived]
    assert [[]] == [each.values("Authorization") for each in other.arrived]


@keeps("egress[].credential.secret", "withheld")
async def test_echo_of_a_secret_is_not_what_the_guest_reads(pool: Pool, tree: Path) -> None:
    """Issue: the value is never in what the guest sees; a server that repeats it is masked."""

    def echo(arrived: Arrived) -> bytes:
        return f"you sent {arrived.values('Authorization')}".encode()

    async with serving(echo) as web:
        text = asking("get", web.origin, allow=web.origin, credential=LOGIN)
        answer = await sent(pool, knowing(tree, web.origin), text)

    assert [[SECRET]] == [each.values("Authorization") for each in web.arrived]
    (line,) = lines(answer)
    assert f"you sent ['{'*' * len(SECRET)}']" == line["body"]

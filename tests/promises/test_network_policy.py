"""`[egress]` and `[secrets]` of `preopen.toml`: what the operator opens of the network."""

import json
import ssl
import sys
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import pytest
import trustme

from preopen.cells.pool import Pool
from preopen.errors import ManifestError, PolicyError
from preopen.policy.policy import Policy
from preopen.serving.receipts import receipt_to_json
from promises.network import PUBLIC, SECRET, asking, on_loopback, operator, sent, sent_to
from web import Web, serving

pytestmark = pytest.mark.anyio
keeps = pytest.mark.keeps


@keeps("policy:egress.hosts", "granted")
async def test_host_that_the_operator_lists_is_reached(pool: Pool, tree: Path) -> None:
    """Design §6: the ceiling of every manifest's egress, and what `${egress}` stands for."""
    async with serving() as web:
        host = f"http://docs.a.example:{web.port}"
        policy = operator(tree, hosts=[host])
        with on_loopback():
            for allow in ("http://*.a.example:1..65535", host, "${egress}"):
                text = asking("get", f"{host}/{len(web.arrived)}", allow=allow)
                answer = await sent_to(PUBLIC, pool, policy, text)

    assert ["/0", "/1", "/2"] == web.targets
    assert [(PUBLIC, "200")] == [(r.address, r.result) for r in answer.receipt.requests]


@pytest.mark.parametrize(
    "hosts", [[], ["http://docs.a.example"], ["http://docs.a.example:1..65535/a"]]
)
@keeps("policy:egress.hosts", "withheld")
async def test_host_that_the_operator_does_not_list_is_not_reached(
    pool: Pool, tree: Path, hosts: list[str]
) -> None:
    """Design §5: the tool is offered; its request is a Denial, with the line to add."""
    async with serving() as web:
        host = f"http://docs.a.example:{web.port}"
        with on_loopback():
            text = asking("get", f"{host}/b", allow=host)
            answer = await sent_to(PUBLIC, pool, operator(tree, hosts=hosts), text)

    assert [] == web.targets
    (denial,) = answer.receipt.denials
    assert f"GET {host}" == denial.target
    assert denial.allow


@keeps("policy:egress.private", "granted")
async def test_private_host_that_the_operator_lists_is_reached(pool: Pool, tree: Path) -> None:
    """Design §6: exact hosts and ports where loopback and private addresses pass."""
    async with serving() as web:
        host = f"http://intranet.example:{web.port}"
        text = asking("get", host, allow=host)
        await sent_to("127.0.0.1", pool, operator(tree, private=[host]), text)

    assert ["/"] == web.targets


@pytest.mark.parametrize(
    ("key", "address"),
    [
        ("hosts", "127.0.0.1"),
        ("hosts", "10.0.0.1"),
        ("hosts", "169.254.169.254"),
        ("private", "169.254.169.254"),
        ("private", "100.64.0.1"),
    ],
)
@keeps("policy:egress.private", "withheld")
async def test_address_behind_a_name_is_judged_as_well(
    pool: Pool, tree: Path, key: str, address: str
) -> None:
    """Design §6: a listed host opens no private address; `private` no metadata or shared one."""
    async with serving() as web:
        host = f"http://intranet.example:{web.port}"
        opened = {key: [host]}
        policy = operator(tree, hosts=opened.get("hosts", ()), private=opened.get("private", ()))
        with on_loopback():
            answer = await sent_to(address, pool, policy, asking("get", host, allow=host))

    assert [] == web.targets
    reasons = [denial.reason for denial in answer.receipt.denials]
    assert [True] == [f"intranet.example leads to {address}, " in reason for reason in reasons]


@pytest.mark.parametrize(
    "written", ["http://10.0.0.0/8", "http://*.a.example", "http://a.example/x"]
)
@keeps("policy:egress.private", "withheld")
async def test_line_of_private_names_one_host_and_one_port(tree: Path, written: str) -> None:
    """Design §6: exact hosts and ports; a block would open what nobody thought of."""
    with pytest.raises(PolicyError, match=r"egress\.private"):
        operator(tree, private=[written])


def certified() -> tuple[trustme.CA, ssl.SSLContext]:
    """Return an authority, and a server's context with a certificate of it."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return authority, context


def file_of(authority: trustme.CA, folder: Path) -> str:
    """Write an authority's certificate beside the workspace."""
    file = folder.parent / "authority.pem"
    authority.cert_pem.write_to_path(str(file))
    return str(file)


@keeps("policy:egress.ca_file", "granted")
async def test_server_of_the_operator_s_own_authority_is_trusted(pool: Pool, tree: Path) -> None:
    """Design §6: `ca_file`: one more trust root."""
    authority, context = certified()
    async with serving(tls=context) as web:
        ca_file = file_of(authority, tree)
        policy = operator(tree, private=[web.origin], egress={"ca_file": ca_file})
        await sent(pool, policy, asking("get", f"{web.origin}/x", allow=web.origin))

    assert ["/x"] == web.targets


@pytest.mark.parametrize("ca_file", ["none", "another"])
@keeps("policy:egress.ca_file", "withheld")
async def test_server_that_nobody_trusted_vouches_for_gets_no_request(
    pool: Pool, tree: Path, ca_file: str
) -> None:
    """Design §10: the gateway speaks TLS with the true name; nothing turns the check off."""
    _, context = certified()
    named = {"ca_file": file_of(trustme.CA(), tree)} if ca_file == "another" else {}
    async with serving(tls=context) as web:
        policy = operator(tree, private=[web.origin], egress=named)
        answer = await sent(pool, policy, asking("get", f"{web.origin}/x", allow=web.origin))

    assert [] == web.targets
    assert ["tls_certificate_error"] == [request.result for request in answer.receipt.requests]


async def recorded(pool: Pool, folder: Path, egress: dict[str, bool]) -> tuple[list[str], str]:
    """Return the paths in the receipt of two requests, one denied, and the receipt as sent."""
    async with serving() as web:
        urls = [f"{web.origin}/sword?fish=1", f"{web.origin}/out/swordfish"]
        policy = operator(folder, private=[web.origin], egress=egress)
        text = asking("get", *urls, allow=f"{web.origin}/sword")
        answer = await sent(pool, policy, text)
    assert ["/sword?fish=1"] == web.targets
    receipt = answer.receipt
    return [request.path for request in receipt.requests], json.dumps(receipt_to_json(receipt))


@keeps("policy:egress.record_paths", "granted")
async def test_paths_are_recorded_where_the_operator_says_so(pool: Pool, tree: Path) -> None:
    """Issue: `record_paths`: a receipt that names each request's path and query."""
    paths, receipt = await recorded(pool, tree, {"record_paths": True})

    assert ["/sword?fish=1", "/out/swordfish"] == paths
    assert "/out/swordfish" in receipt


@pytest.mark.parametrize("egress", [{}, {"record_paths": False}])
@keeps("policy:egress.record_paths", "withheld")
async def test_paths_are_recorded_nowhere_by_default(
    pool: Pool, tree: Path, egress: dict[str, bool]
) -> None:
    """Issue: a path may hold a secret, so a receipt names host and port alone."""
    paths, receipt = await recorded(pool, tree, egress)

    assert ["", ""] == paths
    assert "fish" not in receipt


async def logged_in(pool: Pool, policy: Policy, web: Web, name: str = "EXAMPLE") -> list[str]:
    """Return the credentials with which a tool came to the server, whatever became of its call."""
    login = {"header": "X-Key", "secret": name}
    with suppress(ManifestError):
        await sent(pool, policy, asking("get", web.origin, allow=web.origin, credential=login))
    return [value for each in web.arrived for value in (each.values("X-Key") or ["nothing"])]


def having(folder: Path, web: Web, **where: str) -> Policy:
    """Return the policy that has one secret, at this place."""
    environ = {"TOKEN": SECRET, "OTHER": "another-secret-value"}
    return operator(folder, private=[web.origin], secrets={"EXAMPLE": where}, environ=environ)


@keeps("policy:secrets.*.environment", "granted")
async def test_secret_is_read_from_the_variable(pool: Pool, tree: Path) -> None:
    """Design §6: `{ environment = "TOKEN" }`."""
    async with serving() as web:
        assert [SECRET] == await logged_in(pool, having(tree, web, environment="TOKEN"), web)


@keeps("policy:secrets.*.environment", "withheld")
async def test_variable_that_the_operator_made_no_secret_of_is_none(pool: Pool, tree: Path) -> None:
    """Design §6: a manifest names secrets of the operator's, never a variable of the server's."""
    async with serving() as web:
        policy = having(tree, web, environment="TOKEN")
        assert [] == await logged_in(pool, policy, web, name="OTHER")


def token_file(folder: Path, value: str, mode: int = 0o600) -> str:
    """Write a secret into a file of this mode, beside the workspace."""
    file = folder.parent / "token"
    file.write_text(f"{value}\n")
    file.chmod(mode)
    return str(file)


@keeps("policy:secrets.*.file", "granted")
async def test_secret_is_read_from_the_file(pool: Pool, tree: Path) -> None:
    """Design §6: `{ file = "…" }`, mode 0600; the line end at its end is none of it."""
    async with serving() as web:
        policy = having(tree, web, file=token_file(tree, SECRET))
        assert [SECRET] == await logged_in(pool, policy, web)


@pytest.mark.parametrize("mode", [0o640, 0o604])
@keeps("policy:secrets.*.file", "withheld")
async def test_file_that_others_may_read_holds_no_secret(pool: Pool, tree: Path, mode: int) -> None:
    """Design §6: mode 0600, or the tool is refused."""
    async with serving() as web:
        policy = having(tree, web, file=token_file(tree, SECRET, mode))
        assert [] == await logged_in(pool, policy, web)


@keeps("policy:secrets.*.file", "withheld")
async def test_secret_that_could_not_be_masked_is_not_sent(pool: Pool, tree: Path) -> None:
    """Ours: below 8 characters the tool is refused; were it offered, its request is denied."""
    async with serving() as web:
        policy = having(tree, web, file=token_file(tree, "short"))
        assert [] == await logged_in(pool, policy, web)


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str], str]:
    """Install a library of that name, for it is an extra, and unlocked where a person sits."""
    entries = {("tracker", "me"): SECRET}
    library = ModuleType("keyring")
    vars(library)["get_password"] = lambda service, user: entries.get((service, user))
    monkeypatch.setitem(sys.modules, "keyring", library)
    return entries


@pytest.mark.usefixtures("keyring")
@keeps("policy:secrets.*.keyring", "granted")
async def test_secret_is_read_from_the_keyring(pool: Pool, tree: Path) -> None:
    """Design §6: `{ keyring = "service/user" }`."""
    async with serving() as web:
        assert [SECRET] == await logged_in(pool, having(tree, web, keyring="tracker/me"), web)


@pytest.mark.parametrize("entry", ["tracker/you", "another/me"])
@pytest.mark.usefixtures("keyring")
@keeps("policy:secrets.*.keyring", "withheld")
async def test_entry_that_the_keyring_does_not_have_sends_nothing(
    pool: Pool, tree: Path, entry: str
) -> None:
    """Design §6: that service and that user; without it the tool is refused."""
    async with serving() as web:
        assert [] == await logged_in(pool, having(tree, web, keyring=entry), web)

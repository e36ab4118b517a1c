"""A host that a workspace's own file closed, told from one that the operator never opened."""

from dataclasses import replace

import pytest

from policy.asks import manifest
from preopen.capability import Grants
from preopen.egress.rules import parse_rule
from preopen.egress.teaching import way_past
from preopen.egress.url import read_url
from preopen.outcome import Denial
from preopen.policy.egress import grant_egress
from preopen.policy.narrow import narrow
from preopen.policy.network import NetworkPolicy
from preopen.policy.policy import Policy
from preopen.policy.workspace_file import narrow_policy
from preopen.tool.manifest import EgressAsk

FILE = "/work/preopen.toml"
ASKING = manifest(egress=(EgressAsk(key="egress[0]", allow="${egress}", narrow_to="url"),))
OPERATORS = NetworkPolicy(
    hosts=(parse_rule("https://*.open.example", methods=("*",)),),
    private=(parse_rule("http://localhost:3000", methods=("*",), private=True),),
)


def closed_by(*texts: dict[str, list[str]], network: NetworkPolicy = OPERATORS) -> NetworkPolicy:
    """Return what a workspace's file leaves of the network; it said each of the texts in turn."""
    policy = Policy(workspace="/work", network=network)
    for egress in texts:
        policy = narrow_policy(
            policy, {"egress": egress}, FILE, users_file="/me/preopen.toml", locate=str
        )
    return policy.network


def denial_of(url: str, network: NetworkPolicy) -> Denial | None:
    """Return why a call of this URL is denied before anything runs."""
    grants = Grants(egress=grant_egress(ASKING, network).rules)
    found = narrow(ASKING, grants, {"url": url}, home="/me", closed=network.closed)
    if isinstance(found, Denial):
        return found
    found.close()
    return None


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("https://a.open.example/x", 'add "https://a.open.example" to hosts under [egress]'),
        ("http://localhost:3000/", 'add "http://localhost:3000" to private under [egress]'),
    ],
)
def test_host_that_the_workspace_closed_is_the_workspace_s_to_open(url: str, line: str) -> None:
    """Issue: the denial names the file that is in the way, and not the operator's line."""
    assert denial_of(url, OPERATORS) is None
    denial = denial_of(url, closed_by({"hosts": [], "private": []}))

    assert denial is not None
    assert denial.reason.startswith(f"{FILE}, the workspace's own file, closes ")
    assert denial.allow.startswith(f"{line} in {FILE}")
    assert "--egress" not in denial.allow


@pytest.mark.parametrize(
    ("url", "flag"),
    [
        ("https://other.example/", "--egress https://other.example"),
        ("http://localhost:4000/", "--egress-private http://localhost:4000"),
    ],
)
def test_host_that_nobody_opened_is_the_operator_s_to_open(url: str, flag: str) -> None:
    """Issue: the pair: a workspace's file that closes other hosts is not in the way of this one."""
    denial = denial_of(url, closed_by({"hosts": [], "private": []}))

    assert denial is not None
    assert f"start preopen with {flag}" in denial.allow
    assert FILE not in str(denial)


def test_host_that_is_left_open_is_not_closed() -> None:
    """Ours: a tool that does not ask for it is in the way itself."""
    network = closed_by({"hosts": ["https://a.open.example"]})

    assert denial_of("https://a.open.example/", network) is None
    assert "" == way_past(network.closed, read_url("https://a.open.example/"))
    assert FILE in way_past(network.closed, read_url("https://b.open.example/"))


def test_what_a_file_said_before_is_in_the_way_still() -> None:
    """Docs: whoever may write in the workspace lifts nothing while this process runs."""
    network = closed_by({"hosts": []}, {"hosts": ["https://*.open.example"]})
    denial = denial_of("https://a.open.example/", network)

    assert denial is not None
    assert "and start preopen anew" in denial.allow


def test_host_of_an_own_network_is_not_a_line_of_hosts() -> None:
    """Ours: what `hosts` let through by its name, the address gate would stop."""
    wide = replace(OPERATORS, hosts=(parse_rule("http://*", methods=("*",)),), private=())
    denial = denial_of("http://127.0.0.1:80/", closed_by({"hosts": []}, network=wide))

    assert denial is not None
    assert "--egress-private http://127.0.0.1" in denial.allow


def test_file_that_closes_nothing_is_nowhere_named() -> None:
    """Ours: what is open already changes nothing."""
    same = {"hosts": ["https://*.open.example"], "private": ["http://localhost:3000"]}

    assert OPERATORS == closed_by(same)

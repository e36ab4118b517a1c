"""What a tool may send: its asks within what the operator has open."""

import pytest

from policy.asks import COMPONENT, manifest, offer, refuse, texts
from preopen.egress.rule import EgressRule
from preopen.egress.rules import format_rule
from preopen.level import PermissionLevel
from preopen.policy.decisions import Decision, Decisions
from preopen.policy.network import NetworkPolicy, read_private, read_rules
from preopen.policy.policy import Policy
from preopen.policy.secrets import FromEnvironment, Secrets
from preopen.tool.manifest import EgressAsk, Manifest

VALUE = "a-long-token"
CREDENTIAL = {"header": "Authorization", "format": "Bearer {secret}", "secret": "TOKEN"}


def network(*hosts: str, private: tuple[str, ...] = (), token: str = VALUE) -> Policy:
    """Return a policy that opens these."""
    rules, faults = read_rules([(host, "preopen.toml", "egress.hosts") for host in hosts])
    own, more = read_private([(host, "preopen.toml", "egress.private") for host in private])
    assert not (*faults, *more)
    secrets = Secrets(sources={"TOKEN": FromEnvironment(name="T")}, environ={"T": token})
    return Policy(
        workspace=None,
        max_level=PermissionLevel.DANGEROUS,
        decisions=(Decisions(levels=dict.fromkeys(PermissionLevel, Decision.ALLOW)),),
        network=NetworkPolicy(hosts=rules, private=own, secrets=secrets),
    )


def asking(allow: str = "${egress}", **more: object) -> Manifest:
    """Return a manifest with one [[egress]]."""
    return manifest(egress=(EgressAsk(key="egress[0]", allow=allow, **more),))  # type: ignore[arg-type]  # fields of many types


def granted(wants: Manifest, policy: Policy) -> tuple[EgressRule, ...]:
    """Return the rules that a tool gets."""
    return offer(wants, policy, COMPONENT).grants.egress


def hosts(rules: tuple[EgressRule, ...]) -> list[str]:
    """Return rules as people write them."""
    return [format_rule(rule) for rule in rules]


def test_egress_stands_for_all_that_the_operator_lists() -> None:
    """Design §6: hosts, and private hosts, which are marked."""
    policy = network("https://docs.example", private=("http://localhost:3000",))

    rules = granted(asking(methods=("GET",), narrow_to="url"), policy)

    assert hosts(rules) == ["http://localhost:3000", "https://docs.example"]
    assert [rule.private for rule in rules] == [True, False]
    assert {rule.methods for rule in rules} == {("GET",)}
    assert {rule.narrow_to for rule in rules} == {"url"}


def test_rule_of_a_manifest_counts_as_far_as_the_operators_contain_it() -> None:
    """Design §5: egress is intersected, and may come out empty: the tool is offered."""
    policy = network("https://*.example.com", "https://other.example")

    assert hosts(granted(asking("https://api.example.com/v1"), policy)) == [
        "https://api.example.com/v1"
    ]
    assert granted(asking("https://example.com"), policy) == ()
    assert hosts(granted(asking("https://*"), policy)) == [
        "https://*.example.com",
        "https://other.example",
    ]


@pytest.mark.parametrize(("asked", "opened"), [(True, True), (True, False), (False, True)])
def test_private_addresses_pass_where_both_say_so(*, asked: bool, opened: bool) -> None:
    """Design §5: `private` of a manifest counts only for what the operator lists as private."""
    listed = "http://localhost:3000"
    policy = network(private=(listed,)) if opened else network(listed)

    (rule,) = granted(asking("http://*:3000", private=asked), policy)

    assert rule.private == (asked and opened)


def test_ask_that_names_a_private_host_of_the_operators_needs_no_more() -> None:
    """Ours: else a tool for one local service would have to be dangerous to be served at all."""
    listed = "http://localhost:3000"
    wants = asking(listed)

    (rule,) = granted(wants, network(private=(listed,)))

    assert rule.private
    assert not granted(wants, network(listed))[0].private
    assert granted(wants, network(private=("http://localhost:3001",))) == ()


@pytest.mark.parametrize(
    ("wants", "level"),
    [
        (asking(), PermissionLevel.READ_ONLY),
        (asking(methods=("GET", "POST")), PermissionLevel.WRITE),
        (asking(methods=("*",)), PermissionLevel.WRITE),
        (asking("https://a.example"), PermissionLevel.READ_ONLY),
        (asking("https://*"), PermissionLevel.DANGEROUS),
        (asking("http://a.example", private=True), PermissionLevel.DANGEROUS),
    ],
)
def test_level_comes_from_what_is_asked_and_not_from_what_is_listed(
    wants: Manifest, level: PermissionLevel
) -> None:
    """Design §5, Levels: what the operator lists raises none, and an empty list lowers none."""
    for policy in (network(), network("https://*"), network(private=("http://localhost:1",))):
        assert offer(wants, policy, COMPONENT).grants.level is level


def test_credential_goes_to_the_hosts_of_its_own_rule() -> None:
    """Issue: a credential is bound to the rule's hosts."""
    policy = network("https://api.example.com", "https://other.example")

    (rule,) = granted(asking("https://api.example.com", credential=CREDENTIAL), policy)

    assert rule.credential is not None
    assert rule.credential.header == "Authorization"
    assert VALUE not in repr((rule, policy))


def test_credential_for_every_listed_host_is_refused() -> None:
    """Ours: the next host that the operator lists would get the token."""
    faults = texts(refuse(asking(credential=CREDENTIAL), network(), COMPONENT))

    assert "a credential would go to every host" in faults


@pytest.mark.parametrize(
    ("secret", "token", "found"),
    [
        ("OTHER", "a-long-token", "no secret has this name"),
        ("TOKEN", "", "the variable T is not set"),
        ("TOKEN", "short", "fewer than 8 characters"),
        ("TOKEN", "line\nline-and-more", "no header may hold"),
    ],
)
def test_tool_without_its_secret_is_refused(secret: str, token: str, found: str) -> None:
    """Ours: without it each call would fail, and say less than this."""
    wants = asking("https://a.example", credential=CREDENTIAL | {"secret": secret})

    faults = texts(refuse(wants, network("https://a.example", token=token), COMPONENT))

    assert found in faults
    assert token not in faults or not token

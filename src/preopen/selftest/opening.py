"""What a call of the self-test may reach: the operator's policy, and a resolver of our own.

No name is asked of anybody: of those that the ask lists the addresses are told, and no other is.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from ipaddress import ip_address

from preopen.egress.caps import Caps
from preopen.egress.gateway import Gateway, Resolve
from preopen.egress.sockets import Address
from preopen.policy.network import NetworkPolicy, read_private, read_rules
from preopen.policy.policy import Policy
from preopen.policy.secrets import FromEnvironment, Secrets
from preopen.selftest.asking import TOKEN, Network
from preopen.serving.attending import make_gateway

_FILE = "preopen.toml"
_SECRET = "TOKEN"  # noqa: S105 - its name


def network_policy(network: Network | None, fill: Callable[[str], str]) -> NetworkPolicy:
    """Return what an operator would have opened; `fill` puts ports into texts.

    Raises:
        ValueError: a rule is none. Rows are constants: that is a bug of ours.

    """
    if network is None:
        return NetworkPolicy()
    hosts, wrong = read_rules([(fill(text), _FILE, "") for text in network.hosts])
    private, more = read_private([(fill(text), _FILE, "") for text in network.private])
    if wrong or more:
        raise ValueError(*wrong, *more)
    return NetworkPolicy(
        hosts=hosts,
        private=private,
        secrets=Secrets(
            file=_FILE,
            sources={_SECRET: FromEnvironment(name=_SECRET)},
            environ={_SECRET: TOKEN},
        ),
    )


def gateway_for(policy: Policy, network: Network) -> Gateway:
    """Return the product's gateway, to which names lead where the ask says."""
    caps = replace(Caps(), ticket_s=network.ticket_s)
    return replace(make_gateway(policy), resolve=_resolving(network.names), caps=caps)


def _resolving(names: Mapping[str, tuple[str, ...]]) -> Resolve:
    asked: Counter[str] = Counter()

    async def resolve(host: str, port: int) -> tuple[Address, ...]:
        del port
        if host not in names:
            raise OSError("no such name")
        answers = names[host]
        answer = answers[min(asked[host], len(answers) - 1)]
        asked[host] += 1
        return tuple(map(ip_address, answer.split()))

    return resolve

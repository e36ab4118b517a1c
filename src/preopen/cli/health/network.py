"""What the network comes to → lines: which hosts are open, whose certificates count, secrets."""

from collections.abc import Iterator
from typing import Final

from preopen.cli.health.line import Line, State, lines_of
from preopen.cli.looping import run_loop
from preopen.egress.rule import Secret
from preopen.egress.rules import format_rule
from preopen.egress.trust import Trust
from preopen.policy.network import NetworkPolicy

SECTION: Final = "network"


def examine_network(network: NetworkPolicy) -> Iterator[Line]:
    """Yield what this policy opens; nothing is connected to."""
    yield _hosts(network)
    yield _trust(network)
    for name in network.secrets.sources:
        found = network.secrets.get(name)
        if isinstance(found, Secret):
            yield Line(section=SECTION, name=f"secret {name}", state=State.OK, found="it is there")
        else:
            yield from lines_of(SECTION, f"secret {name}", [found])


def _hosts(network: NetworkPolicy) -> Line:
    rules = [format_rule(rule) for rule in network.rules]
    found = f"open to {', '.join(rules)}"
    if not rules:
        found = "closed; --egress https://docs.python.org would open that host to network tools"
    return Line(section=SECTION, name="hosts", state=State.OK, found=found)


def _trust(network: NetworkPolicy) -> Line:
    place = network.ca_file or "the system's certificates"
    try:
        context = run_loop(lambda: Trust(ca_file=network.ca_file).context(http2=False))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return Line(
            section=SECTION,
            name="certificates",
            state=State.FAIL,
            found=f"{place}: {reason}",
            way_out="write a file of certificates in PEM as ca_file under [egress]",
        )
    known = context.cert_store_stats()["x509_ca"]
    more = f", and {network.ca_file}" if network.ca_file else ""
    # Some systems show their roots only as they are used.
    found = f"the system's{more}: {known} roots" if known else f"the system's{more}"
    return Line(section=SECTION, name="certificates", state=State.OK, found=found)

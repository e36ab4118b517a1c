"""`[egress]` and `[secrets]` of `preopen.toml`, and the flags over them → values of the Policy."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from preopen.document import shown
from preopen.egress.rule import ANY_METHOD, NOTHING_CLOSED, Closed, EgressRule, HostKind
from preopen.egress.rules import format_rule, parse_rule
from preopen.errors import Fault, found_and_write
from preopen.policy.secrets import (
    FromEnvironment,
    FromFile,
    FromKeyring,
    Secrets,
    SecretSource,
)

# (rule as written, file or flag, dotted key or "")
Written = tuple[str, str, str]

_KEYRING_WRITE: Final = 'write { keyring = "service/user" }'


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPolicy:
    """What the operator opens of the network. The default opens nothing.

    `hosts` and `private` together are what `${egress}` stands for, and the ceiling of every
    manifest's egress; rules of `private` name one host and port each, where private and loopback
    addresses pass. `ca_file` is a resolved file of trust roots beside the system's, or "".
    `taken` are rules that the workspace's own file, `taken_by`, took away or cut, and open nothing.
    """

    hosts: tuple[EgressRule, ...] = ()
    private: tuple[EgressRule, ...] = ()
    ca_file: str = ""
    records_paths: bool = False
    secrets: Secrets = field(default_factory=Secrets)
    taken: tuple[EgressRule, ...] = ()
    taken_by: str = ""

    @property
    def rules(self) -> tuple[EgressRule, ...]:
        """Every rule; the private ones first, for they say more of the hosts that they name."""
        return (*self.private, *self.hosts)

    @property
    def closed(self) -> Closed:
        """What the workspace's own file closed, for messages."""
        if not self.taken:  # as for nearly everybody, and each call asks
            return NOTHING_CLOSED
        return Closed(rules=self.taken, left=self.rules, file=self.taken_by)


def read_network(
    document: Mapping[str, Any],
    file: str,
    flags: Mapping[str, Sequence[str]],
    *,
    home: str,
    environ: Mapping[str, str],
) -> tuple[NetworkPolicy, tuple[Fault, ...]]:
    """Return what a file and the flags over it open, and every fault in them.

    `flags` holds what was given for the keys "hosts" and "private", which adds to the file's.
    """
    table = document.get("egress", {})
    hosts, faults = read_rules(_written("hosts", table, file, flags, "--egress"))
    private, more = read_private(_written("private", table, file, flags, "--egress-private"))
    sources, wrong = read_secrets(document.get("secrets", {}), file, home)
    ca_file, missing = _ca_file(table.get("ca_file", ""), file, home)
    network = NetworkPolicy(
        hosts=hosts,
        private=private,
        ca_file=ca_file,
        records_paths=table.get("record_paths", False),
        secrets=Secrets(file=file, sources=sources, environ=environ),
    )
    return network, (*faults, *more, *wrong, *missing)


def _written(
    key: str, table: Mapping[str, Any], file: str, flags: Mapping[str, Sequence[str]], flag: str
) -> list[Written]:
    of_file = [(text, file, f"egress.{key}[{n}]") for n, text in enumerate(table.get(key, ()))]
    return [*of_file, *((text, flag, "") for text in flags[key])]


def _ca_file(written: str, file: str, home: str) -> tuple[str, tuple[Fault, ...]]:
    """Return the file of trust roots; whether it holds any is seen when it is loaded."""
    if not written:
        return "", ()
    host_path = _absolute(written, file, home)
    if Path(host_path).is_file():
        return os.path.realpath(host_path), ()
    found = f"{shown(host_path)} is no file"
    write = "write a file of certificates in PEM"
    return "", (Fault(place=file, key="egress.ca_file", found=found, write=write),)


def read_rules(written: Sequence[Written]) -> tuple[tuple[EgressRule, ...], tuple[Fault, ...]]:
    """Return the operator's rules for public hosts, and a fault for each that is none."""
    rules: list[EgressRule] = []
    faults: list[Fault] = []
    for text, place, key in written:
        try:
            rules.append(parse_rule(text, methods=(ANY_METHOD,)))
        except ValueError as problem:
            faults.append(_fault(problem, place, key))
    return tuple(dict.fromkeys(rules)), tuple(faults)


def read_private(written: Sequence[Written]) -> tuple[tuple[EgressRule, ...], tuple[Fault, ...]]:
    """Return the rules for hosts of the operator's own network: one host, one port each."""
    rules: list[EgressRule] = []
    faults: list[Fault] = []
    for text, place, key in written:
        try:
            rules.append(_exact(parse_rule(text, methods=(ANY_METHOD,), private=True), text))
        except ValueError as problem:
            faults.append(_fault(problem, place, key))
    return tuple(dict.fromkeys(rules)), tuple(faults)


def _exact(rule: EgressRule, text: str) -> EgressRule:
    one_address = rule.host.kind is HostKind.ADDRESSES and rule.host.text.endswith(("/32", "/128"))
    if rule.host.kind is not HostKind.NAME and not one_address:
        msg = f'{shown(text)} names more than one host; write one, such as "http://localhost:3000"'
        raise ValueError(msg)
    if rule.ports[0] != rule.ports[1] or rule.path != "/":
        msg = f'{shown(text)} is no host and port alone; write one such as "http://localhost:3000"'
        raise ValueError(msg)
    return rule


def _fault(problem: ValueError, place: str, key: str) -> Fault:
    found, write = found_and_write(problem)
    return Fault(place=place, key=key, found=found, write=write)


def read_secrets(
    table: Mapping[str, Any], file: str, home: str
) -> tuple[dict[str, SecretSource], tuple[Fault, ...]]:
    """Return where each secret of `[secrets]` is, and a fault for each line that says nothing."""
    sources: dict[str, SecretSource] = {}
    faults: list[Fault] = []
    for name, value in table.items():
        match value:
            case {"environment": variable}:
                sources[name] = FromEnvironment(name=variable)
            case {"file": path}:
                sources[name] = FromFile(host_path=_absolute(path, file, home))
            case {"keyring": entry} if len(parts := entry.split("/", 1)) == 2 and all(parts):  # noqa: PLR2004 - service and user
                sources[name] = FromKeyring(service=parts[0], user=parts[1])
            case _:
                found = f"{shown(value)} is no service and user"
                key = f"secrets.{name}.keyring"
                faults.append(Fault(place=file, key=key, found=found, write=_KEYRING_WRITE))
    return sources, tuple(faults)


def _absolute(path: str, file: str, home: str) -> str:
    if path.startswith("~/"):
        return home + path[1:]
    return path if path.startswith("/") else f"{file.rpartition('/')[0]}/{path}"


def describe_network(network: NetworkPolicy) -> Iterator[tuple[str, str]]:
    """Yield each key of the network's and its value, as `preopen policy` shows them."""
    yield "egress.hosts", ", ".join(map(format_rule, network.hosts)) or "none"
    yield "egress.private", ", ".join(map(format_rule, network.private)) or "none"
    yield "egress.ca_file", network.ca_file or "none"
    yield "egress.record_paths", "true" if network.records_paths else "false"
    for name, source in network.secrets.sources.items():
        match source:
            case FromEnvironment(name=variable):
                yield f"secrets.{name}", f"the variable {variable}"
            case FromFile(host_path=host_path):
                yield f"secrets.{name}", f"the file {host_path}"
            case FromKeyring(service=service, user=user):
                yield f"secrets.{name}", f"the keyring's {service}/{user}"

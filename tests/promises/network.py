"""What a promise of the network is tried with: who asks, what the operator opens, who resolves."""

import hashlib
import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from lab import ROOT
from preopen.cells.pool import Pool
from preopen.egress.sockets import Address
from preopen.outcome import JsonValue
from preopen.policy.flags import Flags, Surroundings
from preopen.policy.policy import Policy
from preopen.policy.settings import load_policy
from preopen.serving.attending import make_gateway
from preopen.serving.invocation import Answer, make_invoker
from promises.harness import Guest, call, invoke, manifest, offer, said, table

SECRET = "correct-horse-battery-staple"  # noqa: S105 - what is looked for
PUBLIC = "93.184.215.14"  # the address gate lets it pass, and `on_loopback` sends it nothing


def courier() -> Guest:
    """Return the guest that sends what it is told."""
    path = ROOT / "wasm" / "courier" / "courier.wasm"
    return Guest(path=path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One `[[egress]]`, its credential's keys beside it."""

    allow: str
    credential: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, JsonValue] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The ask as TOML."""
        text = table("[egress]", allow=self.allow, **self.keys)
        return text + (table("egress.credential", **self.credential) if self.credential else "")


def asking(
    *words: str, allow: str, credential: Mapping[str, str] | None = None, **keys: JsonValue
) -> str:
    """Return the manifest of a tool with one ask, whose courier is told these words."""
    return tool(*words, asks=[Ask(allow=allow, credential=credential or {}, keys=keys)])


def tool(*words: str, asks: Sequence[Ask], **limits: JsonValue) -> str:
    """Return the manifest of a tool with these asks and limits, and an argument `url`."""
    rest = "".join(ask.text for ask in asks) + table("limits", **limits)
    dangerous = any("private" in ask.keys for ask in asks)
    level = "dangerous" if dangerous else "write"
    return manifest(courier(), *words, level=level, arguments="url", rest=rest)


def operator(
    folder: Path,
    *,
    private: Sequence[str] = (),
    hosts: Sequence[str] = (),
    secrets: Mapping[str, Mapping[str, str]] | None = None,
    environ: Mapping[str, str] | None = None,
    max_level: str = "write",
    egress: Mapping[str, JsonValue] | None = None,
    more: str = "",
) -> Policy:
    """Return what `preopen.toml` says that opens these; `more` are tables of the test's own."""
    top = {"preopen": 1, "workspace": str(folder), "max_level": max_level}
    text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in top.items())
    text += table("egress", private=list(private), hosts=list(hosts), **(egress or {}))
    text += "".join(table(f"secrets.{n}", **where) for n, where in (secrets or {}).items())
    file = folder.parent / "preopen.toml"
    file.write_text(text + more)
    own = {f"{name}_dir": str(folder.parent / ".own" / name) for name in ("config", "state")}
    around = Surroundings(
        cwd=str(folder),
        home=str(folder.parent / "home"),
        cache_dir=str(folder.parent / ".own" / "cache"),
        environ=environ or {},
        **own,
    )
    return load_policy(Flags(policy_file=str(file)), around)


def lines(answer: Answer) -> list[dict[str, Any]]:
    """Return what the courier said of each request; nothing where it did not run."""
    text = [line for line in said(answer).splitlines() if line.startswith("{")]
    return [json.loads(line) for line in text]


async def sent(pool: Pool, policy: Policy, text: str, **arguments: JsonValue) -> Answer:
    """Return the answer of one call."""
    return await call(pool, policy, text, **arguments)


async def sent_to(address: str, pool: Pool, policy: Policy, text: str) -> Answer:
    """Return the answer of one call; every name of it leads to this address."""

    async def resolve(_host: str, _port: int) -> tuple[Address, ...]:
        return (ip_address(address),)

    gateway = replace(make_gateway(policy), resolve=resolve)
    return await invoke(replace(make_invoker(pool, policy), gateway=gateway), offer(text, policy))


@contextmanager
def on_loopback() -> Iterator[None]:
    """Lead what is dialled to this machine, whatever its address, as a router might.

    Nothing of ours is changed: the gate has judged the address, and the kernel's call is made.
    """
    connect_ex = socket.socket.connect_ex

    def routed(raw: socket.socket, where: tuple[str, int]) -> int:
        return connect_ex(raw, ("127.0.0.1", where[1]))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect_ex", routed)
        yield

"""What was seen of a tool, in one line, for the tests of what is learned from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from policy.asks import MODULE
from preopen.capability import Access
from preopen.egress.rules import parse_rule
from preopen.level import PermissionLevel
from preopen.outcome import Denial, Receipt, Request, Usage
from preopen.policy.decide import Offered, decide
from preopen.policy.network import NetworkPolicy
from preopen.policy.policy import NamedFolder, Policy
from preopen.policy.secrets import FromEnvironment, Secrets
from preopen.tool.parsing import parse_manifest
from preopen.trust.learning import Act, Recorded, Use
from preopen.trust.lesson import Lesson, Session, learn

FILE = "/tools/pupil.toml"
HEAD = f"""\
manifest = 1 # the format
[tool]
name = "pupil"
title = "Pupil"
description = "Learns."
level = "dangerous"
[binary]
path = "pupil.wasm"
sha256 = "{"0" * 64}"
[input.properties]
path = {{ type = "string" }}
other = {{ type = "string" }}
url = {{ type = "string" }}
many = {{ type = "array", items = {{ type = "string" }} }}
count = {{ type = "integer" }}
"""


@dataclass(frozen=True, slots=True)
class School:
    """A workspace with folders in it, and a folder beside it, which is open as `${docs}`."""

    top: Path

    @property
    def workspace(self) -> str:
        """The workspace."""
        return str(self.top / "ws")

    @property
    def docs(self) -> str:
        """The named folder."""
        return str(self.top / "docs")

    def policy(
        self,
        *,
        hosts: Sequence[str] = (),
        private: Sequence[str] = (),
        folders: Mapping[str, str] | None = None,
        access: Access = Access.READ,
        secrets: Sequence[str] = (),
    ) -> Policy:
        """Return the policy that opens these."""
        opened = {"docs": self.docs} if folders is None else folders
        return Policy(
            workspace=self.workspace,
            max_level=PermissionLevel.DANGEROUS,
            folders=tuple(
                NamedFolder(name=name, host_path=path, access=access)
                for name, path in opened.items()
            ),
            network=NetworkPolicy(
                hosts=tuple(parse_rule(host, methods=("*",)) for host in hosts),
                private=tuple(parse_rule(h, methods=("*",), private=True) for h in private),
                secrets=Secrets(
                    file="/preopen.toml",
                    sources={name: FromEnvironment(name=name) for name in secrets},
                    environ=dict.fromkeys(secrets, "long enough"),
                ),
            ),
            home=str(self.top / "home"),
        )

    def session(
        self,
        asks: str,
        *calls: Recorded,
        policy: Policy | None = None,
        networked: bool = False,
        blind: tuple[str, ...] = (),
    ) -> Session:
        """Return what was seen of a tool with these tables, under what the policy grants it."""
        policy = policy or self.policy()
        text = HEAD + asks
        manifest = parse_manifest(text, FILE)
        decision = decide(manifest, MODULE, policy, keep_out=())
        assert isinstance(decision, Offered), decision
        return Session(
            text=text,
            manifest=manifest,
            facts=MODULE,
            grants=decision.grants,
            policy=policy,
            calls=calls,
            networked=networked,
            blind=blind,
        )

    def learn(self, asks: str, *calls: Recorded, moves_first: bool = True, **more: Any) -> Lesson:  # noqa: ANN401 - `session`'s
        """Return what is learned; what is printed is a manifest, whatever it was."""
        lesson = learn(self.session(asks, *calls, **more), kind_of, moves_first=moves_first)
        parse_manifest(lesson.after, FILE)
        return lesson


def kind_of(host_path: str) -> str:
    """Say what a path of the test's own disk is."""
    path = Path(host_path)
    return "folder" if path.is_dir() else "file" if path.exists() else ""


def call(
    *uses: Use,
    said: str = "",
    requests: Sequence[Request] = (),
    denials: Sequence[Denial] = (),
    left_out: int = 0,
    outcome: str = "",
    usage: Usage | None = None,
    **arguments: Any,  # noqa: ANN401 - JSON
) -> Recorded:
    """Return one call; one that said something failed."""
    receipt = Receipt(
        outcome=outcome or ("Exited" if said else "Returned"),
        grants=(),
        cell="none" if outcome == "Denied" else "call",
        sha256="0" * 64,
        requests=tuple(requests),
        denials=tuple(denials),
        left_out=left_out,
        usage=usage or Usage(),
    )
    return Recorded(arguments=arguments, receipt=receipt, failed=bool(said), said=said, uses=uses)


def read(path: str) -> Use:
    return Use(act=Act.READ, host_path=path)


def written(path: str) -> Use:
    return Use(act=Act.WRITTEN, host_path=path)


def listed(path: str) -> Use:
    return Use(act=Act.LISTED, host_path=path)


def made(path: str) -> Use:
    return Use(act=Act.CHANGED, host_path=path)


def request(url: str, method: str = "GET", result: str = "200", port: int = 443) -> Request:
    scheme, _, host = url.partition("://")
    return Request(method=method, scheme=scheme, host=host, port=port, result=result)


def changes(lesson: Lesson) -> dict[str, Any]:
    """Return each change by its place: the value that is set, the table that is added, or None."""
    return {
        each.place: getattr(each, "value", getattr(each, "values", None))
        for each in lesson.findings.changes
        if each.place != "tool.level"
    }

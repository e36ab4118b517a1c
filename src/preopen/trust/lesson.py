"""What calls used and were denied → the smallest manifest that would do; grants nothing.

Pure, but that `decide` is asked for a level: it looks where folders lie.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from preopen.capability import Access, Grants
from preopen.errors import ManifestError
from preopen.level import PermissionLevel
from preopen.policy.decide import Offered, decide
from preopen.policy.policy import NamedFolder, Policy
from preopen.policy.variables import FOLDERS
from preopen.tool.binary import BinaryFacts
from preopen.tool.manifest import Manifest
from preopen.tool.parsing import parse_manifest
from preopen.trust.learning import Change, Evidence, Findings, Recorded, SetKey
from preopen.trust.learning_files import FileLessons
from preopen.trust.learning_limits import advise_limits
from preopen.trust.learning_network import NetworkLessons
from preopen.trust.learning_outside import OutsideLessons
from preopen.trust.revision import revise

_LEVELS: Final = {
    None: PermissionLevel.NONE,
    Access.READ: PermissionLevel.READ_ONLY,
    Access.WRITE: PermissionLevel.WRITE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """All that was seen of one tool. `blind` says why some uses of files may have been missed."""

    text: str
    manifest: Manifest
    facts: BinaryFacts
    grants: Grants
    policy: Policy
    calls: Sequence[Recorded]
    networked: bool
    blind: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What came of it: the present text, the smallest that would do, and why.

    `derived` is the level that the new manifest's grants would have, once the operator opened what
    `findings.operator` says; None where that cannot be told.
    """

    before: str
    after: str
    findings: Findings
    derived: PermissionLevel | None

    @property
    def only_takes(self) -> bool:
        """Whether the changes only take away: then the new manifest reaches nothing new."""
        return all(change.evidence is Evidence.SEEN for change in self.findings.changes)


def learn(session: Session, kind_of: Callable[[str], str], *, moves_first: bool) -> Lesson:
    """Return the smallest manifest that would have done for these calls.

    `kind_of` says whether a host path is a "folder", a "file" or nothing (""). `moves_first` is
    FileLessons'.
    """
    failed = any(call.failed for call in session.calls)
    outside = OutsideLessons(
        manifest=session.manifest,
        grants=session.grants,
        policy=session.policy,
        calls=session.calls,
        kind_of=kind_of,
    )
    findings = Findings(notes=tuple(_notes(session, failed=failed)))
    if not failed and not session.blind:
        findings += Findings(changes=tuple(_files(session, moves_first=moves_first).changes()))
    findings += _network(session, takes=not failed).findings() + outside.findings()
    findings += Findings(advice=tuple(_advice(session)))
    return _finish(session, findings, outside.folders())


def _files(session: Session, *, moves_first: bool) -> FileLessons:
    return FileLessons(
        manifest=session.manifest,
        grants=session.grants,
        policy=session.policy,
        calls=session.calls,
        moves_first=moves_first,
    )


def _network(session: Session, *, takes: bool) -> NetworkLessons:
    return NetworkLessons(
        manifest=session.manifest,
        network=session.policy.network,
        calls=session.calls,
        networked=session.networked,
        takes=takes,
    )


def _advice(session: Session) -> Iterator[str]:
    yield from advise_limits(session.calls, session.grants.limits, session.policy.ceilings)


def _notes(session: Session, *, failed: bool) -> Iterator[str]:
    yield from (f"{why}; no directory is made smaller" for why in session.blind)
    if failed:
        yield "a call failed, and what it would have used is unknown: nothing is taken away"
    if session.grants.directories:
        yield "opens are seen by folder, whoever makes them: other processes' are among them"
        yield "asking for a file's status cannot be seen"
    if session.manifest.environment:
        yield "which variables of [environment] were read cannot be seen"
    if session.manifest.run.executes:
        yield "whether code from the arguments was run cannot be seen"


def _finish(session: Session, findings: Findings, folders: Sequence[NamedFolder]) -> Lesson:
    """Return the lesson with its text, in which the declared level is the derived one."""
    file = session.manifest.file
    after, note = revise(session.text, file, findings.changes)
    derived = _derive(session, after, folders)
    level = _level_change(session.manifest.level, derived, findings.changes)
    if level is not None:
        findings = Findings(changes=(level,)) + findings
        after, note = revise(session.text, file, findings.changes)
    findings += Findings(notes=(note,) if note else ())
    return Lesson(before=session.text, after=after, findings=findings, derived=derived)


def _level_change(
    declared: PermissionLevel, derived: PermissionLevel | None, changes: Sequence[Change]
) -> Change | None:
    if derived is None or derived is declared:
        return None
    verb = "is all that its grants come to"
    evidence = Evidence.SEEN
    if derived > declared:
        verb = "is what its grants would come to"
        denied = any(change.evidence is Evidence.DENIED for change in changes)
        evidence = Evidence.DENIED if denied else Evidence.GUESS
    reason = f"{derived.value} {verb}"
    return SetKey(table="tool", key="level", value=derived.value, reason=reason, evidence=evidence)


def _derive(session: Session, text: str, folders: Sequence[NamedFolder]) -> PermissionLevel | None:
    """Return the level of a manifest's grants, as if the operator had opened these folders.

    An ask for `${folders}` counts even where none is open now. The grants themselves go nowhere.
    """
    try:
        manifest = parse_manifest(text, session.manifest.file, builtin=session.manifest.builtin)
    except ManifestError:
        return None
    supposed = replace(
        session.policy,
        max_level=PermissionLevel.DANGEROUS,
        folders=(*session.policy.folders, *folders),
    )
    highest = replace(manifest, level=PermissionLevel.DANGEROUS)
    decision = decide(highest, session.facts, supposed, keep_out=())
    if not isinstance(decision, Offered):
        return None
    asked = [ask.access for ask in manifest.directories if ask.host == FOLDERS]
    return max(decision.grants.level, *(_LEVELS[access] for access in asked), _LEVELS[None])

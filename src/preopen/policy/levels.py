"""The level that grants make, and whether it may be offered. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from preopen.capability import Access, Directory, EnvVar, LevelReason, Source
from preopen.errors import Fault
from preopen.level import PermissionLevel
from preopen.policy.decisions import Decision, rule_tool
from preopen.policy.places import is_inside, printable
from preopen.policy.policy import Policy
from preopen.tool.manifest import Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyedReason:
    """A LevelReason with the manifest's line that made it: "directory[0]"."""

    key: str
    reason: LevelReason

    def __str__(self) -> str:
        return f"{self.key} {self.reason.text}, which is {self.reason.level.value}"


def directory_reason(key: str, directory: Directory, policy: Policy) -> KeyedReason:
    """Return the level of one directory: dangerous outside of all that the operator opened."""
    opened = _is_opened(directory, policy)
    return directory_level(key, directory.host_path, directory.access, opened=opened)


def directory_level(key: str, host: str, access: Access, *, opened: bool) -> KeyedReason:
    """Return the level of a folder by whether the operator opened it for that access."""
    verb = "writes" if access is Access.WRITE else "reads"
    text = f"{verb} below {printable(host)}"
    if not opened:
        text += ", outside of the workspace and the named folders"
        level = PermissionLevel.DANGEROUS
    elif access is Access.WRITE:
        level = PermissionLevel.WRITE
    else:
        level = PermissionLevel.READ_ONLY
    return KeyedReason(key=key, reason=LevelReason(level=level, text=text))


def _is_opened(directory: Directory, policy: Policy) -> bool:
    opened = [
        folder.host_path
        for folder in policy.folders
        if directory.access is Access.READ or folder.access is Access.WRITE
    ]
    opened += [] if policy.workspace is None else [policy.workspace]
    return any(is_inside(directory.host_path, folder) for folder in opened)


def variable_reasons(variables: Iterable[tuple[str, EnvVar]]) -> Iterator[KeyedReason]:
    """Yield a reason for each variable of the host's; a value in the manifest has no level."""
    for key, variable in variables:
        if variable.source is Source.HOST:
            yield variable_reason(key, variable.name)


def variable_reason(key: str, name: str) -> KeyedReason:
    """Return the level of one variable of the host's, by the name that the guest sees."""
    text = f"reads a variable of the host as {name}"
    return KeyedReason(key=key, reason=LevelReason(level=PermissionLevel.READ_ONLY, text=text))


def execute_reason() -> KeyedReason:
    """Return the level of `executes = true`."""
    reason = LevelReason(level=PermissionLevel.EXECUTE, text="runs code from the arguments")
    return KeyedReason(key="run.executes", reason=reason)


def derived_level(reasons: Iterable[KeyedReason]) -> PermissionLevel:
    """Return the highest level of all reasons, `none` where there is none."""
    return max((each.reason.level for each in reasons), default=PermissionLevel.NONE)


def check_level(
    manifest: Manifest, reasons: tuple[KeyedReason, ...], policy: Policy
) -> Iterator[Fault]:
    """Yield why the tool may not be offered: forbidden, declared too low, denied, too high."""
    place, key, derived = manifest.file, "tool.level", derived_level(reasons)
    top = next((str(each) for each in reasons if each.reason.level is derived), "")
    if manifest.level is PermissionLevel.FORBIDDEN:
        found = "not offered: its own manifest calls it forbidden"
        yield Fault(place=place, key=key, found=found, write="leave it, or declare another level")
    elif manifest.level < derived:
        found = f'declared "{manifest.level.value}", but {top}'
        yield Fault(place=place, key=key, found=found, write=f'write level = "{derived.value}"')
    ruling = rule_tool(policy.decisions, manifest.name, derived)
    if ruling.decision is Decision.DENY and manifest.level is not PermissionLevel.FORBIDDEN:
        where = f" of {ruling.place}" if ruling.place else ""
        write = (
            f'to be asked at each call, write under [decide.tools]{where} {manifest.name} = "ask"'
        )
        yield Fault(place=place, key=key, found=f"not offered: {ruling}", write=write)
    if derived > policy.max_level:
        ceiling = f"--allow {policy.max_level.value} ({policy.origins.get('max_level', 'default')})"
        found = f"not offered: level {derived.value} is above {ceiling}; {top}"
        write = f"to offer it, start preopen with --allow {derived.value}"
        yield Fault(place=place, key=key, found=found, write=write)

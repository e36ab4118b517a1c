"""`preopen check`: whether manifests, the operator's file and binaries are good, by doing it."""

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import click

from preopen.cells.cache import Cache
from preopen.cells.compiling import compile_binary
from preopen.cli.approvals import read_approvals
from preopen.cli.looping import run_loop
from preopen.cli.options import approve_flag, examples, json_flag, policy_flags
from preopen.cli.printing import fault_to_json, say, say_json, warn
from preopen.cli.starting import make_cache
from preopen.cli.surroundings import read_surroundings
from preopen.errors import Fault, PolicyError, PreopenError
from preopen.policy.file import FILE_NAME
from preopen.policy.flags import Flags
from preopen.policy.mentions import explain_unknown, find_unknown
from preopen.policy.policy import Policy
from preopen.policy.settings import load_policy
from preopen.serving.loading import Found, find_manifests, load_registry
from preopen.serving.registry import Registry, Tool
from preopen.trust.lock import AllOfThisRun

_REFUSED = 3
_AT_ONCE = 2  # compilers; each uses every core that it finds


@dataclass(slots=True)
class Findings:
    """What was checked and what was found; no fault means that all is well."""

    checked: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    quarantined: list[Fault] = field(default_factory=list)


@click.command(
    "check",
    short_help="Check manifests, their binaries and the policy.",
    epilog=examples(
        "preopen check",
        "preopen check ./tools/weather.toml",
        "preopen check --policy ./preopen.toml --json",
    ),
)
@click.argument("manifests_named", metavar="[MANIFEST]...", nargs=-1)
@click.option(
    "--retry", is_flag=True, help="Compile binaries again that were refused, and forget that."
)
@policy_flags
@approve_flag
@json_flag
def command(
    manifests_named: tuple[str, ...],
    flags: Flags,
    *,
    retry: bool,
    approve_all: bool,
    as_json: bool,
) -> int:
    """Check manifests (files, or folders of them), their binaries, and `preopen.toml`.

    That is the operator's file, and the workspace's own, which may only narrow it.

    Without MANIFEST: all that this policy would serve. Every binary is really compiled, but for
    those that a server failed to compile before: their refusals are remembered.
    A manifest that this policy refuses is a fault, too, and exits with 3. A tool that waits for
    `preopen approve` is checked as well, and told: it is no fault of what was checked.
    """
    findings = Findings()
    try:
        _check(manifests_named, flags, findings, retry=retry, approve_all=approve_all)
    except PolicyError as error:
        findings.faults += error.faults
    if as_json:
        say_json(
            {
                "ok": not findings.faults,
                "checked": findings.checked,
                "faults": [fault_to_json(fault) for fault in findings.faults],
                "warnings": findings.warnings,
                "left_out": findings.left_out,
                "quarantined": [fault_to_json(fault) for fault in findings.quarantined],
            }
        )
    else:
        _say(findings)
    return _REFUSED if findings.faults else 0


def _check(
    named: tuple[str, ...], flags: Flags, findings: Findings, *, retry: bool, approve_all: bool
) -> None:
    around = read_surroundings()
    policy = load_policy(flags, around)
    file = Path(around.cwd, flags.policy_file or Path(around.config_dir, FILE_NAME))
    findings.checked += [str(file)] if file.exists() else []
    findings.checked += [policy.workspace_file] if policy.workspace_file else []
    findings.warnings += policy.ignored
    found = find_manifests(policy) if not named else tuple(_named(named))
    registry = load_registry(policy, AllOfThisRun(), found)
    approvals = read_approvals(around, approve_all=approve_all)
    held = load_registry(policy, approvals, found).quarantined
    findings.quarantined += [fault for tool in held for fault in tool.faults]
    findings.warnings += _unknown_names(policy, registry)
    findings.left_out += registry.left_out
    findings.faults += [fault for tool in registry.refused for fault in tool.faults]
    for tool in registry.tools.values():
        findings.warnings += [f"{tool.manifest.file}: {warning}" for warning in tool.warnings]
    tools, cache = list(registry.tools.values()), make_cache(around)
    if retry:
        for tool in tools:
            cache.forget(tool.source)
    run_loop(_compile_all, tools, cache, findings)


def _unknown_names(policy: Policy, checked: Registry) -> Iterator[str]:
    """Yield what names no tool that a server under this policy would know, nor one checked."""
    if not find_unknown(policy, checked.known):
        return
    known = checked.known | load_registry(policy, AllOfThisRun()).known
    for mention in find_unknown(policy, known):
        yield str(explain_unknown(mention, known))


def _named(written: Iterable[str]) -> Iterable[Found]:
    for name in written:
        path = Path(name)
        files = sorted(path.glob("*.toml")) if path.is_dir() else [path]
        if not files:
            raise click.UsageError(f"{name} is a folder without a *.toml; name a manifest")
        yield from (Found(file=file, builtin=False) for file in files)


async def _compile_all(tools: list[Tool], cache: Cache, findings: Findings) -> None:
    limiter = anyio.CapacityLimiter(_AT_ONCE)

    async def compile_one(tool: Tool) -> None:
        async with limiter:
            try:
                source = tool.source
                if refused := cache.recall(source):  # a server would not compile it either
                    raise refused
                with tempfile.TemporaryFile() as out:
                    await compile_binary(source.binary, source.read(), source.place, out.fileno())
            except PreopenError as error:
                findings.faults += error.faults

    async with anyio.create_task_group() as tasks:
        for source in {tool.source.binary: tool for tool in tools}.values():
            tasks.start_soon(compile_one, source)
    findings.checked += [tool.manifest.file for tool in tools]


def _say(findings: Findings) -> None:
    for fault in findings.faults:
        warn(str(fault))
    for warning in findings.warnings:
        warn(f"warning: {warning}")
    for fault in findings.quarantined:
        warn(f"warning: {fault}")
    if findings.left_out:
        warn(f"not checked, left out by --without: {', '.join(findings.left_out)}")
    if findings.faults:
        number = len(findings.faults)
        warn(f"{number} fault{'' if number == 1 else 's'} found")
        return
    for place in findings.checked:
        say(f"ok  {place}")
    number = len(findings.checked)
    say(f"{number} file{'' if number == 1 else 's'} checked; binaries match, compile and fit")

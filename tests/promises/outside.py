# ruff: noqa: ANN401 - a mutant stands for a function of any signature
"""Mutants of the enforcers in the server: each answers as if nothing had been asked of it."""

import os
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from lab import PROBES
from preopen.capability import EnvVar, LevelReason, Source
from preopen.cells import start as starting
from preopen.errors import Fault
from preopen.level import PermissionLevel
from preopen.policy.decisions import Decision
from preopen.policy.levels import KeyedReason
from preopen.serving.loading import Found
from preopen.tool.result import Reply, TextBlock
from preopen.trust.guards import Allowed
from promises.faraway import NETWORK
from promises.patching import Mutant, answers

_ROOM: Final = 1 << 30
_LONG_MS: Final = 3_600_000


def _parse_manifest(original: Callable[..., Any], _key: str) -> object:
    def parse_manifest(text: str, file: str, **named: Any) -> Any:
        return original(text.replace("manifest = 2\n", "manifest = 1\n"), file, **named)

    return parse_manifest


def _read_binary(_original: object, key: str) -> object:
    if key == "binary.path":
        return lambda _manifest: PROBES["module"].read_bytes()
    return lambda manifest: Path(manifest.binary_path).read_bytes()


def _argv(original: Callable[..., tuple[str, ...]], _key: str) -> object:
    return lambda args, arguments: (*original(args, arguments), *map(str, arguments.values()))


def _stdin(_original: object, _key: str) -> object:
    return lambda _template, arguments: "".join(map(str, arguments.values())).encode()


def _read_reply(_original: object, _key: str) -> object:
    return lambda _manifest, stdout, _check: Reply(content=(TextBlock(text=stdout.decode()),))


def _read_answer(original: Callable[..., Any], key: str) -> object:
    def read_answer(answer: Any, job: Any) -> Any:
        if key == "run.exit_ok":
            return original(answer, replace(job, exit_ok=tuple(range(256))))
        limits = replace(job.limits, output_bytes=_ROOM, stderr_bytes=_ROOM)
        return original(answer, replace(job, limits=limits))

    return read_answer


def _narrow(original: Callable[..., Any], _key: str) -> object:
    def narrow(manifest: Any, grants: Any, arguments: Any, **more: Any) -> Any:
        asked = tuple(replace(each, narrow_to=()) for each in manifest.directories)
        whole = tuple(replace(each, narrow_to=()) for each in grants.directories)
        run = replace(manifest.run, paths=())
        manifest = replace(manifest, directories=asked, run=run)
        return original(manifest, replace(grants, directories=whole), arguments, **more)

    return narrow


def _execute_reason(_original: object, _key: str) -> object:
    reason = LevelReason(level=PermissionLevel.NONE, text="runs code, and nobody minds")
    return lambda: KeyedReason(key="run.executes", reason=reason)


def _rule_tool(original: Callable[..., Any], _key: str) -> object:
    def rule_tool(*arguments: Any) -> Any:
        return replace(original(*arguments), decision=Decision.ALLOW)

    return rule_tool


def _rule_folders(original: Callable[..., Any], _key: str) -> object:
    return lambda layers, name, grants, _folders: original(layers, name, grants, ())


def _give(_original: object, _key: str) -> object:
    def give(ask: Any, _place: str, _policy: Any) -> EnvVar:
        return EnvVar(name=ask.name, value=os.environ[ask.from_host], source=Source.HOST)

    return give


def _run_in(original: Callable[..., Any], _key: str) -> object:
    def run_in(pool: Any, cell: Any, job: Any) -> Any:
        return original(pool, cell, replace(job, limits=replace(job.limits, wall_time_ms=_LONG_MS)))

    return run_in


def _wait(original: Callable[..., Any], _key: str) -> object:
    return lambda permits, tool, line, _queue: original(permits, tool, line, _ROOM)


def _start(original: Callable[..., Any], _key: str) -> object:
    """Start a process with all of the server's environment."""

    def start(*arguments: Any) -> Any:
        alone = starting.ENVIRONMENT
        try:
            vars(starting)["ENVIRONMENT"] = {**os.environ, **alone}
            return original(*arguments)
        finally:
            vars(starting)["ENVIRONMENT"] = alone

    return start


def _expand(original: Callable[..., Any], _key: str) -> object:
    def expand(text: str, policy: Any, **named: Any) -> Any:
        path = original(text, policy, **named)
        return policy.workspace if isinstance(path, Fault) else path

    return expand


def _limit(_original: object, _key: str) -> object:
    return lambda manifest, _policy: (manifest.limits, ())


def _find_manifests(_original: object, _key: str) -> object:
    def find_manifests(policy: Any) -> tuple[Found, ...]:
        found = sorted(Path(policy.workspace).parent.rglob("*.toml"))
        return tuple(Found(file=file, builtin=False) for file in found)

    return find_manifests


def _part_doubles(_original: object, _key: str) -> object:
    return lambda manifests: (manifests, [])


def _load_registry(original: Callable[..., Any], _key: str) -> object:
    return lambda policy, *more: original(replace(policy, without=frozenset()), *more)


def _workspace(_original: object, _key: str) -> object:
    return lambda loader: (loader.document["workspace"], "")


def _document(_original: object, _key: str) -> object:
    return lambda file: tomllib.loads(Path(file).read_text())


def _binding(original: Callable[..., Any], _key: str) -> object:
    def binding(invoker: Any, tool: Any) -> Any:
        policy = replace(invoker.policy, calls_per_cell={tool.name: 100})
        return original(SimpleNamespace(policy=policy), tool)

    return binding


def _kept_values(original: Callable[..., Any], _key: str) -> object:
    return lambda texts, **_named: original(texts, keeps_values=True)


MUTANTS: Final[dict[str, Mutant]] = {
    "preopen.cells.launch:check_layers": answers(None),
    "preopen.cells.permits:Permits._may_start": answers(True),
    "preopen.cells.permits:Permits._wait": _wait,
    "preopen.cells.pool:Pool._run_in": _run_in,
    "preopen.cells.rate:Rates.count": answers(None),
    "preopen.cells.start:start": _start,
    "preopen.cells.verdict:read_answer": _read_answer,
    "preopen.document:_value_faults": answers(()),
    "preopen.policy.ceilings:limit": _limit,
    "preopen.policy.decide:_check_interface": answers(()),
    "preopen.policy.decide:_closed_folder": answers(None),
    "preopen.policy.decide:_give": _give,
    "preopen.policy.decisions:_rule_tool": _rule_tool,
    "preopen.policy.decisions:rule_folders": _rule_folders,
    "preopen.policy.fences:check_fence": answers(None),
    "preopen.policy.levels:_is_opened": answers(True),
    "preopen.policy.levels:check_level": answers(()),
    "preopen.policy.levels:execute_reason": _execute_reason,
    "preopen.policy.narrow:narrow": _narrow,
    "preopen.policy.settings:_Loader._workspace": _workspace,
    "preopen.policy.file:read_document": _document,
    "preopen.policy.variables:expand": _expand,
    "preopen.schema:Validator.problems": answers(()),
    "preopen.serving.invocation:Invoker._binding": _binding,
    "preopen.serving.recording:Recorder.begin": answers(True),
    "preopen.trust.audit_record:kept_values": _kept_values,
    "preopen.serving.loading:_part_doubles": _part_doubles,
    "preopen.serving.loading:find_manifests": _find_manifests,
    "preopen.serving.loading:load_registry": _load_registry,
    "preopen.serving.loading:read_binary": _read_binary,
    "preopen.tool.parsing:_check_run": answers(()),
    "preopen.tool.parsing:_check_tool": answers(()),
    "preopen.tool.parsing:parse_manifest": _parse_manifest,
    "preopen.tool.result:read_reply": _read_reply,
    "preopen.tool.template:_argv": _argv,
    "preopen.tool.template:_refuse_option": answers(None),
    "preopen.tool.template:_stdin": _stdin,
    "preopen.tool.template:check_templates": answers(()),
    "preopen.trust.guards:FlowGuards._sources": answers({}),
    "preopen.trust.guards:FlowGuards.judge": answers(Allowed()),
    "preopen.trust.quotas:judge": answers(None),
    **NETWORK,
}

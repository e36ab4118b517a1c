"""Manifests and binaries on disk + Policy → Registry. A bad tool is refused, the rest served."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

from preopen.capability import Grants
from preopen.cells.cache import BinarySource
from preopen.egress.rule import Secret
from preopen.errors import BinaryError, Fault, ManifestError, PreopenError
from preopen.policy.audit_imports import uses_network
from preopen.policy.decide import Refused, decide
from preopen.policy.decisions import may_ask
from preopen.policy.policy import Policy
from preopen.schema import compile_schema
from preopen.serving.registry import QuarantinedTool, RefusedTool, Registry, Tool
from preopen.shipped import MANIFESTS, shipped
from preopen.tool.binary import BinaryFacts, read_facts
from preopen.tool.manifest import Manifest
from preopen.tool.parsing import load_manifest
from preopen.trust.fingerprint import define
from preopen.trust.lock import Approvals, waiting
from preopen.wire.frames import Binary

MAX_BINARY = 128 << 20  # the largest guest that we know of, CPython as a component, has 31 MB


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A manifest on disk, not read yet."""

    file: Path
    builtin: bool


def find_manifests(policy: Policy) -> tuple[Found, ...]:
    """Return every manifest that this policy serves: the built-in ones, then folder by folder."""
    found = [Found(file=file, builtin=True) for file in sorted(shipped(MANIFESTS).glob("*.toml"))]
    for folder in policy.tool_folders:
        found += [Found(file=file, builtin=False) for file in sorted(Path(folder).glob("*.toml"))]
    return tuple(found)


def load_registry(
    policy: Policy, approvals: Approvals, found: Iterable[Found] | None = None
) -> Registry:
    """Return the tools that this policy offers of these manifests, and why it offers no others.

    What comes with preopen is approved by its release. A tool of anybody else's that the policy
    would offer is quarantined unless `approvals` hold its very definition.
    """
    manifests, refused = _read_manifests(find_manifests(policy) if found is None else found)
    dropped = _left_out(manifests, policy.without)
    wanted = [each for each in manifests if each not in dropped]
    unique, doubles = _part_doubles(wanted)
    refused += doubles
    keep_out = folders_of(unique)
    # Only now: a workspace's file may bar a tool, and frees its name for no other.
    dropped += [each for each in unique if each.name in policy.barred]
    tools: dict[str, Tool] = {}
    quarantined = []
    for manifest in unique:
        if manifest.name in policy.barred:
            continue
        try:
            tool = load_tool(manifest, policy, keep_out)
        except PreopenError as error:
            refused.append(RefusedTool(name=manifest.name, file=manifest.file, faults=error.faults))
            continue
        definition = define(manifest, tool.facts)
        why = None if manifest.builtin else waiting(definition, approvals)
        if why is None:
            tools[manifest.name] = tool
        else:
            held = QuarantinedTool(file=manifest.file, definition=definition, waiting=why)
            quarantined.append(held)
    return Registry(
        tools=MappingProxyType(dict(sorted(tools.items()))),
        refused=tuple(refused),
        quarantined=tuple(quarantined),
        left_out=tuple(each.name for each in dropped),
        files=_files_of(manifests, refused),
        approvals=approvals,
    )


def load_tool(manifest: Manifest, policy: Policy, keep_out: tuple[str, ...]) -> Tool:
    """Return one tool, its binary checked and its grants decided; whoever asks approves it.

    Raises:
        PreopenError: one of its kinds, holding every Refusal.

    """
    facts = read_facts(read_binary(manifest), manifest.binary_path)
    return judge_tool(manifest, facts, policy, keep_out)


def judge_tool(
    manifest: Manifest, facts: BinaryFacts, policy: Policy, keep_out: tuple[str, ...]
) -> Tool:
    """Return the tool that this policy offers of a manifest and its binary, which is not read.

    Raises:
        ManifestError: with every Refusal.

    """
    decision = decide(manifest, facts, policy, keep_out=keep_out)
    if isinstance(decision, Refused):
        raise ManifestError(*decision.refusals)
    binary = Binary(
        sha256=manifest.sha256,
        kind=facts.kind.value,
        stack_bytes=decision.grants.limits.stack_bytes,
        counts_fuel=decision.grants.limits.fuel is not None,
    )
    read = partial(read_binary, manifest)
    output = manifest.output_schema
    return Tool(
        manifest=manifest,
        fingerprint=define(manifest, facts).fingerprint,
        facts=facts,
        grants=decision.grants,
        source=BinarySource(
            binary=binary,
            place=manifest.binary_path,
            read=read,
            networked=uses_network(facts),
            is_inert=facts.is_inert,
        ),
        arguments=compile_schema(manifest.input_schema, manifest.file, "input"),
        result=None if output is None else compile_schema(output, manifest.file, "output"),
        secrets=_secrets_of(decision.grants, policy),
        warnings=decision.warnings,
        asks=may_ask(policy.decisions, manifest.name, decision.grants, policy.workspace),
    )


def _secrets_of(grants: Grants, policy: Policy) -> dict[str, Secret]:
    """Return the secrets of a tool's credentials; `decide` refused it where one is missing."""
    names = {rule.credential.secret for rule in grants.egress if rule.credential is not None}
    found = {name: policy.network.secrets.get(name) for name in names}
    return {name: secret for name, secret in found.items() if isinstance(secret, Secret)}


def read_binary(manifest: Manifest) -> bytes:
    """Return the bytes of a manifest's binary, which are those that it pinned.

    Raises:
        BinaryError: the file cannot be read, is too large, or has another sha256.

    """
    place, key = manifest.file, "binary.path"
    path = Path(manifest.binary_path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BINARY + 1)
    except OSError as error:
        found = f"{manifest.binary_path}: {error.strerror}"
        write = "write the path of the .wasm file, relative to the manifest"
        raise BinaryError(Fault(place=place, key=key, found=found, write=write)) from error
    if len(data) > MAX_BINARY:
        found = f"{manifest.binary_path} is larger than {MAX_BINARY >> 20}MiB"
        raise BinaryError(Fault(place=place, key=key, found=found, write="make it smaller"))
    actual = hashlib.sha256(data).hexdigest()
    if actual != manifest.sha256:
        found = f"{manifest.sha256} is pinned and {manifest.binary_path} has {actual}"
        write = "look at what changed; if the file is the one you mean, pin that sha256"
        raise BinaryError(Fault(place=place, key="binary.sha256", found=found, write=write))
    return data


def _read_manifests(found: Iterable[Found]) -> tuple[list[Manifest], list[RefusedTool]]:
    manifests, refused = [], []
    for each in found:
        try:
            manifests.append(load_manifest(each.file, builtin=each.builtin))
        except ManifestError as error:
            refused.append(
                RefusedTool(name=each.file.stem, file=str(each.file), faults=error.faults)
            )
    return manifests, refused


def _left_out(manifests: list[Manifest], without: frozenset[str]) -> list[Manifest]:
    """Return what `--without` drops: of a built-in's name only the built-in, to free it."""
    builtin = {each.name for each in manifests if each.builtin}
    return [
        each
        for each in manifests
        if each.name in without and (each.builtin or each.name not in builtin)
    ]


def _part_doubles(manifests: list[Manifest]) -> tuple[list[Manifest], list[RefusedTool]]:
    """Return the manifests whose name is theirs alone, and refusals of the others.

    A built-in keeps its name; of two user manifests neither gets it.
    """
    by_name: dict[str, list[Manifest]] = {}
    for manifest in manifests:
        by_name.setdefault(manifest.name, []).append(manifest)
    unique, refused = [], []
    for name, group in by_name.items():
        keeper = next(
            (each for each in group if each.builtin), group[0] if len(group) == 1 else None
        )
        if keeper is not None:
            unique.append(keeper)
        for loser in group:
            if loser is not keeper:
                other = keeper or next(each for each in group if each is not loser)
                refused.append(_refuse_double(name, loser, other))
    return unique, refused


def _refuse_double(name: str, loser: Manifest, other: Manifest) -> RefusedTool:
    whose = "the built-in tool's" if other.builtin else f"also that of {other.file}"
    found = f'"{name}" is {whose}'
    write = (
        f"rename one of them, or free the name with --without {name}"
        if other.builtin
        else "rename one"
    )
    fault = Fault(place=loser.file, key="tool.name", found=found, write=write)
    return RefusedTool(name=name, file=loser.file, faults=(fault,))


def _files_of(manifests: Iterable[Manifest], refused: Iterable[RefusedTool]) -> tuple[str, ...]:
    own = [each for each in manifests if not each.builtin]
    files = [path for each in own for path in (each.file, each.binary_path)]
    return tuple(dict.fromkeys([*files, *(each.file for each in refused)]))


def folders_of(manifests: Iterable[Manifest]) -> tuple[str, ...]:
    """Return the folders that no writable grant may touch: who writes there changes what is run."""
    folders = [Path(p).resolve().parent for m in manifests for p in (m.file, m.binary_path)]
    return tuple(dict.fromkeys(map(str, folders)))

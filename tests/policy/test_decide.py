"""Manifest + Policy: what is granted, what is refused, and what each message says to write."""

from dataclasses import replace
from pathlib import Path

import pytest

from policy.asks import FILE, MODULE, ask, manifest, offer, refuse, texts
from preopen.capability import CEILINGS, Access, Directory, EnvVar, Limits, Source
from preopen.level import PermissionLevel
from preopen.policy.decisions import Decision, Decisions
from preopen.policy.policy import NamedFolder, Policy
from preopen.tool.binary import BinaryFacts, BinaryKind
from preopen.tool.manifest import EnvAsk, Interface, Run


@pytest.fixture
def policy(tree: Path) -> Policy:
    """Open a workspace, a folder to read and one to write; beside it lies what is nobody's."""
    for name in ("docs", "drafts", "nobody"):
        (tree.parent / name / "in").mkdir(parents=True)
    return Policy(
        workspace=str(tree),
        max_level=PermissionLevel.DANGEROUS,
        decisions=(Decisions(levels=dict.fromkeys(PermissionLevel, Decision.ALLOW)),),
        folders=(
            NamedFolder(name="docs", host_path=f"{tree.parent}/docs"),
            NamedFolder(name="drafts", host_path=f"{tree.parent}/drafts", access=Access.WRITE),
        ),
        variables={"top": str(tree.parent), "word": "in", "up": f"{tree}/.."},
        environment_names=("LANG", "UNSET", "ODD"),
        environment={"LANG": "de", "ODD": "\udcff"},
        home=str(tree.parent),
    )


def test_workspace_is_granted_at_its_own_path(tree: Path, policy: Policy) -> None:
    """Design §5: guest defaults to the same path as on the host; narrow_to is carried along."""
    grants = offer(manifest(ask(narrow_to=("path",))), policy).grants

    assert (
        Directory(
            host_path=str(tree), guest_path=str(tree), access=Access.READ, narrow_to=("path",)
        ),
    ) == grants.directories


def test_nothing_asked_is_nothing_granted(policy: Policy) -> None:
    """Design: default nothing, and level none."""
    answer = offer(manifest(level="none"), policy)

    assert ((), (), False, PermissionLevel.NONE, ()) == (
        answer.grants.directories,
        answer.grants.environment,
        answer.grants.executes,
        answer.grants.level,
        answer.grants.reasons,
    )


@pytest.mark.parametrize(
    ("host", "path"),
    [
        ("${workspace}/sub", "work/sub"),
        ("${docs}", "docs"),
        ("${docs}/in", "docs/in"),
        ("${top}/docs/${word}", "docs/in"),
        ("~/docs", "docs"),
        ("~", ""),
    ],
)
def test_variables_are_expanded(host: str, path: str, tree: Path, policy: Policy) -> None:
    """Design §5: workspace, named folders, the operator's variables, and ~."""
    (granted,) = offer(manifest(ask(host)), policy).grants.directories

    assert str(tree.parent / path) == granted.host_path


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("${nobody}", "${nobody} is not defined; start preopen with --folder nobody=FOLDER"),
        ("${word}", '"${word}" is "in", which is no absolute path'),
        ("/x/${workspace}", "${workspace} is a folder; begin the path with ${workspace}"),
        ("${folders}/in", "${folders} stands for several folders"),
        ("${workspace}/none", "/work/none cannot be opened: No such file or directory"),
        ("${workspace}/a.txt", "/work/a.txt is not a folder; write a folder that exists"),
        ("${HOME}", "${HOME} is not defined"),
    ],
)
def test_host_that_is_no_folder_is_refused(host: str, found: str, policy: Policy) -> None:
    """Design §5: an undefined variable is a Refusal; nothing comes from the environment."""
    (fault,) = refuse(manifest(ask(host)), policy)

    assert str(fault).startswith(f"{FILE}: directory[0].host: ")
    assert found in str(fault)


def test_without_a_workspace_what_needs_it_is_refused(policy: Policy) -> None:
    """Design §6: never "/" or the home folder itself; the Refusal says what was wrong."""
    bare = replace(policy, workspace=None, workspace_problem="the current folder is the home")

    assert "the current folder is the home" in texts(refuse(manifest(ask()), bare))
    assert offer(manifest(ask("${docs}")), bare)


@pytest.mark.parametrize(("access", "names"), [("read", ["docs", "drafts"]), ("write", ["drafts"])])
def test_folders_stand_for_those_of_their_access(
    access: str, names: list[str], tree: Path, policy: Policy
) -> None:
    """Design §5: ${folders} is intersected with the named folders of that access."""
    granted = offer(manifest(ask("${folders}", access)), policy).grants.directories

    assert [(f"{tree.parent}/{name}", access) for name in names] == [
        (each.host_path, each.access.value) for each in granted
    ]


def test_folders_may_come_out_empty(tree: Path, policy: Policy) -> None:
    """Design §5: perhaps none; the tool is offered."""
    none = replace(policy, folders=())
    asked = manifest(ask(), ask("${folders}", "write", number=1), level="read-only")

    assert [str(tree)] == [d.host_path for d in offer(asked, none).grants.directories]


def test_folders_get_their_names_below_a_guest_path(policy: Policy) -> None:
    """Ours: several folders cannot lie at one path."""
    asked = manifest(ask("${folders}", guest="/folders"))

    assert ["/folders/docs", "/folders/drafts"] == [
        each.guest_path for each in offer(asked, policy).grants.directories
    ]


@pytest.mark.parametrize("host", ["${docs}", "${docs}/in", "~/docs/in", "${top}/docs"])
def test_folder_opened_to_read_is_not_granted_to_write(host: str, policy: Policy) -> None:
    """Design §5: all or nothing, by name and by any other spelling."""
    (fault,) = refuse(manifest(ask(host, "write")), policy)

    assert "directory[0].access" == fault.key
    assert "the folder docs is opened to read" in fault.found
    assert 'docs = { path = "' in fault.write


def test_link_from_a_writable_folder_opens_no_other(tree: Path, policy: Policy) -> None:
    """Ours: where a path really lies decides, not the name that it begins with."""
    (tree.parent / "drafts" / "link").symlink_to(tree.parent / "docs")

    assert "the folder docs is opened to read" in texts(
        refuse(manifest(ask("${drafts}/link", "write")), policy)
    )


def test_folder_opened_to_write_is_granted_to_write(tree: Path, policy: Policy) -> None:
    """Design §6: { path = "…", access = "write" } to write."""
    grants = offer(manifest(ask("${drafts}/in", "write"), level="write"), policy).grants

    assert (f"{tree.parent}/drafts/in", PermissionLevel.WRITE) == (
        grants.directories[0].host_path,
        grants.level,
    )


def test_two_folders_at_one_guest_path_are_refused(policy: Policy) -> None:
    """Ours: one would hide the other."""
    asked = manifest(ask(guest="/data"), ask("${docs}", guest="/data", number=1))

    assert "directory[1].guest: /data would be both" in texts(refuse(asked, policy))


def test_guest_path_is_normalised(policy: Policy) -> None:
    """Ours: wasi matches names, so a guest path has no doubled slash and no dot-dot."""
    (granted,) = offer(manifest(ask(guest="/data//x/./")), policy).grants.directories

    assert "/data/x" == granted.guest_path
    assert 'which holds ".."' in texts(refuse(manifest(ask(guest="${up}")), policy))


def test_link_out_of_the_workspace_is_what_it_leads_to(tree: Path, policy: Policy) -> None:
    """Ours: a grant is a resolved path, and its level is that of where it really lies."""
    (tree / "link").symlink_to(tree.parent / "nobody")
    grants = offer(manifest(ask("${workspace}/link")), policy).grants

    assert (f"{tree.parent}/nobody", PermissionLevel.DANGEROUS) == (
        grants.directories[0].host_path,
        grants.level,
    )


@pytest.mark.parametrize(
    ("asked", "level", "text"),
    [
        (manifest(ask()), "read-only", "reads below {top}/work"),
        (manifest(ask("${docs}/in")), "read-only", "reads below {top}/docs/in"),
        (manifest(ask(access="write")), "write", "writes below {top}/work"),
        (
            manifest(run=Run(executes=True)),
            "execute",
            "runs code from the arguments",
        ),
        (
            manifest(ask("~/nobody")),
            "dangerous",
            "reads below {top}/nobody, outside of the workspace and the named folders",
        ),
        (
            manifest(ask("${top}")),
            "dangerous",
            "reads below {top}, outside of the workspace and the named folders",
        ),
        (
            manifest(environment=(EnvAsk(key="environment.L", name="L", from_host="LANG"),)),
            "read-only",
            "reads a variable of the host as L",
        ),
    ],
)
def test_level_is_derived_from_the_grant(
    asked: object, level: str, text: str, tree: Path, policy: Policy
) -> None:
    """Design §5, Levels: each granted capability has one; the reason is a line in plain words."""
    grants = offer(asked, policy).grants  # type: ignore[arg-type]  # parametrised by manifests

    assert (level, [(level, text.format(top=tree.parent))]) == (
        grants.level.value,
        [(each.level.value, each.text) for each in grants.reasons],
    )


def test_derived_level_is_the_highest(policy: Policy) -> None:
    """Design §5: the derived level is the highest."""
    asked = manifest(ask(), ask("${drafts}", "write", number=1), run=Run(executes=True))

    assert PermissionLevel.EXECUTE is offer(asked, policy).grants.level


def test_level_declared_too_low_is_refused(tree: Path, policy: Policy) -> None:
    """Design §5: below derived is a Refusal naming the line that raised it."""
    asked = manifest(ask(), ask("${workspace}", "write", number=1), level="read-only")
    (fault,) = refuse(asked, policy)

    assert (
        f'{FILE}: tool.level: declared "read-only", but directory[1] writes below {tree},'
        ' which is write; write level = "write"'
    ) == str(fault)


def test_level_declared_too_high_is_offered_as_derived(policy: Policy) -> None:
    """Design §5: the declared one is only what it must not exceed."""
    assert PermissionLevel.READ_ONLY is offer(manifest(ask()), policy).grants.level


def test_level_above_the_ceiling_is_not_offered(tree: Path, policy: Policy) -> None:
    """Design §5: above the operator's ceiling: not offered."""
    low = replace(policy, max_level=PermissionLevel.READ_ONLY, origins={"max_level": "--allow"})
    (fault,) = refuse(manifest(ask(access="write")), low)

    assert "not offered: level write is above --allow read-only (--allow)" in fault.found
    assert f"writes below {tree}" in fault.found
    assert "--allow write" in fault.write
    assert offer(manifest(ask(), level="write"), low)


def test_forbidden_is_never_offered(policy: Policy) -> None:
    """Design §5: forbidden → not offered."""
    assert "forbidden" in texts(refuse(manifest(level="forbidden"), policy))


def test_variables_of_the_manifest_and_the_host_are_granted(policy: Policy) -> None:
    """Design §5: a value of its own, or one of the host's that the operator listed."""
    asks = (
        EnvAsk(key="environment.TZ", name="TZ", value="UTC"),
        EnvAsk(key="environment.L", name="L", from_host="LANG"),
    )

    assert (
        EnvVar(name="TZ", value="UTC", source=Source.MANIFEST),
        EnvVar(name="L", value="de", source=Source.HOST),
    ) == offer(manifest(environment=asks), policy).grants.environment


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("PATH", 'not open; write names = ["LANG", "UNSET", "ODD", "PATH"] under [environment]'),
        ("UNSET", "which is not set; set it before preopen starts"),
        ("ODD", "is not UTF-8"),
    ],
)
def test_variable_that_is_not_there_is_refused(name: str, found: str, policy: Policy) -> None:
    """Design §5: host variables are all or nothing."""
    asks = (EnvAsk(key="environment.X", name="X", from_host=name),)

    assert found in texts(refuse(manifest(environment=asks), policy))


def test_writing_where_preopen_lives_is_refused(tree: Path, policy: Policy) -> None:
    """Design §5: contains, or lies in, preopen's own files: an agent must not rewrite its fence."""
    for own in (f"{tree}/.config/preopen", str(tree), str(tree.parent), f"{tree}/preopen.toml"):
        fenced = replace(policy, own_paths=(own,))
        faults = texts(refuse(manifest(ask(access="write")), fenced))
        assert f"writing below {tree} would reach preopen's own {own};" in faults
        assert offer(manifest(ask()), fenced), "reading is no way to rewrite it"
    assert offer(manifest(ask(access="write")), replace(policy, own_paths=(f"{tree}2", "/x")))


def test_writing_where_tools_lie_is_refused(tree: Path, policy: Policy) -> None:
    """Design §5: the folder of a served manifest or binary, wherever preopen is installed."""
    package = f"{tree}/.venv/lib/python3/site-packages/preopen/builtin/tool_manifests"
    faults = texts(refuse(manifest(ask(access="write")), policy, keep_out=(package,)))

    assert f"writing below {tree} would reach {package}, where served tools lie" in faults
    assert "install preopen elsewhere" in faults


def test_limit_above_its_ceiling_is_refused(policy: Policy) -> None:
    """Design §5: asking above the ceiling is a Refusal; both values in units."""
    asked = manifest(
        asked_limits={"memory": 2 << 30, "wall_time": 600_000},
        limits=Limits(memory_bytes=2 << 30, wall_time_ms=600_000),
    )
    faults = texts(refuse(asked, policy))

    assert (
        "limits.memory: 2GiB is above the ceiling of 1GiB (default); write at most 1GiB" in faults
    )
    assert "limits.wall_time: 10m is above the ceiling of 5m" in faults


def test_default_that_nobody_asked_for_bends_to_the_ceiling(policy: Policy) -> None:
    """Ours: an operator's lower ceiling lowers silent tools, it does not refuse them."""
    low = replace(
        policy, ceilings={**CEILINGS, "memory": 32 << 20, "cpu_time": 2, "wall_time": 5000}
    )
    limits = offer(manifest(), low).grants.limits

    assert (32 << 20, 2, 5000) == (limits.memory_bytes, limits.cpu_seconds, limits.wall_time_ms)
    assert Limits() == offer(manifest(), policy).grants.limits


def test_ceiling_holds_a_tool_whose_manifest_leaves_a_limit_off(policy: Policy) -> None:
    """Ours: off is above any ceiling; whoever asks for less keeps it."""
    low = replace(policy, ceilings={**CEILINGS, "rate": 30, "fuel": 1000})
    silent = offer(manifest(), low).grants.limits
    modest = offer(manifest(asked_limits={"rate": 5}, limits=Limits(rate=5)), low).grants.limits

    assert (30, 1000) == (silent.rate, silent.fuel)
    assert (5, 1000) == (modest.rate, modest.fuel)


def test_asked_limits_within_the_ceiling_are_granted(policy: Policy) -> None:
    """Design §5: each has a default and a ceiling."""
    asked = manifest(asked_limits={"memory": 1 << 30}, limits=Limits(memory_bytes=1 << 30))

    assert 1 << 30 == offer(asked, policy).grants.limits.memory_bytes


def test_command_needs_a_binary_that_is_one(policy: Policy) -> None:
    """Design §5: "command": wasi:cli/run or _start."""
    library = replace(MODULE, exports=("memory",))
    component = BinaryFacts(kind=BinaryKind.COMPONENT, exports=("x:y/z",))

    assert "does not export _start" in texts(refuse(manifest(), policy, library))
    assert "does not export wasi:cli/run@0.2" in texts(refuse(manifest(), policy, component))


def test_export_is_refused_until_it_is_built(policy: Policy) -> None:
    """Ours: the parser refuses it first; no way around it is open."""
    asked = manifest(run=Run(interface=Interface.EXPORT, export="f"))

    assert "not supported yet" in texts(refuse(asked, policy))


def test_every_fault_is_told_at_once(policy: Policy) -> None:
    """Ours: a person corrects a manifest once, not fault by fault."""
    asked = manifest(
        ask("${nobody}"),
        ask(access="write", number=1),
        level="none",
        environment=(EnvAsk(key="environment.X", name="X", from_host="PATH"),),
        asked_limits={"memory": 2 << 30},
    )

    assert ["directory[0].host", "environment.X", "limits.memory", "tool.level"] == [
        fault.key for fault in refuse(asked, policy)
    ]


def test_writing_where_tools_are_looked_for_is_refused(tree: Path, policy: Policy) -> None:
    """Ours: a manifest that an agent puts into a still empty folder of tools would be served."""
    looking = replace(policy, tool_folders=(f"{tree}/tools",))

    assert "where served tools lie" in texts(refuse(manifest(ask(access="write")), looking))


def test_named_folder_that_has_gone_is_refused(tree: Path, policy: Policy) -> None:
    """Ours: ${folders} is all of them; one that vanished since the start is said, not skipped."""
    (tree.parent / "docs" / "in").rmdir()
    (tree.parent / "docs").rmdir()

    assert "docs cannot be opened: No such file" in texts(
        refuse(manifest(ask("${folders}")), policy)
    )


def test_undefined_guest_path_is_refused(policy: Policy) -> None:
    """Design §5: an undefined variable is a Refusal."""
    (fault,) = refuse(manifest(ask(guest="${nobody}")), policy)

    assert "directory[0].guest" == fault.key


def test_folders_at_their_own_paths_are_written_so(policy: Policy) -> None:
    """Ours: guest = "${folders}" says what leaving it out says."""
    granted = offer(manifest(ask("${folders}", guest="${folders}")), policy).grants.directories

    assert [each.host_path for each in granted] == [each.guest_path for each in granted]


def test_folder_that_is_no_utf8_is_refused(tree: Path, policy: Policy) -> None:
    """Ours: no guest could be told of it, nor a frame carry it."""
    (tree / "\udcff").mkdir()
    (tree / "odd").symlink_to("\udcff")

    assert "is not UTF-8" in texts(refuse(manifest(ask("${workspace}/odd")), policy))

"""What doctor's facts mean: pure, so that machines are tried here that nobody has."""

import os
from importlib.metadata import requires
from pathlib import Path

import pytest

from preopen.cells.job import Run
from preopen.cells.pruning import UNUSED_SECONDS
from preopen.cli.health.folders import cache_lines, examine_folders
from preopen.cli.health.kernel import Kernel, read_kernel
from preopen.cli.health.line import State
from preopen.cli.health.machine import descriptor_line, in_range, package_line
from preopen.cli.health.network import examine_network
from preopen.cli.health.remedies import LEFT_OPEN, way_out
from preopen.cli.health.trial import Attempt, attempt_line
from preopen.cli.health.walls import wall_lines
from preopen.layer import Layer
from preopen.outcome import Returned
from preopen.policy.flags import Surroundings
from preopen.policy.network import NetworkPolicy
from preopen.policy.secrets import FromEnvironment, Secrets

EPERM, ENOSYS = "Operation not permitted", "syscall: Function not implemented"
NEW = Kernel(platform="linux", release="6.18.1-arch", machine="x86_64")
LISTED = ("lockdown", "capability", "yama", "apparmor")


def kernel(**more: object) -> Kernel:
    return Kernel(**{"platform": "linux", "release": "6.18.1", "machine": "x86_64", **more})  # type: ignore[arg-type]  # as they are written below


NAMES = {
    "kernel.unprivileged_userns_clone": "0",
    "kernel.apparmor_restrict_unprivileged_userns": "0",
}
APPARMOR = {"kernel.apparmor_restrict_unprivileged_userns": "1"}

WAYS = [
    (Layer.NAMESPACES, EPERM, kernel(settings=NAMES), "kernel.unprivileged_userns_clone=1"),
    (Layer.NAMESPACES, EPERM, kernel(settings=APPARMOR), "restrict_unprivileged_userns=0"),
    (Layer.NAMESPACES, EPERM, kernel(filtered=True), "--security-opt seccomp=FILE"),
    (Layer.NAMESPACES, EPERM, kernel(), "a security module or a sandbox"),
    # The settings bind ordinary users only: to name one to root would be a wrong way.
    (Layer.NAMESPACES, EPERM, kernel(settings=NAMES, as_root=True), "a security module"),
    (Layer.NAMESPACES, "unshare: Invalid argument", NEW, "CONFIG_USER_NS"),
    (
        Layer.NAMESPACES,
        "unshare: No space left on device",
        kernel(settings={"user.max_user_namespaces": "0"}),
        "user.max_user_namespaces=0",
    ),
    (Layer.LANDLOCK, ENOSYS, kernel(release="5.10.0-28"), "5.13 or later"),
    (Layer.LANDLOCK, ENOSYS, NEW, "CONFIG_SECURITY_LANDLOCK"),
    (Layer.LANDLOCK, ENOSYS, kernel(filtered=True), "a newer container runtime"),
    (Layer.LANDLOCK, ENOSYS, kernel(modules=("landlock",), filtered=True), "a filter hides"),
    (
        Layer.LANDLOCK,
        "syscall: Operation not supported",
        kernel(modules=LISTED),
        "lsm=landlock,lockdown,yama,apparmor on its command line",
    ),
    (Layer.LANDLOCK, "syscall: Operation not supported", NEW, "lsm=landlock,... on"),
    (Layer.LANDLOCK, EPERM, kernel(filtered=True), "landlock_restrict_self pass"),
    (Layer.LANDLOCK_SCOPE, "ABI 5, came with 6", kernel(release="6.10.3"), "6.12 or later"),
    (Layer.LANDLOCK_TCP, "Landlock as a whole is missing", NEW, "see there"),
    (Layer.SECCOMP, "no table of system calls for 'riscv64'", kernel(machine="riscv64"), "riscv64"),
    (Layer.SECCOMP, "prctl: Invalid argument", NEW, "CONFIG_SECCOMP_FILTER"),
    (Layer.SECCOMP, "prctl: Permission denied", NEW, "no-new-privs"),
    (Layer.RLIMITS, "No such file or directory", NEW, "mount /proc"),
    (Layer.RLIMITS, EPERM, kernel(filtered=True), "let prlimit64 pass"),
    (Layer.CAPABILITIES, EPERM, kernel(filtered=True), "let capset and prctl pass"),
    (Layer.NO_NEW_PRIVS, EPERM, kernel(filtered=True), "let prctl pass"),
    (Layer.UNDUMPABLE, EPERM, kernel(filtered=True), "let prctl pass"),
    (Layer.SECCOMP, "its trial ended without a word (Killed)", NEW, "dmesg"),
    (Layer.SECCOMP, "no process to try it in: Resource temporarily unavailable", NEW, "ulimit -u"),
    (Layer.RLIMITS, "the wall is made of Linux", Kernel(platform="darwin"), "on Linux"),
]


@pytest.mark.parametrize(("layer", "why", "machine", "way"), WAYS)
def test_the_way_to_a_layer_is_the_one_that_this_machine_needs(
    layer: Layer, why: str, machine: Kernel, way: str
) -> None:
    """Brief: true and specific; too old, not switched on and forbidden are three things."""
    assert way in way_out(layer, why, machine)


@pytest.mark.parametrize("layer", Layer)
def test_every_layer_has_a_way_and_says_what_it_leaves_open(layer: Layer) -> None:
    """Brief: what else still stops it, or what stays open; whatever the reason is."""
    assert way_out(layer, "a reason that nobody foresaw", NEW)
    assert LEFT_OPEN[layer]


def test_a_missing_layer_is_a_fault_only_where_it_is_required() -> None:
    """Design §3, Platforms: a machine may lack a layer."""
    answers = {Layer.LANDLOCK: ENOSYS, Layer.SECCOMP: EPERM, Layer.RLIMITS: ""}
    lines = list(wall_lines(answers, NEW, {Layer.SECCOMP}))
    assert [line.state for line in lines] == [State.WARN, State.FAIL, State.OK]
    assert [bool(line.way_out) for line in lines] == [True, True, False]


def test_this_machine_says_what_it_is() -> None:
    """Ours: the facts that the ways are chosen by are really read."""
    here = read_kernel(as_root=True)
    assert here.platform == "linux"
    assert not here.older_than(3, 0)
    assert here.older_than(999, 0)
    assert here.as_root


@pytest.mark.parametrize(
    ("version", "bounds", "within"),
    [
        ("50.0.1", ">=50,<51", True),
        ("50", ">=50.0", True),
        ("51.0", ">=50,<51", False),
        ("49.9", ">=50,<51", False),
        ("2.10", ">=2.3,<3", True),
        ("3.0.0rc1", ">=2.3,<3", False),
        ("1.0", "", True),
        ("1.9", "~=1.0", True),
        ("2.0", "~=1.0", False),
        ("2.4rc1", ">=2.3,<3", True),
        ("1.0", "about 1", False),
        ("of today", ">=1", False),
        ("1.0", ">=0.9,!=1.0", False),
    ],
)
def test_a_version_is_within_its_bounds_or_not(version: str, bounds: str, within: bool) -> None:  # noqa: FBT001 - the expectation
    """Brief: versions within the range that we need; a bound that is not understood is not kept."""
    assert in_range(version, bounds) == within


def test_every_bound_that_we_write_is_understood() -> None:
    """Ours: the bounds come from the package's own metadata."""
    written = requires("preopen") or []
    assert len(written) >= 8
    for requirement in written:
        line = requirement.partition(";")[0]
        assert not in_range("0", line[line.index(">") :])


def test_a_package_out_of_range_or_gone_says_what_to_install() -> None:
    """Brief: each fault has the way out."""
    assert package_line("mcp", ">=2.3,<3", "2.4", optional=False).state is State.OK
    for found in ("3.1", None):
        line = package_line("mcp", ">=2.3,<3", found, optional=False)
        assert line.state is State.FAIL
        assert line.way_out.endswith("-m pip install 'mcp>=2.3,<3'")
    assert package_line("uvloop", ">=0.21", None, optional=True).state is State.WARN
    assert package_line("uvloop", ">=0.21", "0.1", optional=True).state is State.FAIL


@pytest.mark.parametrize(
    ("limit", "cells", "state"),
    [(1024, 32, State.OK), (1024, 1000, State.FAIL), (-1, 1000, State.OK)],
)
def test_descriptors_are_counted_by_the_calls_at_once(limit: int, cells: int, state: State) -> None:
    """Brief: high enough for `cells`; -1 is no limit."""
    assert descriptor_line(limit, cells).state is state


@pytest.mark.parametrize(
    ("noexec", "free", "states"),
    [
        (False, 1 << 30, [State.OK]),
        (False, 100 << 20, [State.WARN]),
        (False, 1 << 20, [State.FAIL]),
        (True, 1 << 30, [State.FAIL, State.OK]),
    ],
)
def test_a_cache_needs_room_and_a_mount_with_exec(
    noexec: bool,  # noqa: FBT001 - a fact of the machine
    free: int,
    states: list[State],
) -> None:
    """Brief: free disk in the cache folder, noexec where it matters."""
    lines = list(cache_lines(noexec=noexec, free_bytes=free))
    assert [line.state for line in lines] == states
    assert all(line.way_out for line in lines if line.state is not State.OK)


RAN = Attempt(forked=True, run=Run(outcome=Returned(stdout=b"fit\n"), walls=("seccomp",)))
LOST = Attempt(forked=True, fault="the zygote was lost")
SPAWNED = Attempt(forked=False, run=Run(outcome=Returned(stdout=b"fit\n")))


@pytest.mark.parametrize(
    ("age", "said"),
    [(UNUSED_SECONDS - 3600, ""), (UNUSED_SECONDS + 60, ", 1 of them unused for long: ")],
)
def test_cache_says_how_much_it_holds_and_what_of_it_will_go(
    tmp_path: Path, age: int, said: str
) -> None:
    """Ours: number and size of what is compiled; what nobody uses is told beside it."""
    shelf = tmp_path / "cache" / "compiled" / "1.0.0"
    shelf.mkdir(parents=True, mode=0o700)
    (tmp_path / "cache").chmod(0o700)
    for name in ("a", "b"):
        (shelf / f"{name}.cwasm").write_bytes(bytes(1 << 20))
    then = (shelf / "a.cwasm").stat().st_mtime - age
    os.utime(shelf / "a.cwasm", (then, then))
    own = {f"{name}_dir": str(tmp_path / name) for name in ("config", "state", "cache")}
    around = Surroundings(cwd=str(tmp_path), home=str(tmp_path), environ={}, **own)
    (line,) = [each for each in examine_folders(around) if each.name == "cache"]

    assert line.state is State.OK
    assert f": 2 compiled binaries, 2 MiB{said}" in line.found
    assert ("unused" in line.found) is bool(said)


def test_where_only_a_fresh_process_works_that_is_the_way_out() -> None:
    """Brief: fork-server or spawn."""
    assert attempt_line(RAN, None, "").state is State.OK
    helped = attempt_line(LOST, SPAWNED, "")
    assert (helped.state, "--spawn" in helped.way_out) == (State.FAIL, True)
    lost = attempt_line(LOST, LOST, "")
    assert (lost.state, "--spawn" in lost.way_out) == (State.FAIL, False)
    assert "the zygote was lost" in lost.found
    other = Attempt(forked=True, run=Run(outcome=Returned(stdout=b"unfit\n")))
    assert attempt_line(other, None, "").state is State.FAIL


def test_network_that_is_closed_says_how_a_host_is_opened() -> None:
    """Ours: an empty state says what to write."""
    hosts, certificates = examine_network(NetworkPolicy())

    assert "--egress https://docs.python.org" in hosts.found
    assert {hosts.state, certificates.state} == {State.OK}


def test_certificates_that_cannot_be_loaded_are_a_fault(tmp_path: Path) -> None:
    """Design §6: `ca_file`; found here, and not by the first request."""
    file = tmp_path / "roots.pem"
    file.write_text("no certificate\n")

    _, certificates = examine_network(NetworkPolicy(ca_file=str(file)))

    assert certificates.state is State.FAIL
    assert str(file) in certificates.found


def test_each_secret_is_looked_at_and_none_is_shown() -> None:
    """Issue: secrets; a variable that is not set is found before a tool needs it."""
    sources = {"THERE": FromEnvironment(name="A"), "GONE": FromEnvironment(name="B")}
    secrets = Secrets(file="/p.toml", sources=sources, environ={"A": "not to be shown"})

    _, _, there, gone = examine_network(NetworkPolicy(secrets=secrets))

    assert (there.state, gone.state) == (State.OK, State.FAIL)
    assert "the variable B is not set" in gone.found
    assert "not to be shown" not in repr((there, gone))

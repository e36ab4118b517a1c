"""Who the cells are: of root's server the workspace's owner, of anybody else's server that user."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cli.ordinary import NOBODY, Ordinary, give_away
from cli.processes import children, cpu_ticks, descendants, wait_until_gone
from cli.workshop import PREOPEN, Workshop

OWNER = f"{NOBODY}:{NOBODY}"
NO_CAPABILITIES = "0" * 16
WAYS = {"zygote": (), "spawn": ("--spawn",)}
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
every_way = pytest.mark.parametrize("way", WAYS)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a process is, as its /proc/PID/status tells: real, effective, saved and file system's."""

    uids: tuple[int, ...]
    gids: tuple[int, ...]
    groups: tuple[int, ...]
    capabilities: str


def identity_of(pid: int) -> Identity:
    """Return who a process is."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = {name: rest.split() for name, _, rest in (line.partition(":") for line in lines)}
    uids, gids, groups = (tuple(map(int, fields[each])) for each in ("Uid", "Gid", "Groups"))
    return Identity(uids, gids, groups, *fields["CapEff"])


def of(uid: int, gid: int, groups: tuple[int, ...] = ()) -> Identity:
    """Return the identity of a process that is this user whole, without a capability."""
    return Identity((uid,) * 4, (gid,) * 4, groups, NO_CAPABILITIES)


@dataclass(slots=True)
class Spinning:
    """A call that never ends: its server, and the processes below it."""

    server: "subprocess.Popen[bytes]"
    below: set[int] = field(default_factory=set)
    cell: int = 0

    def wait_for_cell(self) -> None:
        """Wait until a process below the server computes: nothing else does so for so long."""
        while not self.cell:
            self.below = descendants(self.server.pid)
            self.cell = next((pid for pid in self.below if cpu_ticks(pid) >= 60), 0)

    @property
    def zygote(self) -> int:
        """The one process that is the server's child."""
        (pid,) = children(self.server.pid)
        return pid


@contextmanager
def spinning(workshop: Workshop, way: str, **more: Any) -> Iterator[Spinning]:  # noqa: ANN401 - subprocess's own
    """Run a call that never ends, and yield when its cell computes.

    A call before it has the binary compiled: a compiler computes, too.
    """
    compiled = workshop.spawn("call", "peek", "path=a.txt", **more)
    assert compiled.returncode == 0, compiled.stderr
    with subprocess.Popen(
        [*PREOPEN, "call", "turn", *WAYS[way], *workshop.flags],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        **more,
    ) as process:
        call = Spinning(process)
        try:
            call.wait_for_cell()
            yield call
        finally:
            process.kill()
            process.wait()
            for pid in call.below:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


@only_root
@every_way
def test_cells_of_roots_server_are_the_workspaces_owner_and_have_no_other_group(
    workshop: Workshop, way: str
) -> None:
    """Design §3: groups, then gid, then uid, before a cell is forked."""
    give_away(workshop.workspace)
    with spinning(workshop, way, extra_groups=[4, 24]) as call:
        assert identity_of(call.server.pid).groups == (4, 24)
        assert identity_of(call.cell) == of(NOBODY, NOBODY)
        if way == "zygote":
            assert identity_of(call.zygote) == of(NOBODY, NOBODY)


@only_root
@every_way
def test_cells_of_roots_server_end_with_it_although_they_are_another_user(
    workshop: Workshop, way: str
) -> None:
    """prctl(2): a change of user clears the parent-death signal, so it is set anew.

    They are stopped first, or they would see the end of their channel and leave by themselves.
    """
    give_away(workshop.workspace)
    with spinning(workshop, way) as call:
        assert call.cell in call.below
        for pid in call.below:
            os.kill(pid, signal.SIGSTOP)
        call.server.kill()
        call.server.wait()
        wait_until_gone(call.below)


@only_root
@every_way
def test_a_file_that_a_call_of_root_makes_is_the_workspaces_owners(
    workshop: Workshop, way: str
) -> None:
    """Design §3: else the owner could neither change it nor remove what is below."""
    give_away(workshop.workspace)
    done = workshop.spawn("call", "scrawl", "path=new.txt", *WAYS[way])
    assert done.returncode == 0, done.stderr
    about = (workshop.workspace / "new.txt").stat()
    assert (about.st_uid, about.st_gid) == (NOBODY, NOBODY)


@only_root
@every_way
def test_roots_own_file_in_anothers_workspace_stays_closed(workshop: Workshop, way: str) -> None:
    """Ours: the server may open it, and hands out no more than the owner could open."""
    give_away(workshop.workspace)
    closed = workshop.workspace / "closed.txt"
    closed.write_text("of root\n")
    closed.chmod(0o600)
    refused = workshop.spawn("call", "peek", "path=closed.txt", *WAYS[way])
    os.chown(closed, NOBODY, NOBODY)
    granted = workshop.spawn("call", "peek", "path=closed.txt", *WAYS[way])
    assert refused.stdout == "read closed.txt: PermissionDenied\n"
    assert granted.stdout == "read closed.txt: done of root|\n"


@only_root
@every_way
def test_in_roots_own_workspace_the_cells_are_root_without_a_capability(
    workshop: Workshop, way: str
) -> None:
    """Design §3: root is bound by file modes like anyone, for a cell has no capability."""
    with spinning(workshop, way, extra_groups=[4]) as call:
        assert identity_of(call.server.pid).capabilities != NO_CAPABILITIES
        assert identity_of(call.cell) == of(0, 0, (4,))


@only_root
@every_way
@pytest.mark.parametrize("mode", [0o000, 0o600])
def test_in_roots_own_workspace_another_users_closed_file_is_not_read(
    workshop: Workshop, way: str, mode: int
) -> None:
    """Issue: without capabilities the file's mode holds for root, too."""
    file = workshop.workspace / "a.txt"
    os.chown(file, NOBODY, NOBODY)
    file.chmod(mode)
    refused = workshop.spawn("call", "peek", "path=a.txt", *WAYS[way])
    os.chown(file, 0, 0)
    file.chmod(0o600)
    granted = workshop.spawn("call", "peek", "path=a.txt", *WAYS[way])
    assert refused.stdout == "read a.txt: PermissionDenied\n"
    assert granted.stdout == "read a.txt: done this is a|\n"


@only_root
@every_way
def test_the_receipt_of_roots_server_says_who_the_cell_was(workshop: Workshop, way: str) -> None:
    """Issue: the receipt says it, for a person and for a client; the pair is root's own folder."""
    call = ("call", "peek", "path=a.txt", *WAYS[way])
    mine, told = receipt(workshop, *call), workshop.spawn(*call, "--receipt").stderr
    assert "cell_user" not in mine
    assert "workspace's owner" not in told
    give_away(workshop.workspace)
    theirs, told = receipt(workshop, *call), workshop.spawn(*call, "--receipt").stderr
    assert theirs["cell_user"] == OWNER
    assert f"for this call alone, as the workspace's owner {OWNER}" in told


def receipt(workshop: Workshop, *words: str) -> dict[str, Any]:
    """Return the receipt of a call as a client gets it."""
    said: dict[str, Any] = json.loads(workshop.spawn(*words, "--json").stdout)
    told: dict[str, Any] = said["_meta"]["preopen/receipt"]
    return told


@only_root
def test_a_call_that_touched_no_cell_says_no_user(workshop: Workshop) -> None:
    """Ours: a receipt names what was, and there was no cell."""
    give_away(workshop.workspace)
    told = receipt(workshop, "call", "peek", "path=../secret.txt")
    assert told["cell"] == "none"
    assert "cell_user" not in told


@only_root
def test_doctor_says_who_the_cells_of_root_are(workshop: Workshop) -> None:
    """Issue: the doctor says it."""
    assert "root: cells run as root without its capabilities" == user_line(workshop.spawn)
    give_away(workshop.workspace)
    assert f"({OWNER}), who owns the workspace" in user_line(workshop.spawn)


def user_line(spawn: Any) -> str:  # noqa: ANN401 - Workshop.spawn, or the same as another user
    """Return what the doctor says of the user."""
    checks = json.loads(spawn("doctor", "--json").stdout)["checks"]
    (line,) = [check["found"] for check in checks if check["name"] == "user"]
    return str(line)


@every_way
def test_cells_of_an_ordinary_users_server_are_that_user(ordinary: Ordinary, way: str) -> None:
    """Design §3, the other side: nobody is become by a server that root did not start."""
    done = ordinary.spawn("call", "scrawl", "path=new.txt", *WAYS[way])
    assert done.returncode == 0, done.stderr
    with spinning(ordinary.workshop, way, **ordinary.starts) as call:
        assert identity_of(call.cell) == of(ordinary.uid, ordinary.gid, ordinary.groups)
    about = (ordinary.workshop.workspace / "new.txt").stat()
    assert (about.st_uid, about.st_gid) == (ordinary.uid, ordinary.gid)


def test_doctor_and_receipt_of_an_ordinary_user_name_no_other(ordinary: Ordinary) -> None:
    """Issue: the doctor says who the cells are, for the ordinary user too."""
    assert user_line(ordinary.spawn).endswith(", and so are the cells")
    said = json.loads(ordinary.spawn("call", "peek", "path=a.txt", "--json").stdout)
    assert "cell_user" not in said["_meta"]["preopen/receipt"]

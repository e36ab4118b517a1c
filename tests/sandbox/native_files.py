"""Attempts on files: what a grant opens, and what Landlock does not know."""

import os

from preopen.capability import Access
from preopen.sandbox import seccomp, syscall_table
from sandbox.native_stage import Stage, attempt, libc


@attempt()
def read_inside(stage: Stage) -> object:
    (stage.top / "work/a.txt").read_bytes()
    return list((stage.top / "work/sub").iterdir())


@attempt()
def read_outside(stage: Stage) -> object:
    return (stage.top / "outside").read_bytes()


@attempt()
def list_outside(stage: Stage) -> object:
    return list(stage.top.iterdir())


@attempt()
def write_what_is_granted_for_reading(stage: Stage) -> None:
    (stage.top / "work/a.txt").open("r+").close()


@attempt()
def create_where_reading_is_granted(stage: Stage) -> None:
    (stage.top / "work/new").touch()


@attempt()
def cut_short_outside(stage: Stage) -> None:
    os.truncate(stage.top / "outside", 3)


@attempt(("work", Access.WRITE, False))
def write_inside(stage: Stage) -> None:
    work = stage.top / "work"
    (work / "beside").write_text("new")
    (work / "beside").rename(work / "sub/moved")
    os.truncate(work / "sub/moved", 1)
    (work / "link").symlink_to("a.txt")
    (work / "folder").mkdir()
    (work / "folder").rmdir()
    (work / "link").unlink()
    (work / "sub/moved").unlink()


@attempt(("work", Access.WRITE, False))
def write_outside(stage: Stage) -> None:
    (stage.top / "outside").open("r+").close()


@attempt(("work", Access.WRITE, False))
def make_a_fifo(stage: Stage) -> None:
    os.mkfifo(stage.top / "work/new")


@attempt(("work", Access.WRITE, False))
def run_a_program_inside(stage: Stage) -> None:
    (stage.top / "work/b.txt").write_text("#!/bin/sh\nexit 0\n")
    os.execv(stage.top / "work/b.txt", ["x"])  # noqa: S606 - that is the attempt


@attempt(("work/a.txt", Access.READ, True))
def read_the_one_file(stage: Stage) -> object:
    return (stage.top / "work/a.txt").read_bytes()


@attempt(("work/a.txt", Access.READ, True))
def read_its_sibling(stage: Stage) -> object:
    return (stage.top / "work/b.txt").read_bytes()


@attempt(("work/a.txt", Access.READ, True))
def list_its_folder(stage: Stage) -> object:
    return list((stage.top / "work").iterdir())


@attempt(("work/a.txt", Access.READ, True))
def write_the_one_file_for_reading(stage: Stage) -> None:
    (stage.top / "work/a.txt").open("r+").close()


@attempt(("work/a.txt", Access.WRITE, True))
def write_the_one_file(stage: Stage) -> object:
    return (stage.top / "work/a.txt").write_text("new")


@attempt()
def chmod_outside(stage: Stage) -> None:
    (stage.top / "outside").chmod(0o700)


@attempt()
def chown_outside(stage: Stage) -> None:
    os.chown(stage.top / "outside", -1, -1)


@attempt()
def set_an_attribute_outside(stage: Stage) -> None:
    os.setxattr(stage.top / "outside", "user.preopen", b"x")


@attempt()
def watch_names_outside(stage: Stage) -> None:
    descriptor = libc("inotify_init1", 0)
    libc("inotify_add_watch", descriptor, str(stage.top).encode(), 0x100)  # IN_CREATE


@attempt(("work", Access.WRITE, False))
def make_a_program_set_id(stage: Stage) -> None:
    with (stage.top / "work/a.txt").open("r+") as file:
        os.fchmod(file.fileno(), 0o4755)


@attempt(("work", Access.WRITE, False))
def make_a_file_private(stage: Stage) -> None:
    with (stage.top / "work/a.txt").open("r+") as file:
        os.fchmod(file.fileno(), 0o600)


@attempt()
def make_shared_memory(_: Stage) -> None:
    libc("shmctl", libc("shmget", 0, 4096, 0o600), 0, None)  # IPC_PRIVATE, IPC_RMID


@attempt()
def make_a_message_queue(stage: Stage) -> None:
    name = f"/preopen-probe-{stage.server}".encode()
    libc("mq_open", name, os.O_CREAT | os.O_RDWR, 0o600, None)
    libc("mq_unlink", name)


@attempt()
def make_a_user_namespace(_: Stage) -> None:
    libc("unshare", 0x10000000)


@attempt()
def ask_the_keyring(_: Stage) -> None:
    keyctl = syscall_table.read_numbers(syscall_table.REFUSED, seccomp.machine())["keyctl"]
    libc("syscall", keyctl, 0, -3, 1)  # KEYCTL_GET_KEYRING_ID, of the session

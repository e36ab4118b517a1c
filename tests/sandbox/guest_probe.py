"""A wasmtime guest in a cell with the whole wall: reads one file, in one call or in many.

Run as a script, like `native_probe.py`. Stdin is JSON: {"as_user", "missing", "one_file", "calls"};
it prints {"threads": [before, after], "calls": [[exit code, output, private bytes], …], "end"}.
"""

import json
import os
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

from wasmtime import Engine, ExitTrap, Linker, Module, Store, WasiConfig

from preopen.capability import Access
from preopen.sandbox import privileges, rlimits
from preopen.sandbox.wall import Layer, Wall, probe_layers
from preopen.wire.frames import Rule

NOBODY = 65534
MEMORY = 64 << 20
STARTER = """(module
  (import "wasi_snapshot_preview1" "path_filestat_get"
    (func $stat (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1) (data (i32.const 0) ".")
  (func (export "_start")
    (drop (call $stat (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 64)))))"""
# Opens its file, copies what is in it to stdout, and exits with the errno of what failed.
READER = """(module
  (import "wasi_snapshot_preview1" "path_open" (func $open
    (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "a.txt") (data (i32.const 64) "\\00\\01\\00\\00\\64\\00\\00\\00")
  (func $check (param $errno i32)
    (if (local.get $errno) (then (call $exit (local.get $errno)))))
  (func (export "_start")
    (call $check (call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 5) (i32.const 0)
      (i64.const 2) (i64.const 2) (i32.const 0) (i32.const 80)))
    (call $check (call $read (i32.load (i32.const 80)) (i32.const 64) (i32.const 1) (i32.const 68)))
    (call $check (call $write (i32.const 1) (i32.const 64) (i32.const 1) (i32.const 84)))))"""


class Zygote:
    """An engine and binaries, loaded without a thread: compiling starts some, so a child did it."""

    def __init__(self, folder: Path) -> None:
        self.engine = Engine()
        self.linker = Linker(self.engine)
        self.linker.define_wasi()
        if os.fork() == 0:
            for name, text in (("starter", STARTER), ("reader", READER)):
                (folder / name).write_bytes(Module(self.engine, text).serialize())
            os._exit(0)
        os.wait()
        self.starter = Module.deserialize_file(self.engine, str(folder / "starter"))
        self.reader = Module.deserialize_file(self.engine, str(folder / "reader"))
        privileges.refuse_threads()

    def run(self, module: Module, folder: int) -> tuple[int, str]:
        """Return the exit code and stdout of one run with `folder` mounted."""
        store, wasi, output = Store(self.engine), WasiConfig(), bytearray()
        wasi.stdout_custom = output.extend
        wasi.preopen_dir(f"/proc/self/fd/{folder}", "/work", False)
        store.set_wasi(wasi)
        store.set_limits(memory_size=MEMORY)
        start = self.linker.instantiate(store, module).exports(store)["_start"]
        try:
            start(store)  # type: ignore[operator]  # it is a function, by its text above
        except ExitTrap as trap:
            return trap.code, output.decode()
        return 0, output.decode()


def cell(zygote: Zygote, channel: socket.socket, request: dict[str, Any], server: int) -> None:
    """Serve the calls of one cell; each call's folder comes over the channel, after the wall."""
    tasks = os.open("/proc/self/task", os.O_RDONLY)
    wall = Wall.prepare([Layer(each) for each in request["missing"]], server)
    _, (granted, rule_on, mounted), *_ = socket.recv_fds(channel, 1, 3)
    threads = [len(list(os.scandir(tasks)))]
    access, is_file = Access.READ, bool(request["one_file"])
    wall.raise_([Rule(descriptor=rule_on, access=access, is_file=is_file)])
    zygote.run(zygote.starter, mounted)
    os.lseek(tasks, 0, os.SEEK_SET)
    threads.append(len(list(os.scandir(tasks))))
    statm, calls = wall._statm, []
    for left in reversed(range(request["calls"])):
        if left != request["calls"] - 1:
            _, (granted,), *_ = socket.recv_fds(channel, 1, 1)
        wall.limit(
            cpu_seconds=5,
            memory_bytes=MEMORY,
            file_size_bytes=1 << 20,
            open_files=64,
            calls_left=left,
        )
        calls.append([*zygote.run(zygote.reader, granted), rlimits.measure_data(statm)])
        os.close(granted)
    answer = {"threads": threads, "calls": calls, "layers": wall.layers}
    channel.sendall(json.dumps(answer).encode())


def serve(zygote: Zygote, top: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Fork the cell, hand it its folders, and return what it answers."""
    for name in ("a.txt", "b.txt"):
        (top / name).write_text(f"this is {name}\n")
    server, (here, there) = os.getpid(), socket.socketpair()
    pid = os.fork()
    if pid == 0:
        here.close()
        try:
            cell(zygote, there, request, server)
        finally:
            os._exit(0)  # a normal exit after file work prints a panic
    there.close()
    folder = os.open(top, os.O_PATH | os.O_DIRECTORY)
    rule_on = os.open(top / request["one_file"], os.O_PATH)
    socket.send_fds(here, [b"1"], [folder, rule_on, folder])
    for _ in range(request["calls"] - 1):
        socket.send_fds(here, [b"1"], [folder])
    text = b"".join(iter(lambda: here.recv(1 << 16), b""))
    _, status = os.waitpid(pid, 0)
    answer: dict[str, Any] = json.loads(text or b"{}")
    return answer | {"end": os.waitstatus_to_exitcode(status)}


def main() -> None:
    """Do what stdin asks for and print what came of it."""
    request = {"as_user": True, "missing": [], "one_file": "", "calls": 1} | json.load(sys.stdin)
    if request["as_user"] and os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    lacking = [layer for layer, why in probe_layers().items() if why]
    request["missing"] = [*lacking, *request["missing"]]
    with tempfile.TemporaryDirectory() as top, tempfile.TemporaryDirectory() as build:
        print(json.dumps(serve(Zygote(Path(build)), Path(top), request)))  # noqa: T201 - the answer


if __name__ == "__main__":
    main()

"""Attempts on the network, on other processes and on resources."""

import fcntl
import mmap
import os
import resource
import select
import signal
import socket
import struct
import threading
from pathlib import Path

from preopen.capability import Access
from preopen.sandbox import seccomp, syscall_table
from sandbox.native_stage import SIGNAL_BY_FILE, Stage, attempt, libc

MSG_FASTOPEN = 0x20000000


@attempt()
def tcp_to_the_server(stage: Stage) -> None:
    socket.socket().connect(stage.tcp.getsockname())


@attempt()
def fast_open_to_the_server(stage: Stage) -> None:
    socket.socket().sendto(b"x", MSG_FASTOPEN, stage.tcp.getsockname())


@attempt()
def mptcp_to_the_server(stage: Stage) -> None:
    socket.socket(proto=262).connect(stage.tcp.getsockname())


@attempt()
def udp_to_the_server(stage: Stage) -> None:
    sender = socket.socket(type=socket.SOCK_DGRAM)
    sender.connect(stage.udp.getsockname())
    sender.send(b"x")
    select.select([sender], [], [], 0.05)
    sender.send(b"x")  # hears of a closed port


@attempt()
def unix_socket_by_path(stage: Stage) -> None:
    socket.socket(socket.AF_UNIX).connect(str(stage.top / "unix"))


@attempt()
def abstract_unix_socket(stage: Stage) -> None:
    socket.socket(socket.AF_UNIX).connect(stage.abstract.getsockname())


@attempt()
def tcp_socket(_: Stage) -> object:
    return socket.socket()


@attempt()
def pair_of_sockets(_: Stage) -> object:
    return socket.socketpair()


@attempt()
def configure_the_loopback(_: Stage) -> object:
    # Sets the flags that it has already: unwalled and as root, this is the machine's own loopback.
    control = socket.socket()
    flags = fcntl.ioctl(control, 0x8913, struct.pack("16sH14x", b"lo", 0))  # SIOCGIFFLAGS
    return fcntl.ioctl(control, 0x8914, flags)  # SIOCSIFFLAGS: needs CAP_NET_ADMIN all the same


@attempt()
def fork(_: Stage) -> None:
    if os.fork() == 0:
        os._exit(0)


@attempt()
def start_a_thread(_: Stage) -> None:
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()


@attempt()
def signal_the_server(stage: Stage) -> None:
    os.kill(stage.server, signal.SIGURG)


@attempt()
def signal_the_server_as_a_thread(stage: Stage) -> None:
    tgkill = syscall_table.read_numbers(syscall_table.CONDITIONAL, seccomp.machine())["tgkill"]
    libc("syscall", tgkill, stage.server, stage.server, int(signal.SIGURG))


@attempt()
def signal_the_server_by_a_file(stage: Stage) -> None:
    reading, writing = os.pipe()
    fcntl.fcntl(reading, fcntl.F_SETOWN, stage.server)
    fcntl.fcntl(reading, 10, int(SIGNAL_BY_FILE))  # F_SETSIG
    fcntl.fcntl(reading, fcntl.F_SETFL, os.O_ASYNC)
    os.write(writing, b"x")


@attempt()
def open_the_servers_memory(stage: Stage) -> None:
    Path(f"/proc/{stage.server}/mem").open("rb").close()


@attempt()
def set_the_servers_limits(stage: Stage) -> None:
    resource.prlimit(stage.server, resource.RLIMIT_CORE, (0, 0))


@attempt()
def set_its_own_limits(_: Stage) -> None:
    resource.prlimit(0, resource.RLIMIT_CORE, (0, 0))


@attempt()
def slow_the_server(stage: Stage) -> None:
    os.setpriority(os.PRIO_PROCESS, stage.server, os.getpriority(os.PRIO_PROCESS, stage.server))


@attempt()
def bind_the_server_to_a_core(stage: Stage) -> None:
    os.sched_setaffinity(stage.server, os.sched_getaffinity(0))


@attempt()
def outlive_the_server(_: Stage) -> None:
    libc("prctl", 1, 0, 0, 0, 0)


@attempt()
def be_read_by_its_parent(_: Stage) -> None:
    """Do nothing: the parent makes this attempt, see `run_trial`."""


@attempt(limited=True)
def take_more_memory(_: Stage) -> object:
    return mmap.mmap(-1, 200 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


@attempt(limited=True)
def take_the_memory_granted(_: Stage) -> object:
    return mmap.mmap(-1, 64 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


@attempt(("work", Access.WRITE, False), limited=True)
def write_a_larger_file(stage: Stage) -> object:
    return (stage.top / "work/a.txt").write_bytes(bytes(20 << 20))


@attempt(limited=True)
def open_more_files(_: Stage) -> object:
    return [os.dup(0) for _ in range(300)]


@attempt(limited=True)
def spin(_: Stage) -> None:
    while os.times().user < 5:
        pass


@attempt(limited=True)
def raise_its_own_limits(_: Stage) -> object:
    hard = {
        each: resource.getrlimit(each)[1] for each in (resource.RLIMIT_DATA, resource.RLIMIT_CPU)
    }
    for each, value in hard.items():
        resource.setrlimit(each, (value + 1, value + 1))
    return hard

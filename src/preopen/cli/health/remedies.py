"""What a missing layer of the wall leaves open, and how a machine comes to have it. Pure.

Why it is missing comes from `sandbox/wall.py` as the system's own words for an errno. The sandbox's
processes have no locale in their environment, so these are the C locale's.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from preopen.cli.health.kernel import Kernel
from preopen.layer import Layer

# What no other layer stops then (`tests/sandbox/test_wall_layers.py`, STOPPED_BY), or which does.
LEFT_OPEN: Final[Mapping[Layer, str]] = {
    Layer.NAMESPACES: "seccomp still keeps cells from every socket, Landlock from /proc",
    Layer.CAPABILITIES: "cells of root keep privileges, within Landlock and seccomp",
    Layer.NO_NEW_PRIVS: "set-id programs count, and Landlock and seccomp need root",
    Layer.LANDLOCK: (
        "a tool that is given one file to read can read its whole folder, and code that breaks out"
        " of WebAssembly reaches your files"
    ),
    Layer.LANDLOCK_TRUNCATE: "code that breaks out of WebAssembly can empty your files",
    Layer.LANDLOCK_TCP: "namespaces and seccomp still keep cells from every connection",
    Layer.LANDLOCK_DEVICES: (
        "code that breaks out of WebAssembly can control a device that lies in a granted folder"
    ),
    Layer.LANDLOCK_SCOPE: "seccomp still keeps cells from signals and from Unix sockets",
    Layer.SECCOMP: (
        "code that breaks out of WebAssembly can start processes, use Unix sockets, and change"
        " modes and owners of your files"
    ),
    Layer.UNDUMPABLE: "your other processes can read a cell's memory",
    Layer.RLIMITS: (
        "cpu_time, file_size and open_files are not kept; wall_time is, and memory by WebAssembly"
    ),
}

_PARTS_SINCE: Final = {
    Layer.LANDLOCK_TRUNCATE: "6.2",
    Layer.LANDLOCK_TCP: "6.7",
    Layer.LANDLOCK_DEVICES: "6.10",
    Layer.LANDLOCK_SCOPE: "6.12",
}
_LANDLOCK_SINCE: Final = (5, 13)
_LANDLOCK_CALLS: Final = "landlock_create_ruleset, landlock_add_rule and landlock_restrict_self"

# As the C library says errno; EPERM and EACCES, ENOSYS, EOPNOTSUPP, EINVAL, ENOSPC.
_FORBIDDEN: Final = ("Operation not permitted", "Permission denied")
_UNKNOWN_CALL: Final = "Function not implemented"
_SWITCHED_OFF: Final = "Operation not supported"
_NOT_BUILT_IN: Final = "Invalid argument"
_USED_UP: Final = "No space left on device"


def way_out(layer: Layer, why: str, kernel: Kernel) -> str:
    """Return what to do that the machine has a layer; `why` is the reason that its trial gave."""
    if kernel.platform != "linux":
        return "run preopen on Linux, in a virtual machine or a container"
    if why.startswith("no process to try it in"):
        return "raise the limit on processes: `ulimit -u`, or the container's"
    if "without a word" in why:
        return "something kills what tries it; `dmesg`, or the container's log, says what"
    return _WAYS[layer](why, kernel)


def _namespaces(why: str, kernel: Kernel) -> str:
    if _USED_UP in why:
        limits = [
            f"{name}={value}" for name, value in kernel.settings.items() if ".max_" in name
        ] or ["user.max_user_namespaces"]
        return f"raise what is used up, by `sudo sysctl -w NAME=NUMBER`: {', '.join(limits)}"
    if _NOT_BUILT_IN in why:
        return "run a kernel that is built with CONFIG_USER_NS and CONFIG_NET_NS"
    if not kernel.as_root:
        if kernel.settings.get("kernel.unprivileged_userns_clone") == "0":
            return "sudo sysctl -w kernel.unprivileged_userns_clone=1"
        if kernel.settings.get("kernel.apparmor_restrict_unprivileged_userns") == "1":
            return (
                "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or give this"
                ' Python an AppArmor profile with the rule "userns,"'
            )
    return _forbidden("unshare", kernel)


def _landlock(why: str, kernel: Kernel) -> str:
    if kernel.older_than(*_LANDLOCK_SINCE):
        return f"run Linux 5.13 or later, better 6.12; this is {kernel.release}"
    if _SWITCHED_OFF in why:
        # An `lsm=` replaces the whole list, but for "capability": what is on must be named again.
        on = [module for module in kernel.modules if module != "capability"]
        modules = ",".join(["landlock", *on]) if kernel.modules else "landlock,..."
        rest = "" if kernel.modules else ", the dots being what CONFIG_LSM lists"
        return f"boot the kernel with lsm={modules} on its command line{rest}"
    if any(words in why for words in _FORBIDDEN):
        return _forbidden(_LANDLOCK_CALLS, kernel)
    if _UNKNOWN_CALL in why and "landlock" in kernel.modules:
        return f"a filter hides what the kernel has: {_forbidden(_LANDLOCK_CALLS, kernel)}"
    if _UNKNOWN_CALL in why and kernel.filtered:
        return (
            f"{_forbidden(_LANDLOCK_CALLS, kernel)}; a newer container runtime lets them;"
            " else the kernel is built without CONFIG_SECURITY_LANDLOCK"
        )
    return "run a kernel that is built with CONFIG_SECURITY_LANDLOCK"


def _landlock_part(part: Layer, why: str, kernel: Kernel) -> str:
    if "as a whole" in why:
        return "it comes with landlock; see there"
    return f"run Linux {_PARTS_SINCE[part]} or later; this is {kernel.release}"


def _rlimits(why: str, kernel: Kernel) -> str:
    if "No such file" in why:
        return "mount /proc: a call's limits are reckoned from /proc/self/statm"
    return _forbidden("prlimit64", kernel)


def _seccomp(why: str, kernel: Kernel) -> str:
    if "no table" in why:
        return f"run preopen on x86_64 or aarch64; this is {kernel.machine}"
    if "Permission denied" in why:
        return "it comes with no-new-privs; see there"
    if _NOT_BUILT_IN in why:
        return "run a kernel that is built with CONFIG_SECCOMP_FILTER"
    return _forbidden("prctl", kernel)


def _forbidden(calls: str, kernel: Kernel) -> str:
    if kernel.filtered:
        return (
            f"let {calls} pass in the seccomp filter over this process; a container's is in its"
            " profile (docker run --security-opt seccomp=FILE)"
        )
    return f"something forbids {calls}: a security module or a sandbox around this; see `dmesg`"


_WAYS: Final[Mapping[Layer, Callable[[str, Kernel], str]]] = {
    Layer.NAMESPACES: _namespaces,
    Layer.CAPABILITIES: lambda _, kernel: _forbidden("capset and prctl", kernel),
    Layer.NO_NEW_PRIVS: lambda _, kernel: _forbidden("prctl", kernel),
    Layer.LANDLOCK: _landlock,
    **{part: partial(_landlock_part, part) for part in _PARTS_SINCE},
    Layer.SECCOMP: _seccomp,
    Layer.UNDUMPABLE: lambda _, kernel: _forbidden("prctl", kernel),
    Layer.RLIMITS: _rlimits,
}

"""What the kernel says of itself, as far as it explains why a layer of the wall is missing."""

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_SYSCTLS: Final = (
    "kernel.unprivileged_userns_clone",  # Debian's
    "kernel.apparmor_restrict_unprivileged_userns",  # Ubuntu's
    "user.max_user_namespaces",
    "user.max_net_namespaces",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """A machine. `filtered`: a seccomp filter lies over this process, as a container's does.

    `as_root` says whether cells are root's, whom the settings for ordinary users do not bind.
    `modules` are the security modules that are on, () where that cannot be read.
    """

    platform: str
    release: str = ""
    machine: str = ""
    filtered: bool = False
    as_root: bool = False
    modules: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)

    def older_than(self, major: int, minor: int) -> bool:
        """Whether the release is older; False where it says no number."""
        found = re.match(r"(\d+)\.(\d+)", self.release)
        return found is not None and (int(found[1]), int(found[2])) < (major, minor)


def read_kernel(*, as_root: bool) -> Kernel:
    """Return what this machine says; what cannot be read is left out."""
    if sys.platform != "linux":
        return Kernel(platform=sys.platform)
    about = os.uname()
    filters = re.search(r"^Seccomp:\s*(\d)", _text("/proc/self/status"), re.MULTILINE)
    modules = _text("/sys/kernel/security/lsm").strip()
    settings = {name: _text(f"/proc/sys/{name.replace('.', '/')}").strip() for name in _SYSCTLS}
    return Kernel(
        platform=sys.platform,
        release=about.release,
        machine=about.machine,
        filtered=filters is not None and filters[1] == "2",  # SECCOMP_MODE_FILTER
        as_root=as_root,
        modules=tuple(modules.split(",")) if modules else (),
        settings={name: value for name, value in settings.items() if value},
    )


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""

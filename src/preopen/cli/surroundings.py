"""Where preopen was started: folders and environment. The one file that reads the environment."""

import os
from collections.abc import Callable
from pathlib import Path

from platformdirs import user_cache_dir, user_config_dir, user_state_dir

from preopen.errors import Fault, PlatformError
from preopen.policy.flags import Surroundings

TRACEBACK = "PREOPEN_TRACEBACK"  # set: our own bugs show where they are


def read_surroundings() -> Surroundings:
    """Return what the policy may be told about this process's surroundings.

    Raises:
        PlatformError: the current folder is gone, or nobody knows the home folder.

    """
    try:
        cwd = os.getcwd()  # noqa: PTH109 - text; a Path would be the same call
    except OSError as error:
        found = f"cannot be opened: {error.strerror}"
        fault = Fault(place="the current folder", found=found, write="cd to a folder that exists")
        raise PlatformError(fault) from error
    try:
        home = str(Path("~").expanduser())
    except RuntimeError as error:
        found = "HOME is not set, and this user has no entry in the system's list of users"
        fault = Fault(place="the home folder", found=found, write="set HOME to a folder of yours")
        raise PlatformError(fault) from error
    return Surroundings(
        cwd=cwd,
        home=home,
        config_dir=_folder("XDG_CONFIG_HOME", user_config_dir),
        state_dir=_folder("XDG_STATE_HOME", user_state_dir),
        cache_dir=_folder("XDG_CACHE_HOME", user_cache_dir),
        environ=dict(os.environ),
    )


def wants_traceback() -> bool:
    """Whether the person asked to see where a bug of ours is."""
    return bool(os.environ.get(TRACEBACK))


def _folder(variable: str, usual: Callable[..., str]) -> str:
    """Return preopen's folder: below the variable on every platform, else where it is usual.

    A relative value is no value, as the XDG specification says.
    """
    written = os.environ.get(variable, "")
    if written.startswith("/"):
        return f"{written.rstrip('/')}/preopen"
    return usual("preopen", appauthor=False)

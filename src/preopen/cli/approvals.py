"""What persons approved, as the verbs that load tools read it."""

from pathlib import Path

from preopen.policy.flags import Surroundings
from preopen.trust.lock import FILE_NAME, AllOfThisRun, Approvals, load_lock


def lock_file(around: Surroundings) -> Path:
    """Return where approvals are kept: beside the usual `preopen.toml`, whatever --policy names."""
    return Path(around.config_dir, FILE_NAME)


def read_approvals(around: Surroundings, *, approve_all: bool) -> Approvals:
    """Return the approvals that this run goes by: of the lock, or --approve-all.

    Raises:
        PreopenError: the lock cannot be read, or is damaged. With --approve-all nobody reads it.

    """
    return AllOfThisRun() if approve_all else load_lock(lock_file(around))

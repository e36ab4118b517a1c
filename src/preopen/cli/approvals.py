"""What persons approved, as the verbs that load tools read it."""

from dataclasses import dataclass
from pathlib import Path

from preopen.cli.printing import warn
from preopen.errors import PreopenError
from preopen.policy.flags import Surroundings
from preopen.trust.lock import FILE_NAME, AllOfThisRun, Approvals, load_lock


def lock_file(around: Surroundings) -> Path:
    """Return where approvals are kept: beside the usual `preopen.toml`, whatever --policy names."""
    return Path(around.config_dir, FILE_NAME)


@dataclass(slots=True)
class Followed:
    """Approvals as a running server has them: read again at each reload.

    A lock that cannot be read approves and takes back nothing: those read before hold.
    """

    around: Surroundings
    approve_all: bool
    last: Approvals
    _told: str = ""

    def read(self) -> Approvals:
        """Return what is approved now."""
        try:
            self.last, self._told = read_approvals(self.around, approve_all=self.approve_all), ""
        except PreopenError as error:
            if str(error) != self._told:
                self._told = str(error)
                warn(f"preopen: the approvals stay as they were: {error}")
        return self.last


def read_approvals(around: Surroundings, *, approve_all: bool) -> Approvals:
    """Return the approvals that this run goes by: of the lock, or --approve-all.

    Raises:
        PreopenError: the lock cannot be read, or is damaged. With --approve-all nobody reads it.

    """
    return AllOfThisRun() if approve_all else load_lock(lock_file(around))

"""What the verbs that run calls begin with: required layers, folders, a launcher, a session."""

import shlex
from dataclasses import dataclass

from preopen.cli.clients import serve_arguments
from preopen.cli.health.walls import check_required
from preopen.cli.starting import Launcher, make_cache, open_standing, start_launcher
from preopen.policy.flags import Flags, Surroundings
from preopen.policy.policy import Policy
from preopen.serving.session import Session, open_session


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What a verb starts cells with."""

    launcher: Launcher
    policy: Policy
    around: Surroundings
    session: Session


def begin(
    flags: Flags, policy: Policy, around: Surroundings, *, approve_all: bool, spawn: bool
) -> Start:
    """Return what a verb starts cells with; its launcher warms already, and is the verb's to close.

    Raises:
        PlatformError: a required layer is missing, or a folder of ours cannot be used.

    """
    check_required(policy)
    make_cache(around).check()
    return Start(
        launcher=start_launcher(policy, spawn=spawn),
        policy=policy,
        around=around,
        session=make_session(flags, policy, around, approve_all=approve_all),
    )


def make_session(
    flags: Flags, policy: Policy, around: Surroundings, *, approve_all: bool
) -> Session:
    """Return what outlives a call of this process."""
    words = serve_arguments(flags, policy, around, spawn=False, stdio=False)[1:]
    words += ["--approve-all"] if approve_all else []

    def command(tool: str) -> str:
        return shlex.join(["preopen", "decide", tool, "always", *words])

    return open_session(policy, open_standing(around), command)

"""`preopen`: the verbs, and the one place where an error becomes a text and an exit code."""

import importlib
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from typing import Any, Final, NoReturn

import click

from preopen import __version__
from preopen.cli.interrupts import INTERRUPTED, ending_at_once
from preopen.cli.printing import warn
from preopen.cli.surroundings import TRACEBACK, wants_traceback
from preopen.errors import PreopenError

VERBS: Final = (
    *("serve", "list", "call", "learn", "check", "explain", "policy"),
    *("decide", "approve", "diff"),
    *("audit", "doctor", "selftest"),
)

DONE: Final = 0
NO: Final = 1  # the tool, the check or the verification said no
USAGE: Final = 2
REFUSED: Final = 3  # a policy or a manifest, by us
BUG: Final = 70  # ours: EX_SOFTWARE
BROKEN_PIPE: Final = 141  # 128 + SIGPIPE: who read us has left

EPILOG: Final = """\
\b
Examples:
  preopen serve                             the line for your MCP client
  preopen list --workspace ~/src/app        what a client would be offered
  preopen call read path=README.md          one call, exactly as the server runs it
  preopen explain read                      what a tool may do, and why
  preopen diff                              what changed since it was approved
  preopen doctor                            whether this machine is fit, and what to do

\b
Exit codes: 0 done, 1 the tool or the check said no, 2 usage, 3 a policy or manifest was refused.
"""


class Shell(click.Group):
    """The verbs, each imported when it is wanted, and what an error of each means."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002, D102 - as click says
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002, D102 - as click says
        if cmd_name not in VERBS:
            return None
        with ending_at_once():
            verb: click.Command = importlib.import_module(f"preopen.cli.{cmd_name}").command
        return verb

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - a verb's exit code, or None
        """Run the verb; a reader of ours that left early is met here, before click calls it 1."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            # What is left in the buffer has no reader; at exit Python would complain about it.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return BROKEN_PIPE
        return result

    def main(  # type: ignore[override]  # click's overloads say which return; ours never does
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        **extra: Any,  # noqa: ANN401 - click's own
    ) -> NoReturn:
        """Run one verb and exit by its code."""
        extra["standalone_mode"] = False
        try:
            result = super().main(args, prog_name or "preopen", **extra)
        except BaseException as error:  # noqa: BLE001 - the one place
            sys.exit(explain_error(error))
        sys.exit(result if isinstance(result, int) else DONE)


def explain_error(error: BaseException) -> int:
    """Say on stderr what an error means, and return its exit code."""
    match error:
        case SystemExit(code=int(code)):
            return code
        case click.ClickException():
            error.show()
            return USAGE
        case click.Abort() | KeyboardInterrupt():
            return INTERRUPTED
        case PreopenError():
            warn(str(error))
            return REFUSED
        case BaseExceptionGroup():
            # A task group wraps what its body raises: the first thing that went wrong is told.
            return explain_error(next(_leaves(error)))
    if wants_traceback():
        traceback.print_exception(error)
    text = f"preopen itself failed: {type(error).__name__}: {error}"
    warn(f"{text}\nPlease report it with what {TRACEBACK}=1 shows.")
    return BUG


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


@click.group(
    cls=Shell,
    invoke_without_command=True,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="preopen", message="%(prog)s %(version)s")
@click.pass_context
def shell(context: click.Context) -> None:
    """Serve MCP tools that are WebAssembly with the doors you opened, and no others."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main() -> NoReturn:
    """Be the command `preopen`."""
    shell.main()


if __name__ == "__main__":
    main()

"""The command `preopen`. Before its first import of weight it is quiet at Ctrl-C."""

from typing import NoReturn

from preopen.cli.interrupts import ending_at_once


def main() -> NoReturn:
    """Be the command."""
    with ending_at_once():
        from preopen.cli.main import shell  # noqa: PLC0415 - as said above
    shell.main()


if __name__ == "__main__":
    main()

import logging
import os
import sys

from preopen.serving.transports.stderr import UnwaitingHandler, logging_without_waiting


def say(handler: UnwaitingHandler, text: str) -> None:
    handler.emit(logging.LogRecord("x", logging.WARNING, "", 0, text, None, None))


def test_a_full_pipe_loses_lines_and_the_next_reader_is_told_how_many() -> None:
    """Ours: a client that does not read stderr must not stop the server."""
    reader, writer = os.pipe()
    try:
        handler = UnwaitingHandler(writer)
        for _ in range(200):
            say(handler, "x" * 999)
        kept = os.read(reader, 1 << 20).count(b"\n")
        say(handler, "at last")
        told = os.read(reader, 1 << 20).decode()
    finally:
        os.close(reader)
        os.close(writer)
    assert 0 < kept < 200
    assert told == f"({200 - kept} lines of the log are lost: nobody read them)\nat last\n"


def test_a_reader_that_left_is_nothing_to_fail_for() -> None:
    """Ours: EPIPE on stderr ends nothing."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        say(UnwaitingHandler(writer), "to nobody")
    finally:
        os.close(writer)


def test_whoever_takes_the_log_already_keeps_it() -> None:
    """Ours: a program that serves over its own streams has set its logging up as it likes."""
    root = logging.getLogger()
    theirs = logging.StreamHandler(sys.stderr)
    root.addHandler(theirs)
    try:
        with logging_without_waiting():
            assert not [each for each in root.handlers if isinstance(each, UnwaitingHandler)]
    finally:
        root.removeHandler(theirs)

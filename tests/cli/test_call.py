import json
import os
import pty
import signal
import subprocess
from pathlib import Path

import pytest

from cli.processes import is_alive, read_all, wait_for_spinner
from cli.workshop import PREOPEN, Workshop

PNG = r"\89PNG\0d\0a\1a\0a\00\00\00\0dIHDR\00\00\00\01\00\00\00\01\08\00\00\00\00"


def prints(text: str, length: int) -> str:
    """Return WebAssembly text of a module that writes these bytes to stdout."""
    return f"""(module (import "wasi_snapshot_preview1" "fd_write"
      (func $w (param i32 i32 i32 i32) (result i32)))
     (memory (export "memory") 1) (data (i32.const 64) "{text}")
     (func (export "_start")
      (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const {length}))
      (drop (call $w (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"""


def test_what_a_tool_printed_is_on_stdout(workshop: Workshop) -> None:
    """Ours: the text and nothing else."""
    result = workshop.run("call", "peek", "path=a.txt")
    assert result.exit_code == 0
    assert result.stdout == "read a.txt: done this is a|\n"
    assert result.stderr == ""


def test_json_comes_without_the_protocols_sdk(workshop: Workshop) -> None:
    """Ours: its import takes longer than the call."""
    ran = subprocess.run(
        [
            *(PREOPEN[0], "-X", "importtime", *PREOPEN[1:]),
            *workshop.line("call", "leave", "code=0", "--json"),
        ],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert json.loads(ran.stdout)["isError"] is False
    imported = {line.rpartition("|")[2].strip() for line in ran.stderr.split("\n")}
    assert "preopen.serving.results" in imported
    assert imported.isdisjoint({"mcp", "mcp_types", "pydantic"})


def test_a_spawned_cell_says_the_same(workshop: Workshop) -> None:
    """Ours: --spawn changes where a cell comes from, not what it may."""
    result = workshop.run("call", "peek", "path=a.txt", "--spawn")
    assert result.stdout == "read a.txt: done this is a|\n"


def test_arguments_are_read_by_type_and_reach_the_tool_as_json(workshop: Workshop) -> None:
    """Ours: key=value; a repeated key is an array."""
    words = ["text=5", "count=5", "flag=true", "names=a", "names=b"]
    sent = workshop.run("call", "typed", *words).stdout.removeprefix("stdin -: done ")
    assert json.loads(sent) == {"text": "5", "count": 5, "flag": True, "names": ["a", "b"]}


@pytest.mark.parametrize("way", ["argument", "stdin"])
def test_arguments_may_be_one_json_object(workshop: Workshop, way: str) -> None:
    """Ours: --args '{…}' and --args -."""
    text = '{"text": "é", "count": 2}'
    written, stdin = (text, None) if way == "argument" else ("-", text)
    result = workshop.run("call", "typed", "--args", written, stdin=stdin)
    assert json.loads(result.stdout.removeprefix("stdin -: done ")) == json.loads(text)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["count=x"], "count: found 'x'"),
        (["cuont=1"], "did you mean count?"),
        (["--args", '{"count": "1"}'], "count"),
        (["--args", '{"cuont": 1}'], "cuont"),
        (["count=1", "--args", "{}"], "given twice"),
        (["--args", "["], "--args is no JSON"),
    ],
)
def test_arguments_that_do_not_fit_are_a_usage_error(
    workshop: Workshop, words: list[str], said: str
) -> None:
    """Ours: exit code 2, and nothing on stdout."""
    result = workshop.run("call", "typed", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


def test_a_tool_that_fails_is_exit_code_1_and_says_so_on_stderr(workshop: Workshop) -> None:
    """Ours: stdout holds results only."""
    result = workshop.run("call", "leave", "code=7")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "leave failed: it ended with exit code 7" in result.stderr


def test_a_path_outside_is_exit_code_1_with_what_is_inside(workshop: Workshop) -> None:
    """Design §5: outside is a Denial before a cell is touched."""
    result = workshop.run("call", "peek", "path=../secret.txt", "--receipt")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "none was touched" in result.stderr
    assert "nobody grants this" not in result.stderr


def test_a_tool_that_never_ends_is_stopped(workshop: Workshop) -> None:
    """Design §5: wall_time is kept by a SIGKILL."""
    result = workshop.run("call", "spin")
    assert result.exit_code == 1
    assert 'wall_time = "300ms"' in result.stderr


def test_a_refused_tool_is_exit_code_3_with_the_way_out(workshop: Workshop) -> None:
    """Ours: what the server would not offer is not called."""
    result = workshop.run("call", "runs")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "--allow execute" in result.stderr


def test_the_receipt_is_for_people_and_on_stderr(workshop: Workshop) -> None:
    """Design §2: what the call was granted and what it used."""
    result = workshop.run("call", "peek", "path=a.txt", "--receipt")
    assert result.stdout == "read a.txt: done this is a|\n"
    rows = dict(line.split(maxsplit=1) for line in result.stderr.splitlines())
    assert rows["outcome"] == "Returned"
    assert str(workshop.workspace / "a.txt") in rows["reached"]
    assert rows["cell"] == "for this call alone"
    assert "seccomp" in rows["walls"]


def test_the_json_of_a_call_is_the_protocols_result(workshop: Workshop) -> None:
    """Ours: exactly as the server would answer."""
    result = workshop.run_json("call", "peek", "path=a.txt")
    assert result["content"] == [{"type": "text", "text": "read a.txt: done this is a|\n"}]
    assert result["isError"] is False
    assert result["_meta"]["preopen/receipt"]["outcome"] == "Returned"


def test_media_is_a_note_with_its_size_and_goes_to_a_file(
    workshop: Workshop, tmp_path: Path
) -> None:
    """Ours: no terminal and no pipe gets an image unasked."""
    workshop.add_wat("draw", '[run]\nstdout = "image/png"\n', prints(PNG, 29))
    note = workshop.run("call", "draw")
    assert note.stdout == "[image/png, 29 bytes; --output FILE keeps it]\n"
    file = tmp_path / "drawn.png"
    kept = workshop.run("call", "draw", "--output", str(file))
    assert kept.stdout == "[image/png, 29 bytes]\n"
    assert file.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert len(file.read_bytes()) == 29


def test_an_output_that_cannot_be_written_is_said(workshop: Workshop) -> None:
    """Ours: an error names the place."""
    result = workshop.run("call", "peek", "path=a.txt", "--output", "/nowhere/x")
    assert result.exit_code == 2
    assert "/nowhere/x" in result.stderr


def test_a_pipe_gets_what_the_tool_wrote_and_a_terminal_no_escapes_of_it(
    workshop: Workshop,
) -> None:
    """Ours: guest output is untrusted, and a terminal obeys escapes."""
    workshop.add_wat("paint", "", prints("\\1b[2Jred\\c3\\a9", 9))
    assert workshop.spawn("call", "paint").stdout == "\x1b[2Jredé"
    ours, theirs = pty.openpty()
    words = [*PREOPEN, "call", "paint", *workshop.flags]
    subprocess.run(words, stdout=theirs, stdin=subprocess.DEVNULL, timeout=50, check=True)
    os.close(theirs)
    assert read_all(ours) == "\\u001b[2Jredé\r\n"


def test_ctrl_c_ends_the_call_and_its_cell(workshop: Workshop) -> None:
    """Ours: nothing is left running, and no traceback is left on the screen."""
    process = subprocess.Popen(
        [*PREOPEN, "call", "turn", *workshop.flags],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        spinning = wait_for_spinner(process.pid)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert not any(is_alive(pid) for pid in spinning)

"""What native code in a cell can do, wasm's own sandbox being out of the way.

Run as `python -m sandbox.native_probe`: it has one thread, which pytest may not have. It plays the
server, forks one cell for each trial that stdin names (JSON), and prints the outcomes: "done", or
the name of an errno.

    {"as_user": true, "trials": [{"attempt": "fork", "missing": ["seccomp"], "sockets": "tcp"}]}
"""

import errno
import json
import os
import signal
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from preopen.sandbox.syscalls import prctl
from preopen.sandbox.wall import Layer, Sockets, Wall, WallError, probe_layers
from preopen.wire.frames import Rule
from sandbox import native_family, native_files, native_others, native_states
from sandbox.native_stage import ATTEMPTS, GRANTS, LIMITED, SIGNAL_BY_FILE, Stage, libc, told

NOBODY = 65534
PAGES = (
    native_files,
    native_others,
    native_states,
    native_family,
)  # importing them registers their attempts


def run_cell(stage: Stage, trial: dict[str, Any], answer: int, go: int) -> None:
    """Put up the wall of this trial and make its attempt."""
    name = trial["attempt"]
    below, access, is_file = GRANTS[name]
    missing = [Layer(each) for each in trial.get("missing", [])]
    inherited: tuple[Layer, ...] = ()
    if name in native_family.ATTEMPTS:
        inherited = native_family.become_cell(stage, missing)
    wall = Wall.prepare(missing, stage.family.get("zygote", stage.server), inherited)
    descriptor = os.open(stage.top / below, os.O_PATH)
    if trial.get("beside_a_thread"):
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    rule = Rule(descriptor=descriptor, access=access, is_file=is_file)
    wall.raise_([rule], sockets=Sockets(trial.get("sockets", "tcp")))
    if name in LIMITED:
        wall.limit(cpu_seconds=1, memory_bytes=64 << 20, file_size_bytes=16 << 20, open_files=256)
    if name.startswith("call_every") and Layer.SECCOMP not in wall.layers:
        raise WallError(errno.EPERM, "junk goes to the kernel behind the filter only")
    outcome = told(lambda: ATTEMPTS[name](stage))
    os.write(answer, json.dumps([outcome, wall.layers]).encode())
    os.read(go, 1)


def run_trial(stage: Stage, trial: dict[str, Any]) -> dict[str, Any]:
    """Return the outcome, the layers that were up, and how the cell ended."""
    stage.set_up()
    (answers, answer), (go, away) = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(away)
        try:
            run_cell(stage, trial, answer, go)
        except WallError as error:
            os.write(answer, json.dumps([f"WallError: {error}", []]).encode())
        finally:
            os._exit(0)
    os.close(answer)
    text = os.read(answers, 1 << 16)
    outcome, layers = json.loads(text) if text else ("lost", [])
    if trial["attempt"] == "be_read_by_its_parent":
        outcome = told(lambda: Path(f"/proc/{pid}/mem").open("rb").close())
    os.close(away)
    _, status = os.waitpid(pid, 0)
    if trial["attempt"] == "make_a_message_queue":
        with suppress(OSError):  # Landlock refuses to open it when it is made already
            libc("mq_unlink", f"/preopen-probe-{stage.server}".encode())
    if trial["attempt"] == "signal_the_server_by_a_file" and outcome == "done":
        outcome = "done" if SIGNAL_BY_FILE in signal.sigpending() else "no signal came"
        signal.sigtimedwait([SIGNAL_BY_FILE], 0)
    for descriptor in (answers, go):
        os.close(descriptor)
    return {"outcome": outcome, "layers": layers, "end": os.waitstatus_to_exitcode(status)}


def become_nobody() -> None:
    """Be an ordinary user, if this process may choose."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        prctl(4, 1)  # dumpable again, as a process is that was started by its user


def main() -> None:
    """Run every trial of stdin and print what came of them."""
    request = json.load(sys.stdin)
    if request.get("as_user"):
        become_nobody()
    with tempfile.TemporaryDirectory() as top:
        stage = Stage(Path(top))
        lacking = {layer: why for layer, why in probe_layers().items() if why}
        results = [run_trial(stage, trial) for trial in request["trials"]]
    print(json.dumps({"lacking": lacking, "results": results}))  # noqa: T201 - the answer


if __name__ == "__main__":
    main()

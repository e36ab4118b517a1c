"""Entry point: a process that records calls, as the test that starts it says.

Arguments: a state folder, a number of records or "for-ever", and what ends with a full disk.
"""

import json
import resource
import subprocess
import sys
from pathlib import Path

from preopen.errors import PreopenError
from preopen.trust.audit import AuditError, AuditLog
from preopen.trust.audit_verify import verify
from trust.ledger import ended


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def write(log: AuditLog, count: int) -> None:
    log.open()
    say("ready")
    sys.stdin.readline()
    for number in range(count):
        log.append(ended(number=number))
    log.close()


def write_for_ever(log: AuditLog) -> None:
    for number in range(10**9):
        log.append(ended(number=number))
        if number % 50 == 0:
            say(str(number))


def until_it_fails(log: AuditLog) -> str:
    for _ in range(100_000):
        try:
            log.append(ended(text="x" * 500))
        except AuditError as error:
            return str(error)
    return "it never failed"


def report(log: AuditLog, first: str) -> None:
    """Write on where there is room again, and print what came of all of it."""
    again = "written"
    try:
        log.append(ended())
        log.close()
    except PreopenError as error:
        again = str(error)
    faults = [str(fault) for fault in verify(log.state_dir).faults]
    say(json.dumps({"first": first, "again": again, "faults": faults}))


def on_a_full_disk(folder: Path) -> None:
    """Have a disk of 128 KiB of one's own; needs a mount namespace, in which this is root."""
    mount = ["/bin/mount", "-t", "tmpfs", "-o", "size=128k,mode=700", "tmpfs", str(folder)]
    subprocess.run(mount, check=True)
    log = AuditLog(state_dir=folder / "state", keeps_values=False)
    log.append(ended())
    filler = folder / "filler"
    filler.write_bytes(b"x" * 60_000)
    first = until_it_fails(log)
    filler.unlink()
    report(log, first)


def on_a_small_limit(folder: Path) -> None:
    """Have no file grow above 20 000 bytes; Python ignores the signal, and the write fails."""
    log = AuditLog(state_dir=folder / "state", keeps_values=False)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
    first = until_it_fails(log)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    report(log, first)


def main() -> None:
    folder, what = Path(sys.argv[1]), sys.argv[2]
    match what:
        case "full-disk":
            on_a_full_disk(folder)
        case "small-limit":
            on_a_small_limit(folder)
        case "for-ever":
            write_for_ever(AuditLog(state_dir=folder, keeps_values=False, max_bytes=100_000))
        case _:
            write(AuditLog(state_dir=folder, keeps_values=False, max_bytes=30_000), int(what))


if __name__ == "__main__":
    main()

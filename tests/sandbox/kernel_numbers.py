"""Writes kernel_numbers.txt anew: every system call of a kernel release, on both machines.

    python tests/sandbox/kernel_numbers.py

The source is the Go module golang.org/x/sys, whose tables its authors generate from the headers of
the kernel release that they name. It is pinned by version and by the checksum that Go's own client
checks; `go` is needed here, and not by the tests, which read the file. After a new version the
tests are red until somebody has put each new call into reviewed_calls.txt or syscall_table.py.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

MODULE: Final = "golang.org/x/sys@v0.50.0"
CHECKSUM: Final = "h1:dkKZEFTEKaLr1sjhs0WiKqoi8Jj5nHbS3Njmx1UoMJs="
MACHINES: Final = {"x86_64": "amd64", "aarch64": "arm64"}  # as the kernel and as Go call them
WRITTEN: Final = Path(__file__).with_suffix(".txt")
NO_CALL: Final = "arch_specific_syscall"  # where a range of numbers begins


def main() -> None:
    """Fetch the module, check it, write the file."""
    asked = ["go", "mod", "download", "-json", MODULE]
    done = subprocess.run(asked, capture_output=True, check=False, text=True)
    about = json.loads(done.stdout or "{}")
    if about.get("Sum") != CHECKSUM:
        found = about.get("Sum") or about.get("Error") or done.stderr.strip()
        sys.exit(f"{MODULE}: found {found}, not {CHECKSUM}; see what changed, then pin it here")
    folder = Path(about["Dir"], "unix")
    tables = [read_table(folder / f"zsysnum_linux_{name}.go") for name in MACHINES.values()]
    release = re.search(r"--branch (v[\d.]+) .*/linux", (folder / "linux/Dockerfile").read_text())
    if release is None:
        sys.exit(f"{MODULE}: unix/linux/Dockerfile names no release of the kernel")
    WRITTEN.write_text(format_tables(tables, release[1]), encoding="utf-8")


def read_table(file: Path) -> dict[str, int]:
    """Return name → number of one machine's table."""
    rows = re.findall(r"^\tSYS_(\w+)\s*= (\d+)$", file.read_text(), re.MULTILINE)
    return {name.lower(): int(number) for name, number in rows if name.lower() != NO_CALL}


def format_tables(tables: list[dict[str, int]], release: str) -> str:
    """Return the file's text: a row for each call, `-` where a machine lacks it."""
    names = sorted({name for table in tables for name in table})
    rows = [" ".join([name, *(str(table.get(name, "-")) for table in tables)]) for name in names]
    head = [
        f"# System calls of Linux {release}, from {MODULE} ({CHECKSUM}); BSD-3-Clause.",
        "# Written by kernel_numbers.py. Columns: name, x86_64, aarch64; `-`: it lacks the call.",
    ]
    return "\n".join([*head, *rows]) + "\n"


if __name__ == "__main__":
    main()

"""The code base: a release of Django (BSD-3-Clause) by version and SHA-256, out of the registry.

Its files are a test bench's weight and no part of this repository, so pip fetches them once.
"""

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Final

NAME: Final = "Django"
VERSION: Final = "5.2.8"
SHA256: Final = "23254866a5bb9a2cfa6004e8b809ec6246eba4b58a7589bc2772f1bcc8456c7f"
STEM: Final = f"{NAME.lower()}-{VERSION}"

CACHE: Final = Path(__file__).resolve().parents[2] / "build" / "usefulness"
PATIENCE_S: Final = 600


def fetch() -> Path:
    """Return the folder of the code base, fetched and unpacked where it is not there yet."""
    tree = CACHE / STEM
    if not tree.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            top = Path(folder)
            _download(top)
            _unpack(top / f"{STEM}.tar.gz", top)
            # Only a whole tree gets the name by which the next run knows it.
            (top / STEM).rename(tree)
    return tree


def _download(top: Path) -> None:
    """Have pip fetch the source distribution, from the index that it is configured for.

    pip asks the distribution's own build script for its dependencies, `--no-deps` or not, in an
    environment of its own: so the hash is checked before anything of it runs.
    """
    wanted = top / "requirements.txt"
    wanted.write_text(f"{NAME}=={VERSION} --hash=sha256:{SHA256}\n")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    which = ["--no-deps", "--no-binary", NAME, "--require-hashes", "-r", str(wanted)]
    soon = ["--retries", "1"]  # who has no network should not wait for five attempts
    print(f"fetching {NAME} {VERSION} (once)", file=sys.stderr)
    done = subprocess.run(
        [*pip, *which, *soon, "--dest", str(top)],
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    if done.returncode:
        raise SystemExit(
            f"{NAME} {VERSION} could not be fetched: can pip reach its package index?\n"
            + "\n".join(done.stderr.strip().splitlines()[-5:])
        )


def _unpack(archive: Path, top: Path) -> None:
    """Unpack an archive whose hash pip checked, and even so nothing outside of `top`."""
    if not hasattr(tarfile, "data_filter"):
        raise SystemExit("this Python unpacks anything anywhere; take 3.11.4 or later")
    with tarfile.open(archive) as packed:
        packed.extractall(top, filter="data")

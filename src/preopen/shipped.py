"""The files that come with preopen: where they are, in the wheel or in the checkout that is run."""

from pathlib import Path
from typing import Final

import preopen

MANIFESTS: Final = "tool_manifests"
WASM: Final = "wasm"


def shipped(folder: str) -> Path:
    """Return one of the two folders above."""
    package = Path(preopen.__file__).resolve().parent
    installed = package / "builtin" / folder
    return installed if installed.is_dir() else package.parents[1] / folder

"""Builds the guests that are written as text: `python wasm/build_wat.py`. Needs no toolchain.

Those of the demo are pinned in manifests beside them, the gate in `wire/starters.py`; the self-test
pins its own when it runs.
"""

import hashlib
import re
from pathlib import Path

import wasmtime

HERE = Path(__file__).parent

STARTERS = HERE.parent / "src" / "preopen" / "wire" / "starters.py"

for source in sorted(HERE.glob("*/*.wat")):
    binary = source.with_suffix(".wasm")
    binary.write_bytes(bytes(wasmtime.wat2wasm(source.read_text())))
    sha256 = hashlib.sha256(binary.read_bytes()).hexdigest()
    manifest = source.with_suffix(".toml")
    if manifest.exists():
        pinned = re.sub(r'(?m)^sha256 = ".*"', f'sha256 = "{sha256}"', manifest.read_text())
        manifest.write_text(pinned)
    if source.stem == "http_gate":
        text = STARTERS.read_text()
        STARTERS.write_text(re.sub(r'(GATE_SHA256: Final = ")\w*', rf"\g<1>{sha256}", text))
    print(f"{sha256}  {binary.relative_to(HERE)}")

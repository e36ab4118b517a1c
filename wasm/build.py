"""Rebuilds every guest of ours that this machine has toolchains for, and says which bytes changed.

Usage: make wasm, or python wasm/build.py

An ordinary machine needs `rustup target add wasm32-wasip1 wasm32-wasip2`. Elsewhere RUSTC names a
compiler that has both, CARGO_TARGET_WASM32_WASIP1_LINKER and ..._WASIP2_LINKER its linkers. The
bytes of a tool whose binary changed are pinned anew in its manifest.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

WASM = Path(__file__).resolve().parent
ROOT = WASM.parent
TARGET = ROOT / "build" / "wasm"
MODULE, COMPONENT = "wasm32-wasip1", "wasm32-wasip2"
# Crate, target, and the committed binary.
BINARIES = (
    ("read", MODULE, "read/read.wasm"),
    ("list", MODULE, "list/list.wasm"),
    ("write", MODULE, "write/write.wasm"),
    ("probe", MODULE, "probe/probe.wasm"),
    ("probe", COMPONENT, "probe/probe.component.wasm"),
)


def main() -> int:
    """Build each target, copy what changed, and write the notices."""
    if shutil.which("cargo") is None:
        print("cargo is not installed: nothing was rebuilt, and the committed binaries stay")
        return 0
    failed = 0
    for target in (MODULE, COMPONENT):
        mine = [(crate, file) for crate, its, file in BINARIES if its == target]
        if not build(target, [crate for crate, _ in mine]):
            print(f"{target}: not rebuilt (is the target installed?)")
            failed += 1
            continue
        for crate, file in mine:
            update(TARGET / target / "release" / f"{crate}.wasm", WASM / file)
    (WASM / "NOTICES.md").write_text(notices())
    return 1 if failed else 0


def build(target: str, crates: list[str]) -> bool:
    """Build some crates for one target, with bytes that do not depend on where this folder lies."""
    rustc = os.environ.get("RUSTC", "rustc")
    sysroot = subprocess.run(  # noqa: S603 - the compiler that the person named
        [rustc, "--print", "sysroot"], capture_output=True, text=True, check=False
    ).stdout.strip()
    cargo_home = os.environ.get("CARGO_HOME", str(Path.home() / ".cargo"))
    places = {str(WASM): "/wasm", sysroot: "/rust", cargo_home: "/cargo"}
    flags = [f"--remap-path-prefix={old}={new}" for old, new in places.items() if old]
    command = ["cargo", "build", "--release", "--locked", "--target", target]
    command += [word for crate in crates for word in ("-p", crate)]
    env = os.environ | {"CARGO_TARGET_DIR": str(TARGET), "RUSTFLAGS": " ".join(flags)}
    return subprocess.run(command, cwd=WASM, env=env, check=False).returncode == 0  # noqa: S603 - our own


def update(built: Path, committed: Path) -> None:
    """Copy a binary over the committed one where its bytes differ, and pin it anew."""
    new = built.read_bytes()
    old = committed.read_bytes() if committed.exists() else b""
    if new == old:
        print(f"{committed.relative_to(ROOT)}: the same {len(new)} bytes")
        return
    committed.write_bytes(new)
    print(f"{committed.relative_to(ROOT)}: changed, {len(old)} -> {len(new)} bytes")
    sha256 = hashlib.sha256(new).hexdigest()
    manifest = ROOT / "tool_manifests" / f"{committed.stem}.toml"
    if manifest.exists():
        text = manifest.read_text()
        pinned = re.sub(r'^sha256 = "[^"]*"', f'sha256 = "{sha256}"', text, flags=re.MULTILINE)
        manifest.write_text(pinned)
        print(f"{manifest.relative_to(ROOT)}: pins {sha256}")


def notices() -> str:
    """Return the licences of every crate that is linked into a binary, texts included."""
    command = ["cargo", "metadata", "--format-version=1", "--locked"]
    command += ["--filter-platform", MODULE]
    answer = subprocess.run(command, cwd=WASM, capture_output=True, check=True)  # noqa: S603 - our own
    metadata = json.loads(answer.stdout)
    crates = [p for p in metadata["packages"] if p["source"] is not None]
    parts = ["# Notices\n", "Made by `wasm/build.py`: the crates linked into the binaries here.\n"]
    texts: dict[str, list[str]] = {}
    for crate in sorted(crates, key=lambda each: (each["name"], each["version"])):
        name = f"{crate['name']} {crate['version']}"
        parts.append(f"- {name}: {crate['license'] or 'see its text below'}")
        for file in sorted(Path(crate["manifest_path"]).parent.glob("LICENSE*")):
            if file.is_file():
                texts.setdefault(file.read_text(errors="replace").strip(), []).append(name)
    for text, names in texts.items():
        parts.append(f"\n## {', '.join(names)}\n\n```text\n{text}\n```")
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.exit(main())

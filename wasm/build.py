"""Builds the guest tools in Rust, says which bytes changed, and keeps the manifests' sha256 right.

    python wasm/build.py [NAME ...]        all of them, or those named
    python wasm/build.py --notices         only writes NOTICES.md anew

It needs `cargo`, and a rustc with the target's standard library: on an ordinary machine
`rustup target add wasm32-wasip1 wasm32-wasip2`. RUSTC and CARGO_TARGET_WASM32_WASIP1_LINKER, which
cargo itself knows, name another compiler and linker. What it has no toolchain for, it leaves alone.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import notices

WASM: Final = Path(__file__).resolve().parent
ROOT: Final = WASM.parent
MANIFESTS: Final = ROOT / "tool_manifests"
TARGET_FOLDER: Final = ROOT / "build" / "wasm"
MODULE: Final = "wasm32-wasip1"
RUSTC: Final = "1.85.1"  # what the committed bytes were built by; another version gives others
SHA256_LINE: Final = re.compile(r'^(sha256 = ")[0-9a-fA-F]*(")', re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Binary:
    """One binary: the package that makes it, its target, and where it is put."""

    name: str
    target: str
    output: Path


def main() -> int:
    """Build, install, report; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--notices", action="store_true", help="only write NOTICES.md")
    arguments = parser.parse_args()
    if shutil.which("cargo") is None:
        print("wasm: no cargo in PATH; nothing is built", file=sys.stderr)
        return 0
    if not arguments.notices:
        binaries = [b for b in find_binaries() if not arguments.names or b.name in arguments.names]
        unknown = set(arguments.names) - {binary.name for binary in binaries}
        if unknown:
            print(f"wasm: no tool is named {', '.join(sorted(unknown))}", file=sys.stderr)
            return 2
        build_all(binaries)
        update_manifests()
    notices.write(WASM, environment=build_environment())
    return 0


def find_binaries() -> Iterator[Binary]:
    """Yield what there is to build: each member of the workspace that is a program."""
    members = tomllib.loads((WASM / "Cargo.toml").read_text())["workspace"]["members"]
    for name in sorted(members):
        if (WASM / name / "src" / "main.rs").exists():
            for number, target in enumerate(targets(WASM / name)):
                end = ".component.wasm" if number else ".wasm"
                yield Binary(name=name, target=target, output=WASM / name / f"{name}{end}")


def targets(folder: Path) -> list[str]:
    """Return the targets that a package's Cargo.toml names: a module's, by default alone."""
    package = tomllib.loads((folder / "Cargo.toml").read_text())["package"]
    named: list[str] = package.get("metadata", {}).get("preopen", {}).get("targets", [MODULE])
    return named


def build_all(binaries: list[Binary]) -> None:
    """Build and install binaries, a cargo call for each target."""
    environment = build_environment()
    version = run(compiler(environment), "--version", environment=environment).split()[1]
    if version != RUSTC:
        print(f"wasm: rustc {version}, not {RUSTC}: expect every binary to change")
    by_target: dict[str, list[Binary]] = {}
    for binary in binaries:
        by_target.setdefault(binary.target, []).append(binary)
    for target, group in by_target.items():
        missing = missing_toolchain(target, environment)
        if missing:
            print(f"wasm: {', '.join(b.name for b in group)} not built: {missing}")
            continue
        build(target, group, environment)
        for binary in group:
            install(binary)


def build(target: str, group: list[Binary], environment: dict[str, str]) -> None:
    """Run cargo for one target, by the versions of Cargo.lock."""
    command = ("cargo", "build", "--release", "--locked", "--quiet", "--target", target)
    for binary in group:
        # Apart: what cargo builds together gets the features of crates that any of them asks for.
        subprocess.run([*command, "--package", binary.name], cwd=WASM, env=environment, check=True)


def install(binary: Binary) -> None:
    """Put a built binary into its place and say whether its bytes changed."""
    built = TARGET_FOLDER / binary.target / "release" / f"{binary.name}.wasm"
    new = built.read_bytes()
    old = binary.output.read_bytes() if binary.output.exists() else b""
    state = "unchanged" if new == old else "CHANGED" if old else "new"
    if new != old:
        binary.output.write_bytes(new)
    print(f"{binary.output.relative_to(ROOT)}: {len(new):,} bytes, {state}")


def update_manifests() -> None:
    """Write each binary's sha256 into the manifests that name it."""
    for manifest in sorted(MANIFESTS.glob("*.toml")):
        text = manifest.read_text(encoding="utf-8")
        binary = manifest.parent / tomllib.loads(text)["binary"]["path"]
        if WASM not in binary.resolve().parents or not binary.exists():
            continue
        digest = hashlib.sha256(binary.read_bytes()).hexdigest()
        updated = SHA256_LINE.sub(rf"\g<1>{digest}\g<2>", text, count=1)
        if updated != text:
            manifest.write_text(updated, encoding="utf-8")
            print(f"{manifest.relative_to(ROOT)}: sha256 = {digest}")


def build_environment() -> dict[str, str]:
    """Return this process's environment, with paths of this machine kept out of the binaries."""
    environment = dict(os.environ)
    run("cargo", "fetch", "--locked", "--quiet", environment=environment)  # so that it has paths
    cargo_home = environment.get("CARGO_HOME") or str(Path.home() / ".cargo")
    sysroot = run(compiler(environment), "--print", "sysroot", environment=environment)
    # The last one that fits counts, so the widest come first.
    remap = {str(ROOT): "/preopen", cargo_home: "/cargo", sysroot: "/rust"}
    # Named for the registry that this machine fetches from, which may be a mirror.
    remap |= {str(source): "/crates" for source in Path(cargo_home).glob("registry/src/*")}
    flags = [f"--remap-path-prefix={old}={new}" for old, new in remap.items()]
    flags.append("-Ctarget-feature=+simd128")  # grep over a large tree takes a quarter less by it
    environment["CARGO_ENCODED_RUSTFLAGS"] = "\x1f".join(flags)
    environment["CARGO_TARGET_DIR"] = str(TARGET_FOLDER)
    return environment


def missing_toolchain(target: str, environment: dict[str, str]) -> str:
    """Return what is missing for a target, or ""."""
    sysroot = run(compiler(environment), "--print", "sysroot", environment=environment)
    if not (Path(sysroot) / "lib" / "rustlib" / target / "lib").is_dir():
        return f"this rustc has no {target} (rustup target add {target})"
    return ""


def compiler(environment: dict[str, str]) -> str:
    """Return the rustc that cargo will use."""
    return environment.get("RUSTC", "rustc")


def run(*command: str, environment: dict[str, str]) -> str:
    """Return what a command prints."""
    done = subprocess.run(command, env=environment, cwd=WASM, check=True, capture_output=True)
    return done.stdout.decode().strip()


if __name__ == "__main__":
    sys.exit(main())

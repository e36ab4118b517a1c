"""Takes approvals back, and with each the lasting answers about its tool.

Of the tools themselves nothing is read: their manifests may be gone, and the policy broken.
"""

from collections.abc import Iterable
from pathlib import Path

from preopen.cli.approvals import lock_file
from preopen.cli.finding import advice
from preopen.cli.printing import fault_to_json, say, say_json, warn
from preopen.errors import Fault, PreopenError
from preopen.outcome import JsonValue
from preopen.policy.flags import Surroundings
from preopen.shipped import MANIFESTS, shipped
from preopen.tool.parsing import load_manifest
from preopen.trust.lock import Pin, load_lock, withdraw
from preopen.trust.standing import FILE_NAME, forget, read_always

_NO = 1
_REFUSED = 3


def take_back(around: Surroundings, names: tuple[str, ...], *, as_json: bool) -> int:
    """Take back the approvals of these names, of no name all that there are; return the exit code.

    Raises:
        PreopenError: the lock is damaged or cannot be used; it stays as it is.

    """
    file = lock_file(around)
    before = load_lock(file).pins
    gone = withdraw(file, names or before)
    faults = [
        _no_entry(name, file, sorted(before)) for name in dict.fromkeys(names) if name not in gone
    ]
    # After the lock: without an approval no answer counts, and a broken file must not keep one.
    forgotten, problems = _forget(Path(around.config_dir, FILE_NAME), gone)
    if as_json:
        say_json(_to_json(gone, forgotten, [*faults, *problems]))
    else:
        for name in gone:
            say("\n".join(_lines(name, gone[name], forgotten.get(name, 0))))
        if not gone and not names:
            say("nothing is approved: there is nothing to withdraw")
        for fault in faults:
            warn(str(fault))
    for fault in problems:
        warn(f"withdrawn, but lasting answers could not be forgotten with it: {fault}")
    if problems:
        return _REFUSED
    return _NO if faults else 0


def _no_entry(name: str, file: Path, entries: list[str]) -> Fault:
    """Return why there is nothing to take back of a name, and what there is to do."""
    if name in _builtin_names():
        found = "it comes with preopen, and is approved by its release"
        write = f'leave it out with --without {name}, or [tools] without = ["{name}"]'
        return Fault(place=name, found=found, write=write)
    found = f"it has no entry in {file}, so it is not approved"
    return Fault(place=name, found=found, write=advice(name, entries))


def _builtin_names() -> set[str]:
    files = shipped(MANIFESTS).glob("*.toml")
    return {load_manifest(file, builtin=True).name for file in files}


def _forget(file: Path, names: Iterable[str]) -> tuple[dict[str, int], tuple[Fault, ...]]:
    """Return how many lasting answers of each name were forgotten, and why the rest were not.

    They are bound to the definition, which an approval of the same tool later brings back.
    """
    forgotten: dict[str, int] = {}
    wanted = set(names)
    if not wanted:
        return {}, ()
    try:
        for name in sorted(wanted & {each.tool for each in read_always(file)}):
            forgotten[name] = forget(file, name)
    except PreopenError as error:
        return forgotten, error.faults
    return forgotten, ()


def _lines(name: str, pin: Pin, answers: int) -> Iterable[str]:
    yield f"withdrawn  {name}: it was approved {pin.approved}"
    yield f"  fingerprint  {pin.definition.fingerprint}"
    if answers:
        yield f"  {answers} lasting answer{'s' if answers > 1 else ''} about it forgotten"


def _to_json(
    gone: dict[str, Pin], forgotten: dict[str, int], faults: list[Fault]
) -> dict[str, JsonValue]:
    return {
        "withdrawn": [
            {
                "name": name,
                "approved": pin.approved,
                "fingerprint": pin.definition.fingerprint,
                "forgotten": forgotten.get(name, 0),
            }
            for name, pin in gone.items()
        ],
        "faults": [fault_to_json(fault) for fault in faults],
    }

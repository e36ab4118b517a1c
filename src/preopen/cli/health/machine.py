"""Python, the packages that preopen needs, the user, descriptors → lines."""

import platform
import resource
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution, version
from typing import Final

from packaging.requirements import Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion

from preopen import __version__
from preopen.cli.health.line import Line, State
from preopen.cli.starting import describe_owner
from preopen.policy.policy import Policy

SECTION: Final = "machine"

# Of the server: a call that names two files to write holds 5 (its channel, its pidfd, folders and
# files), and 41 were open before any call.
_DESCRIPTORS_PER_CALL: Final = 8
_DESCRIPTORS_ALWAYS: Final = 128


def examine_machine(policy: Policy) -> Iterator[Line]:
    """Yield what preopen itself stands on."""
    yield _python()
    yield from _packages()
    yield Line(section=SECTION, name="user", state=State.OK, found=describe_owner(policy))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield descriptor_line(soft, policy.cells)


def descriptor_line(limit: int, cells: int) -> Line:
    """Return whether a limit on open files is enough for so many calls at once."""
    needed = _DESCRIPTORS_ALWAYS + _DESCRIPTORS_PER_CALL * cells
    if limit in (resource.RLIM_INFINITY, -1) or limit >= needed:
        found = f"enough for limits.cells = {cells}"
        return Line(section=SECTION, name="descriptors", state=State.OK, found=found)
    return Line(
        section=SECTION,
        name="descriptors",
        state=State.FAIL,
        found=f"at most {limit} may be open, and limits.cells = {cells} may need {needed}",
        way_out=f"`ulimit -n {needed}` before the start, or a lower limits.cells",
    )


def package_line(name: str, bounds: str, found: str | None, *, optional: bool) -> Line:
    """Return whether a package's version lies within its bounds; `found` is None for no package."""
    wanted = f"{name}{bounds}"
    fit = found is not None and in_range(found, bounds)
    if fit:
        return Line(section=SECTION, name=name, state=State.OK, found=found or "")
    return Line(
        section=SECTION,
        name=name,
        state=State.WARN if optional and found is None else State.FAIL,
        found=f"{found or 'not installed'}; preopen needs {bounds or 'any version'}",
        way_out=f"{sys.executable} -m pip install '{wanted}'",
    )


def in_range(version_text: str, bounds: str) -> bool:
    """Whether a version lies within bounds such as `>=50,<51` (PEP 440); what is none is not kept.

    A release candidate of 3.0 is not below 3; one of 2.4 is above 2.3, and counts.
    """
    try:
        return SpecifierSet(bounds).contains(version_text, prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return False


def _python() -> Line:
    """Return the interpreter, and by what preopen came into it."""
    here = platform.python_version()
    try:
        installed = _installed_by(distribution("preopen"))
    except PackageNotFoundError:
        return Line(
            section=SECTION,
            name="python",
            state=State.WARN,
            found=f"{here}; preopen {__version__} runs from a folder and is not installed",
            way_out="pipx install preopen",
        )
    found = f"{here} in {_environment()}; preopen {__version__}, {installed}"
    return Line(section=SECTION, name="python", state=State.OK, found=found)


def _environment() -> str:
    if "/pipx/venvs/" in sys.prefix:
        return "an environment of pipx's"
    if "/uv/tools/" in sys.prefix:
        return "an environment of uv's"
    return "a virtual environment" if sys.prefix != sys.base_prefix else "no environment of its own"


def _installed_by(package: Distribution) -> str:
    installer = (package.read_text("INSTALLER") or "somebody").strip()
    editable = '"editable": true' in (package.read_text("direct_url.json") or "")
    return f"a checkout linked by {installer}" if editable else f"installed by {installer}"


def _packages() -> Iterator[Line]:
    try:
        written: Iterable[str] = distribution("preopen").requires or ()
    except PackageNotFoundError:
        return  # the line above says so
    for text in sorted(written):
        wanted = Requirement(text)
        if wanted.marker is not None and not wanted.marker.evaluate():
            continue  # of another platform
        try:
            found = version(wanted.name)
        except PackageNotFoundError:
            found = None
        bounds, optional = str(wanted.specifier), wanted.marker is not None
        yield package_line(wanted.name, bounds, found, optional=optional)

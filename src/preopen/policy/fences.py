"""preopen's own files: no writable grant may touch them, or an agent could rewrite its own fence.

Pure: compares resolved paths. A bind mount or a hard link of such a file elsewhere is not seen.
"""

from collections.abc import Iterable

from preopen.errors import Fault
from preopen.policy.places import is_inside, printable


def check_fence(
    host_path: str, own_paths: Iterable[str], keep_out: Iterable[str], *, place: str, key: str
) -> Fault | None:
    """Return why a folder may not be granted to write, naming it and what it touches, or None.

    `own_paths` are preopen's configuration, state, cache and policy file; `keep_out` the folders of
    served manifests and binaries, and those that are searched for manifests. The built-in tools lie
    in preopen's own package, so someone who works on preopen, or keeps a virtual environment with
    it in the workspace, is refused too, and rightly: whoever writes there decides what runs. The
    message says how out.
    """
    for own in own_paths:
        if _touches(host_path, own):
            found = (
                f"writing below {printable(host_path)} would reach preopen's own {printable(own)}"
            )
            write = "open another folder, or keep preopen's files outside of it"
            return Fault(place=place, key=key, found=found, write=write)
    for own in keep_out:
        if _touches(host_path, own):
            found = (
                f"writing below {printable(host_path)} would reach {printable(own)},"
                " where served tools lie"
            )
            write = (
                "keep tools, and the preopen that is run, outside of it"
                " (for one in the workspace's .venv: install preopen elsewhere, such as by pipx)"
            )
            return Fault(place=place, key=key, found=found, write=write)
    return None


def _touches(folder: str, own: str) -> bool:
    return is_inside(own, folder) or is_inside(folder, own)

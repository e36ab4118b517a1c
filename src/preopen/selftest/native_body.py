"""One call as the native code in a guest's place has it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from preopen.capability import Reach
from preopen.wire.channel import Channel
from preopen.wire.frames import Call


@dataclass(frozen=True, slots=True)
class Body:
    """The call, and the ways out of it."""

    call: Call
    channel: Channel  # to the server, which it can ask what the cell's own code would ask
    print: Callable[[bytes], None]
    warn: Callable[[bytes], None]

    def path(self, text: str) -> str:
        """Return a path of the guest's as one of the host's: relative ones lie in the first mount.

        A narrowed mount names its file; the folder is what the guest finds itself in.
        """
        if not self.call.mounts or text.startswith("/"):
            return text
        first = self.call.mounts[0]
        folder = Path(first.host_paths[0])
        return str((folder if first.reach is Reach.TREE else folder.parent) / text)


Act: TypeAlias = Callable[[Body, str], object]

"""The numbers of inotify(7) that preopen uses; the library that has them is Linux's alone."""

from typing import Final

ACCESS: Final = 0x1
MODIFY: Final = 0x2
ATTRIB: Final = 0x4
CLOSE_WRITE: Final = 0x8
OPEN: Final = 0x20
MOVED: Final = 0x40 | 0x80
CREATE: Final = 0x100
DELETE: Final = 0x200
DELETE_SELF: Final = 0x400
MOVE_SELF: Final = 0x800
UNMOUNT: Final = 0x2000
OVERFLOW: Final = 0x4000
IGNORED: Final = 0x8000
ONLY_FOLDERS: Final = 0x100_0000
NO_LINKS: Final = 0x200_0000
IS_FOLDER: Final = 0x4000_0000

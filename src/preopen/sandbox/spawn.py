"""A cell without a zygote: one fresh process that speaks the same frames.

It loads what the server sends and then is a cell like any other, wall included where there is one.
"""

import os

from preopen.sandbox.cell import load_or_leave
from preopen.sandbox.engine import Shelf
from preopen.sandbox.process import begin_for_cells
from preopen.sandbox.wall import probe_layers
from preopen.sandbox.zygote import gate_for, greeting, start_cell
from preopen.wire.channel import Channel, ChannelClosed, open_channel
from preopen.wire.codec import FrameError
from preopen.wire.frames import Load
from preopen.wire.starters import ASKS_ARGUMENTS, ASKS_STATUS


def main(arguments: list[str]) -> None:
    """Be one cell: `arguments` are the channel's descriptor, the server's pid, `uid:gid`, role."""
    descriptor, server, owner = int(arguments[0]), int(arguments[1]), arguments[2]
    begin_for_cells(server, owner)
    channel = open_channel(descriptor)
    missing = {layer: why for layer, why in probe_layers().items() if why}
    shelf = Shelf(gate_for(arguments[3]))
    try:
        channel.send(greeting(missing))
        _load_starters(channel, shelf)
    except (ChannelClosed, FrameError):
        os._exit(0)
    start_cell(channel, shelf, missing, server)


def _load_starters(channel: Channel, shelf: Shelf) -> None:
    wanted = {ASKS_ARGUMENTS.binary, ASKS_STATUS.binary}
    while wanted:
        match channel.receive():
            case Load(binary=binary):
                (descriptor,) = channel.taken
                load_or_leave(shelf, binary, descriptor)
                wanted.discard(binary)
            case _:
                os._exit(0)

"""Entry point: a zygote whose cells run native code where a guest would run.

The cell is the product's own: the same mounts, the same wall, the same limits, the same answer.
Only WebAssembly is out of the way: what stops an attack now is the operating system.
"""

import json
from functools import partial

from wasmtime import WasiConfig

from preopen.sandbox import zygote
from preopen.sandbox.ahead import Ahead
from preopen.sandbox.cell import Guest
from preopen.sandbox.command import Ended
from preopen.sandbox.context import Streams
from preopen.selftest import native_http
from preopen.selftest.native_acts import perform
from preopen.selftest.native_body import Body
from preopen.wire.channel import Channel
from preopen.wire.frames import Call


def ready_native(
    _ahead: Ahead, call: Call, _wasi: WasiConfig, streams: Streams, channel: Channel
) -> Guest:
    """Return what does the acts of a call, in a guest's place."""
    body = Body(call=call, channel=channel, print=streams.write_stdout, warn=streams.write_stderr)
    return Guest(partial(_run_native, body, streams))


def _run_native(body: Body, streams: Streams) -> Ended:
    """Do what the call's words say, a pair each, and print a line for each as the probe does.

    Words of the courier's are one request, and the line is as the courier's.
    """
    words = body.call.argv[1:]
    if words[:1] == ("send",):
        body.print(b"%s\n" % json.dumps(native_http.send(body, words[1:])).encode())
        return Ended()
    for act, thing in zip(words[::2], words[1::2], strict=True):
        if act == "overrun":  # past the counting: straight into the answer
            streams.stdout += b"x" * (int(thing) << 10)
            continue
        match act:  # as the probe's: nothing else comes after these
            case "emit":
                streams.write_stdout(bytes.fromhex(thing))
                break
            case "nest":
                streams.write_stdout(b"[" * int(thing) + b"]" * int(thing))
                break
            case "fail":
                streams.write_stderr(thing.encode())
                return Ended(exit_code=1)
            case _:
                pass
        streams.write_stdout(f"{act} {thing}: {perform(body, act, thing)}\n".encode())
    return Ended()


def main(arguments: list[str]) -> None:
    """Be a zygote; `arguments` are the product's."""
    zygote.main(arguments, ready_native)

"""One call's grants as a WasiConfig, and the streams that count what the guest writes.

Nothing is inherited, ever: no argument, variable, stream or directory that the Call does not name.
"""

import ctypes
import errno
import itertools
from collections.abc import Callable, Sequence
from ctypes import _Pointer
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

from wasmtime import WasiConfig, WasmtimeError
from wasmtime import _ffi as ffi

from preopen.capability import Access, Mount
from preopen.wire.frames import Call


@dataclass(slots=True)
class Streams:
    """What the guest has written so far. `overflow` is called, and must not return, past the limit.

    stdout is kept from its beginning, stderr from its end: the last lines say what went wrong.
    """

    stdout_limit: int
    stderr_limit: int
    overflow: Callable[["Streams"], None]
    stdout: bytearray = field(default_factory=bytearray)
    _stderr: bytearray = field(default_factory=bytearray)

    def write_stdout(self, data: bytes) -> None:
        """Take bytes of the guest's stdout; at the limit, keep what fits and end the call."""
        self.stdout += data[: self.stdout_limit - len(self.stdout) + 1]
        if len(self.stdout) > self.stdout_limit:
            del self.stdout[self.stdout_limit :]
            self.overflow(self)

    def write_stderr(self, data: bytes) -> None:
        """Take bytes of the guest's stderr; the oldest leave when there is no more room."""
        self._stderr += data[-self.stderr_limit :]
        if len(self._stderr) > 2 * self.stderr_limit:
            del self._stderr[: -self.stderr_limit]

    @property
    def stderr(self) -> bytes:
        """The last `stderr_limit` bytes; a first line says so where earlier ones were cut."""
        if len(self._stderr) <= self.stderr_limit:
            return bytes(self._stderr)
        return b"[earlier stderr was cut]\n" + bytes(self._stderr[-self.stderr_limit :])


class Blank(NamedTuple):
    """A WasiConfig that says nothing yet but where stdout and stderr go: to streams of a number."""

    wasi: WasiConfig
    number: int


def make_blank() -> Blank:
    """Return a WasiConfig of a number of its own, for one call, which may come later."""
    wasi, number = WasiConfig(), next(_numbers)
    ffi.wasi_config_set_stdout_custom(wasi.ptr(), _STDOUT, number, _NO_END)
    ffi.wasi_config_set_stderr_custom(wasi.ptr(), _STDERR, number, _NO_END)
    return Blank(wasi, number)


def make_context(call: Call, streams: Streams, blank: Blank | None = None) -> WasiConfig:
    """Return the WasiConfig of one call: its argv, variables, stdin, streams and mounts.

    Made of a `blank` that nobody has used, if there is one.

    Raises:
        WasmtimeError: a folder cannot be mounted.

    """
    wasi, number = blank or make_blank()
    _hear(number, streams)
    _set_argv(wasi, call.argv)
    if call.environment:
        wasi.env = call.environment
    if call.stdin:  # else it is at its end, as wasmtime has it
        _set_stdin(wasi, call.stdin)
    for mount in call.mounts:
        _preopen(wasi, mount)
    return wasi


# `argv` of wasmtime-py casts what it makes to another pointer, which is most of its time.
_ARGV: Final = ctypes.CFUNCTYPE(
    ctypes.c_bool, ctypes.POINTER(ffi.wasi_config_t), ctypes.c_size_t, ctypes.c_void_p
)(("wasi_config_set_argv", ffi.dll))


def _set_argv(wasi: WasiConfig, words: Sequence[str]) -> None:
    texts = (ctypes.c_char_p * len(words))(*map(str.encode, words))
    if not _ARGV(wasi.ptr(), len(words), texts):
        raise WasmtimeError("the arguments could not be set")


def _preopen(wasi: WasiConfig, mount: Mount) -> None:
    # By descriptor: what the server's walk checked is mounted, whatever has its name by now.
    host_path = f"/proc/self/fd/{mount.folder}"
    for guest_path in mount.guest_paths:
        wasi.preopen_dir(host_path, guest_path, mount.access is Access.WRITE)


# `stdout_custom` of wasmtime-py without what one call at a time has no use for: it has each stream
# taken back by the thread that wrote it, which makes an interpreter's state for that and waits for
# the interpreter, and it makes a type for each length of a write. Here the streams of the last call
# are known by number; what a thread writes for an earlier one, late, is dropped.
_numbers: Final = itertools.count(1)
_outputs: Final[dict[int, Streams]] = {}
_Start: TypeAlias = "_Pointer[ctypes.c_ubyte]"
_Writer: Final = ctypes.CFUNCTYPE(
    ctypes.c_ssize_t, ctypes.c_void_p, ctypes.POINTER(ctypes.c_ubyte), ctypes.c_size_t
)
_NO_END: Final = ctypes.CFUNCTYPE(None, ctypes.c_void_p)()  # a null pointer: nothing is to be freed


def _hear(number: int, streams: Streams) -> None:
    _outputs.clear()
    _outputs[number] = streams


def _to_stdout(number: int, start: _Start, size: int) -> int:
    return _write(Streams.write_stdout, number, start, size)


def _to_stderr(number: int, start: _Start, size: int) -> int:
    return _write(Streams.write_stderr, number, start, size)


def _write(write: Callable[[Streams, bytes], None], number: int, start: _Start, size: int) -> int:
    streams = _outputs.get(number)
    try:
        if streams is not None:
            write(streams, ctypes.string_at(start, size))
    except Exception:  # noqa: BLE001 - nothing may be raised into native code; the guest is told
        return -errno.EIO
    return size


_STDOUT: Final = _Writer(_to_stdout)
_STDERR: Final = _Writer(_to_stderr)


def _set_stdin(wasi: WasiConfig, data: bytes) -> None:
    # wasmtime-py binds this C function and wraps it nowhere. It takes the vector over.
    vector = ffi.wasm_byte_vec_t()
    start = ctypes.cast(ctypes.c_char_p(data), ctypes.POINTER(ctypes.c_ubyte))
    ffi.wasm_byte_vec_new(ctypes.byref(vector), len(data), start)
    ffi.wasi_config_set_stdin_bytes(wasi.ptr(), ctypes.byref(vector))

"""One call's grants as a WasiConfig, and the streams that count what the guest writes.

Nothing is inherited, ever: no argument, variable, stream or directory that the Call does not name.
"""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, field

from wasmtime import WasiConfig
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


def make_context(call: Call, streams: Streams) -> WasiConfig:
    """Return the WasiConfig of one call: its argv, variables, stdin, streams and mounts.

    Raises:
        WasmtimeError: a folder cannot be mounted.

    """
    wasi = WasiConfig()
    wasi.argv = list(call.argv)
    if call.environment:
        wasi.env = call.environment
    wasi.stdout_custom = streams.write_stdout
    wasi.stderr_custom = streams.write_stderr
    _set_stdin(wasi, call.stdin)
    for mount in call.mounts:
        _preopen(wasi, mount)
    return wasi


def _preopen(wasi: WasiConfig, mount: Mount) -> None:
    # By descriptor: what the server's walk checked is mounted, whatever has its name by now.
    host_path = f"/proc/self/fd/{mount.folder}"
    for guest_path in mount.guest_paths:
        wasi.preopen_dir(host_path, guest_path, mount.access is Access.WRITE)


def _set_stdin(wasi: WasiConfig, data: bytes) -> None:
    # wasmtime-py binds this C function and wraps it nowhere. It takes the vector over.
    vector = ffi.wasm_byte_vec_t()
    start = ctypes.cast(ctypes.c_char_p(data), ctypes.POINTER(ctypes.c_ubyte))
    ffi.wasm_byte_vec_new(ctypes.byref(vector), len(data), start)
    ffi.wasi_config_set_stdin_bytes(wasi.ptr(), ctypes.byref(vector))

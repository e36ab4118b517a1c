"""Whose certificates count: the system's, and those of one more file that the operator names."""

import ssl
import sys
from dataclasses import dataclass, field

import anyio
import truststore

_Contexts = dict[bool, ssl.SSLContext]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Makes TLS contexts when the first one is needed. `ca_file` is PEM, "" for none.

    Raises (`context`):
        OSError: `ca_file` cannot be read, or holds no certificate.

    """

    ca_file: str = ""
    _made: _Contexts = field(default_factory=dict)
    _lock: anyio.Lock = field(default_factory=anyio.Lock)

    async def context(self, *, http2: bool) -> ssl.SSLContext:
        """Return a context for connections that offer HTTP/1.1 and, if so, HTTP/2."""
        async with self._lock:
            if http2 not in self._made:
                # One for each offer: it is a property of the context, and connections overlap.
                self._made[http2] = await anyio.to_thread.run_sync(_make, self.ca_file)
        return self._made[http2]


def _make(ca_file: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_default_verify_paths()
    if not (sys.platform == "linux" and context.cert_store_stats()["x509_ca"]):
        # It knows macOS, Windows, and places of roots in Linux that this OpenSSL does not.
        # With Linux's usual place it does what we did, but again for each connection: 20 ms.
        context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca_file:
        context.load_verify_locations(cafile=ca_file)
    return context

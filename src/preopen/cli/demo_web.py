"""The demo's own web: one page, and one that needs a token. It listens on loopback."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_PAGE = b"""<!doctype html><title>Lighthouse</title>
<nav><a href="/">Home</a></nav>
<h1>Lighthouse</h1>
<p>A small program that <b>blinks</b>. See <a href="/manual">the manual</a>.</p>
<table><tr><th>lamp</th><th>state</th></tr><tr><td>red</td><td>on</td></tr></table>
"""


@dataclass(slots=True)
class DemoWeb:
    """Where it is, and the `Authorization` of each request that had one."""

    base: str
    seen: list[str] = field(default_factory=list)


@contextmanager
def serve_web() -> Iterator[DemoWeb]:
    """Serve both pages until the block ends."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Pages) as server:
        web = DemoWeb(base=f"http://127.0.0.1:{server.server_port}")
        _Pages.seen = web.seen
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield web
        finally:
            server.shutdown()


class _Pages(BaseHTTPRequestHandler):
    seen: list[str]

    def do_GET(self) -> None:
        """Answer with the page; at `/whoami` with what the request said of its sender."""
        token = self.headers.get("Authorization", "")
        if token:
            self.seen.append(token)
        body, kind = _PAGE, "text/html; charset=utf-8"
        if self.path == "/whoami":
            body, kind = f"You are whoever has {token!r}.\n".encode(), "text/plain; charset=utf-8"
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing: what the demo prints is about the tools."""

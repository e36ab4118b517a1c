"""A web server of a test's own: what it answers to each path, and what it was asked."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One answer. Its length is declared as it is, unless the headers say another."""

    body: bytes = b""
    kind: str = "text/plain"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as it arrived, the names of its headers in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Site:
    """Where the server is, and its pages by their paths; any other is a 404."""

    url: str
    pages: dict[str, Page] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)


@contextmanager
def open_site() -> Iterator[Site]:
    """Serve on a free port of loopback until the end."""

    class Handler(BaseHTTPRequestHandler):
        def parse_request(self) -> bool:
            """Send every method to one place."""
            if is_whole := super().parse_request():
                setattr(self, f"do_{self.command}", self.respond)
            return is_whole

        def respond(self) -> None:
            """Note the request and send its page."""
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            site.requests.append(
                Request(method=self.command, path=self.path, headers=headers, body=body)
            )
            page = site.pages.get(self.path, Page(status=404, body=b"nothing here"))
            self.send_response(page.status)
            length = {"content-length": str(len(page.body)), "content-type": page.kind}
            for name, value in (length | page.headers).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(page.body)

        def log_message(self, *_: object) -> None:
            """Write nothing: a test's output is its own."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site = Site(url=f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

"""One approved request, from the guest's connection to the far side and back."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from http import HTTPStatus

import anyio
import h11
from anyio.abc import TaskGroup

from preopen.egress import headers
from preopen.egress.caps import Caps
from preopen.egress.failure import Failure, GuestLost
from preopen.egress.guest import Guest
from preopen.egress.masking import Masking
from preopen.egress.sockets import Connection
from preopen.egress.tickets import Approved
from preopen.egress.trust import Trust
from preopen.egress.upstream import Answer, Upstream

_BODILESS = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What holds for every request of one call; sizes of bodies in bytes."""

    caps: Caps
    trust: Trust
    request_bytes: int
    response_bytes: int


@dataclass(slots=True)
class Passage:
    """What became of one request, as far as it went. `head_bytes` are of the guest's fields.

    `result` is "" while it goes on, the status once the answer was passed on whole, else words.
    `limit` is the manifest's key that ended it, or "".
    """

    result: str = ""
    limit: str = ""
    address: str = ""
    head_bytes: int = 0
    request_bytes: int = 0
    response_bytes: int = 0


async def relay(
    connection: Connection,
    *,
    terms: Terms,
    redeem: Callable[[str], Approved | None],
    settle: Callable[[Approved, Passage], None],
) -> None:
    """Serve one connection of a guest, to its end; whatever either side does, nothing is raised.

    Without a ticket that `redeem` knows it is closed without a word. `settle` is called once for
    every ticket that was redeemed.
    """
    guest = Guest(connection, terms.caps)
    try:
        try:
            request = await guest.request()
        except GuestLost:
            return
        approved = redeem(request.target.decode("ascii"))
        if approved is None:
            return
        passage = Passage()
        try:
            await _Exchange(guest, request, approved, terms, passage).run()
        finally:
            passage.result = passage.result or "ended with the call"
            settle(approved, passage)
        await guest.close()
    finally:
        guest.abort()  # where it was not closed in order


class _Exchange:
    """One request that holds a ticket. State: how far it came, in `passage`."""

    def __init__(
        self, guest: Guest, request: h11.Request, approved: Approved, terms: Terms, passage: Passage
    ) -> None:
        self._guest = guest
        self._request = request
        self._approved = approved
        self._terms = terms
        self._passage = passage
        self._watched = False
        login = approved.login
        self._masking = Masking(login.secret.reveal()) if login else None

    async def run(self) -> None:
        """Pass the request on and its answer back."""
        if not self._is_as_approved():
            self._passage.result = "denied"
            return self._guest.abort()
        async with anyio.create_task_group() as group:
            upstream = Upstream(approved=self._approved, caps=self._terms.caps, group=group)
            try:
                await self._pass(upstream, group)
            finally:
                upstream.close(whole=self._passage.result.isdecimal())
                group.cancel_scope.cancel()
                self._passage.address = str(upstream.address or "")
        if not self._passage.result:  # cancelled from _watch
            self._passage.result = "the guest left"
            self._guest.abort()
        return None

    def _is_as_approved(self) -> bool:
        sent, approved = self._request.method.decode("ascii"), self._approved.target.method
        # h11 and the guest's client know only HEAD in capitals as the method without a body.
        return sent == approved or (sent.upper() == approved != "HEAD")

    async def _pass(self, upstream: Upstream, group: TaskGroup) -> None:
        fields = self._request.headers.raw_items()
        self._passage.head_bytes = headers.size(fields)
        outgoing = headers.outgoing(fields, self._approved.target, self._approved.login)
        body = self._body(group) if headers.has_body(fields) else None
        if body is None:
            self._watch(group)
        try:
            answer = await upstream.ask(outgoing, body, self._terms.trust)
            if answer.cut_short:
                self._watch(group)
            async with aclosing(answer.body):
                await self._return(answer)
        except Failure as failure:
            await self._fail(failure)
        except GuestLost as lost:
            self._passage.result = f"the guest: {lost.reason}"
            self._passage.limit = lost.limit
            self._guest.abort()

    async def _body(self, group: TaskGroup) -> AsyncGenerator[bytes, None]:
        async with aclosing(self._guest.body(self._terms.request_bytes)) as chunks:
            async for chunk in chunks:
                self._passage.request_bytes += len(chunk)
                yield chunk
        self._watch(group)

    def _watch(self, group: TaskGroup) -> None:
        """From here on read nothing more of the guest, but see it leave. May be called again."""
        if not self._watched:
            self._watched = True
            group.start_soon(self._await_end, group)

    async def _await_end(self, group: TaskGroup) -> None:
        # So that a download beyond ends with the guest that wanted it.
        if await self._guest.discard(self._terms.caps.discarded):
            group.cancel_scope.cancel()

    async def _return(self, answer: Answer) -> None:
        most, declared = self._terms.response_bytes, headers.declared_length(answer.headers)
        bodiless = self._approved.target.method == "HEAD" or answer.status in _BODILESS
        if declared is not None and declared > most and not bodiless:
            raise _too_long(most)
        if self._masking is not None and headers.is_encoded(answer.headers):
            raise Failure(
                "http_response_content_coding", "the answer is encoded though it was not to be"
            )
        stream = self._masking.stream() if self._masking is not None else None
        reason, fields = self._head(answer)
        await self._guest.answer(answer.status, reason, fields)
        expected = 0 if bodiless else declared
        async for chunk in answer.body:
            await self._return_chunk(stream.feed(chunk) if stream else chunk, most)
            if self._passage.response_bytes == expected:
                self._passage.result = str(answer.status)  # the guest may leave before our end
        if stream is not None:
            await self._return_chunk(stream.finish(), most)
        await self._guest.end()
        self._passage.result = str(answer.status)

    async def _return_chunk(self, chunk: bytes, most: int) -> None:
        if self._passage.response_bytes + len(chunk) > most:
            raise _too_long(most)
        if chunk:
            self._passage.response_bytes += len(chunk)
            await self._guest.data(chunk)

    def _head(self, answer: Answer) -> tuple[bytes, headers.Headers]:
        caps = self._terms.caps
        size = headers.size(answer.headers)
        if len(answer.headers) > caps.headers or size > caps.head_bytes:
            raise Failure("http_response_header_section_size", "the server sends too many headers")
        fields = headers.returned(answer.headers)
        if self._masking is None:
            return answer.reason, fields
        masked = [(self._masking.name(name), self._masking.text(value)) for name, value in fields]
        return self._masking.text(answer.reason), masked

    async def _fail(self, failure: Failure) -> None:
        self._passage.limit = failure.limit
        if self._guest.answered:
            self._passage.result = f"cut: {failure.error}"
            return self._guest.abort()
        self._passage.result = failure.error
        text = f"preopen: {failure.details}\n".encode()
        fields = [
            (b"Proxy-Status", failure.proxy_status.encode("ascii")),
            (b"Content-Type", b"text/plain; charset=utf-8"),
            (b"Content-Length", str(len(text)).encode("ascii")),
        ]
        try:
            await self._guest.answer(
                failure.status, HTTPStatus(failure.status).phrase.encode(), fields
            )
            if self._approved.target.method != "HEAD":
                await self._guest.data(text)
            await self._guest.end()
        except (Failure, GuestLost):
            self._guest.abort()
        return None


def _too_long(most: int) -> Failure:
    details = f"the answer has more than response_bytes = {most}"
    return Failure("http_response_body_size", details, limit="response_bytes")

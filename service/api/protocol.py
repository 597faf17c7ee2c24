"""uvicorn's HTTP/1.1 protocol with the limits that it leaves to a proxy: header size, header time, and no endless refused body."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.api import problems
from service.api.ids import uuid7
from service.api.transport import StagedTransport
from service.errors import MalformedRequestError, RequestError, SlowRequestError
from service.telemetry import log

MAX_HEADER_BYTES = 32 << 10
HEADER_TIMEOUT_S = 10.0
LINGER_S = 10.0  # a refused body is read and dropped this long, so that the caller gets to read the refusal
LINGER_BYTES = 1 << 30  # and no further than this


class BoundedProtocol(HttpToolsProtocol):
    """Closes connections whose headers are too large or too slow, or whose body goes on after its answer."""

    header_timeout_s = HEADER_TIMEOUT_S
    linger_s = LINGER_S
    linger_bytes = LINGER_BYTES
    _staged: StagedTransport

    def __init__(self, *arguments: Any, **keywords: Any) -> None:  # noqa: ANN401  uvicorn's own, passed on
        super().__init__(*arguments, **keywords)
        self._timer: asyncio.TimerHandle | None = None
        self._header_bytes = 0
        self._in_headers = self._in_body = False
        self._refusal = (400, MalformedRequestError.code, "the message is not well-formed HTTP/1.1")

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn declares it
        """Expect headers from the first moment."""
        self._staged = StagedTransport(transport, self.linger_s, self.linger_bytes)
        super().connection_made(self._staged)  # type: ignore[arg-type]  # it passes on what it does not change
        self._start_timer(self.header_timeout_s, self._headers_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave no timer behind."""
        self._stop_timer()
        self._staged.stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bound what comes before the end of the headers, in bytes and in time."""
        if self._staged.lingering or (self._in_body and not self._answering):
            self._staged.drop(len(data))
        if self._staged.lingering:
            return
        if self._timer is None and not self._in_body and not self._answering:
            self._start_timer(self.header_timeout_s, self._headers_late)
        unfinished = self._in_headers
        super().data_received(data)
        if unfinished and self._in_headers and self._too_large(len(data)):  # a header too long to end in this piece
            self.send_400_response("")

    def on_message_begin(self) -> None:
        """Headers follow."""
        self._in_headers, self._header_bytes = True, 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header; an error raised here makes the parser stop, and uvicorn send the refusal."""
        super().on_header(name, value)
        if self._too_large(len(name) + len(value) + 4):
            raise ValueError

    def on_headers_complete(self) -> None:
        """The body follows: its limits are the application's."""
        self._stop_timer()
        self._in_headers, self._in_body, self._staged.unfinished = False, True, True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The next bytes are headers again."""
        self._in_body = self._staged.unfinished = False
        if self.cycle.response_complete:
            self._stop_timer()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Do not read a refused body for ever."""
        super().on_response_complete()
        if self._in_body and not self._answering:
            self._start_timer(self.linger_s, self._staged.stop)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  uvicorn's words, ours stand in the problem
        """Refuse in the shape of every other problem."""
        status, code, detail = self._refusal
        request_id = self._abandon() or uuid7()
        answer = problems.response(status, code, detail, RequestError.default_hint, request_id)
        answer.headers["X-Request-Id"] = request_id
        lines = [f"HTTP/1.1 {status} {problems.title_of(status)}", "connection: close"]
        lines += [f"{name.decode()}: {value.decode()}" for name, value in answer.raw_headers]
        self.transport.write("\r\n".join([*lines, "", ""]).encode() + bytes(answer.body))
        self._staged.linger()
        log.info("request", extra={"request_id": request_id, "route": "other", "method": "other", "status": status, "code": code})

    def _abandon(self) -> str | None:
        """Tell the request that is being answered, if there is one, that nobody waits any more; its id."""
        if not self._answering:
            return None
        self.cycle.disconnected = True
        self.cycle.message_event.set()
        request_id: str | None = self.cycle.scope.get("state", {}).get("request_id")
        return request_id

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _too_large(self, size: int) -> bool:
        self._header_bytes += size
        if self._header_bytes <= MAX_HEADER_BYTES or self.transport.is_closing():
            return False
        self._refusal = (431, "headers_too_large", f"the headers are larger than {MAX_HEADER_BYTES} bytes")
        return True

    def _headers_late(self) -> None:
        if self._answering:  # the next request's headers; they may take as long as this answer
            self._start_timer(self.header_timeout_s, self._headers_late)
        elif not self.transport.is_closing():
            self._refusal = (408, SlowRequestError.code, f"the headers did not arrive within {self.header_timeout_s:g} s")
            self.send_400_response("")

    def _start_timer(self, seconds: float, action: Any) -> None:  # noqa: ANN401  any function without arguments
        self._stop_timer()
        self._timer = self.loop.call_later(seconds, action)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

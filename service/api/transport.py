"""A connection that closes in stages (RFC 9112 9.6), so that a caller who is still sending gets to read why nobody listens."""

from __future__ import annotations

import asyncio
from typing import Any


class StagedTransport:
    """uvicorn's transport. While a request is unfinished, `close` only ends the answer; what still arrives is dropped for a while.

    Closing at once with bytes unread would make the kernel reset the connection, and the caller lose the answer.

    Parameters
    ----------
    transport
        The connection.
    seconds, limit
        How long and how many bytes after the end of the answer the connection is closed at the latest.
    """

    def __init__(self, transport: asyncio.Transport, seconds: float, limit: int) -> None:
        self.unfinished = False  # the protocol says so: more of a request is to come
        self.lingering = False
        self._transport = transport
        self._seconds = seconds
        self._left = limit
        self._timer: asyncio.TimerHandle | None = None

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  whatever else a transport can do
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send, unless the answer has ended."""
        if not self.lingering:
            self._transport.write(data)

    def is_closing(self) -> bool:
        """Whether nothing can be sent any more."""
        return self.lingering or self._transport.is_closing()

    def close(self) -> None:
        """Close, in stages where the caller is still sending; a second time, at once."""
        if self.unfinished and not self.is_closing():
            self.linger()
        else:
            self.stop()

    def linger(self) -> None:
        """End the answer; the connection follows when the caller closes it, or when time or bytes are used up."""
        if self.is_closing() or not self._transport.can_write_eof():  # TLS has no half-closed connection
            self._transport.close()
            return
        self.lingering = True
        self._transport.write_eof()
        if not self._transport.is_reading():
            self._transport.resume_reading()
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._transport.abort)

    def drop(self, size: int) -> None:
        """Count bytes that arrived after the end of the answer."""
        self._left -= size
        if self._left < 0:
            self._transport.abort()

    def stop(self) -> None:
        """Close now, and leave no timer behind."""
        self.unfinished = False
        if self._timer is not None:
            self._timer.cancel()
        self._transport.close()

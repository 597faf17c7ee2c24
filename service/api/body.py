"""The bytes of a request, as they arrive: bounded in size, and in the memory of all requests together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.requests import Request

from service.errors import (
    CallerLeftError,
    MalformedRequestError,
    OverloadedError,
    TooLargeRequestError,
    UnsupportedMediaTypeError,
)

PIECE_BYTES = 64 << 10  # passed on at once, at least
RETRY_AFTER_S = 2.0  # bodies leave memory when their study is decoded, in about that time


@dataclass(frozen=True)
class RequestLimits:
    """What one request may bring."""

    max_request_bytes: int
    max_metadata_bytes: int
    max_instances: int
    receive_timeout_s: float


class Budget:
    """Memory for the bodies of all requests together."""

    def __init__(self, limit: int) -> None:
        self.left = limit

    @contextmanager
    def lease(self) -> Iterator[Lease]:
        """Yield a lease; all that it has taken is given back at the end."""
        lease = Lease(self)
        try:
            yield lease
        finally:
            self.left += lease.taken


class Lease:
    """What one request has taken of the budget."""

    def __init__(self, budget: Budget) -> None:
        self.taken = 0
        self._budget = budget

    def check(self, size: int) -> None:
        """Raise OverloadedError where there is not that much left."""
        if size > self._budget.left:
            raise OverloadedError("the memory for request bodies is in use", retry_after_s=RETRY_AFTER_S, reason="bytes")

    def take(self, size: int) -> None:
        """Take so many bytes. Raises as `check` does."""
        self.check(size)
        self._budget.left -= size
        self.taken += size


async def chunks(request: Request, limits: RequestLimits, lease: Lease) -> AsyncIterator[bytes]:
    """The body in the pieces it arrives in; small ones are put together, so that a body never is many more objects than bytes.

    Raises
    ------
    MalformedRequestError, UnsupportedMediaTypeError, TooLargeRequestError
        From the headers where they tell, before anything is read; from the bytes where they do not.
    CallerLeftError, OverloadedError
        The caller closed the connection, or other requests hold the memory.
    """
    lease.check(_stated_bytes(request, limits.max_request_bytes))
    received, passed_on, more = 0, 0, True
    small: list[bytes] = []
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise CallerLeftError("the caller closed the connection while sending")
        chunk, more = message.get("body", b""), message.get("more_body", False)
        received += len(chunk)
        if received > limits.max_request_bytes:
            raise _too_large(limits.max_request_bytes)
        lease.take(len(chunk))
        small.append(chunk)
        if received - passed_on >= PIECE_BYTES or not more:
            passed_on = received
            yield b"".join(small)
            small.clear()


def _stated_bytes(request: Request, limit: int) -> int:
    """The length that the headers state; 0 where they do not, and an error where they cannot be believed."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        raise UnsupportedMediaTypeError("Content-Encoding is not supported", hint="Send the body uncompressed.")
    lengths = request.headers.getlist("content-length")
    if not lengths:
        return 0
    if len(lengths) > 1 or "transfer-encoding" in request.headers:
        raise MalformedRequestError("the length of the body is stated twice")
    if not (lengths[0].isascii() and lengths[0].isdigit()):
        raise MalformedRequestError("Content-Length is not a number of bytes")
    if len(lengths[0]) > 18 or int(lengths[0]) > limit:  # 18 digits are an exabyte; int() of thousands of digits is slow
        raise _too_large(limit)
    return int(lengths[0])


def _too_large(limit: int) -> TooLargeRequestError:
    return TooLargeRequestError(f"the body is larger than CHIASM_MAX_REQUEST_BYTES ({limit} bytes)")

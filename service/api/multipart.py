"""One bounded streaming parser for multipart/form-data (RFC 7578) and multipart/related (RFC 2387)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

from python_multipart.multipart import parse_options_header

from service.errors import MalformedRequestError, TooLargeRequestError

MAX_BOUNDARY = 70  # RFC 2046 5.1.1
MAX_PREAMBLE_BYTES = 8192
MAX_PADDING_BYTES = 128
MAX_HEADERS = 16
MAX_HEADER_BYTES = 16384  # of one part, together
CRLF = b"\r\n"
HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*", re.DOTALL)  # RFC 9110 5.1: a name is a token


@dataclass
class BodyPart:
    """One part of the body: the name it was sent as (form-data), what it says it is, and its bytes. File names are ignored."""

    name: str
    content_type: str
    data: bytes


class _Stream:
    """The bytes that have arrived and are not yet told apart."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._buffer = bytearray(CRLF)  # so that the first delimiter, too, follows the end of a line

    async def until(self, mark: bytes, limit: int | None = None) -> bytes:
        """What stands before `mark`; both are taken."""
        seen = 0
        while (end := self._buffer.find(mark, max(0, seen - len(mark) + 1))) < 0:
            seen = len(self._buffer)
            _check_length(seen - len(mark), limit)
            await self._receive()
        _check_length(end, limit)
        return self._take(end, len(mark))

    async def peek(self) -> bytes:
        """The two bytes that follow, which stay where they are."""
        while len(self._buffer) < len(CRLF):
            await self._receive()
        return bytes(self._buffer[: len(CRLF)])

    def put_back(self, data: bytes) -> None:
        """Let `data` be what comes next."""
        self._buffer[:0] = data

    async def rest(self) -> None:
        """Drop the epilogue."""
        async for _ in self._chunks:
            pass

    def _take(self, end: int, skipped: int) -> bytes:
        with memoryview(self._buffer) as view:
            taken = bytes(view[:end])
        del self._buffer[: end + skipped]
        return taken

    async def _receive(self) -> None:
        try:
            self._buffer += await anext(self._chunks)
        except StopAsyncIteration:
            raise MalformedRequestError("the multipart body ends before its final boundary") from None


async def parts(chunks: AsyncIterator[bytes], boundary: bytes, max_parts: int) -> list[BodyPart]:
    """The parts of a multipart body; preamble, transport padding and epilogue are ignored (RFC 2046 5.1.1).

    Raises
    ------
    MalformedRequestError
        No usable boundary, broken parts, or an end that is missing.
    TooLargeRequestError
        More than `max_parts`.
    """
    if not 1 <= len(boundary) <= MAX_BOUNDARY:
        raise MalformedRequestError("the Content-Type carries no boundary of 1 to 70 characters")
    stream, delimiter, found = _Stream(chunks), CRLF + b"--" + boundary, list[BodyPart]()
    await stream.until(delimiter, MAX_PREAMBLE_BYTES)
    while await _another(stream):
        if len(found) == max_parts:
            raise TooLargeRequestError(f"more than {max_parts} parts", hint="Send fewer files, or raise CHIASM_MAX_INSTANCES.")
        headers = _headers(await stream.until(CRLF + CRLF, MAX_HEADER_BYTES))
        found.append(_part(headers, await stream.until(delimiter)))
    await stream.rest()
    return found


async def _another(stream: _Stream) -> bool:
    """Whether the delimiter that was just taken opens a part, or ends the last one."""
    if await stream.peek() == b"--":
        return False
    if (await stream.until(CRLF, MAX_PADDING_BYTES)).strip(b" \t"):
        raise MalformedRequestError("a multipart boundary is followed by something else than the end of its line")
    stream.put_back(CRLF)  # a part without headers begins with the empty line
    return True


def _headers(block: bytes) -> dict[bytes, bytes]:
    """Lower-case name -> value, of lines that each begin with their CRLF."""
    matches = [HEADER.fullmatch(line) for line in block.split(CRLF)[1:]]
    if len(matches) > MAX_HEADERS or not all(matches):
        raise MalformedRequestError("a part of the multipart body has too many headers, or one that is not well formed")
    return {match[1].lower(): match[2] for match in matches if match}


def _part(headers: dict[bytes, bytes], data: bytes) -> BodyPart:
    _, options = parse_options_header(headers.get(b"content-disposition"))
    kind, _ = parse_options_header(headers.get(b"content-type"))
    return BodyPart(options.get(b"name", b"").decode("utf-8", "replace"), kind.decode("latin-1").lower(), data)


def _check_length(length: int, limit: int | None) -> None:
    if limit is not None and length > limit:
        raise MalformedRequestError("the multipart body has a preamble, headers or a boundary line that are too long")

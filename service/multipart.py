"""One bounded parser of multipart bodies (RFC 2046 5.1), for requests and answers alike: bytes in, parts out, piece by piece.

It neither waits nor reads: who has bytes feeds them, and gets what they complete. A part is its headers and then its bytes, in as many
pieces as it came, so that no part has to fit into memory.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator

from service.errors import MalformedRequestError

MAX_BOUNDARY = 128  # RFC 2046 5.1.1 allows 70, and Orthanc sends 73
MAX_PREAMBLE_BYTES = 8192
MAX_PADDING_BYTES = 128
MAX_HEADERS = 16
MAX_HEADER_BYTES = 16384  # of one part, together
CRLF = b"\r\n"
HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*", re.DOTALL)  # RFC 9110 5.1: a name is a token

Headers = dict[bytes, bytes]  # lower-case name -> value: a part begins
Event = Headers | bytes  # bytes: more of the part that has begun
_Steps = Generator[Event | None, None, None]  # None: more bytes are needed
_Bytes = Generator[None, None, bytes]


class Multipart:
    """The parts of one body; preamble, transport padding and epilogue are dropped (RFC 2046 5.1.1).

    Raises MalformedRequestError, here or while it is fed: no usable boundary, broken parts, or an end that is missing.
    """

    def __init__(self, boundary: bytes) -> None:
        if not 1 <= len(boundary) <= MAX_BOUNDARY:
            raise MalformedRequestError(f"the Content-Type carries no boundary of 1 to {MAX_BOUNDARY} characters")
        self.complete = False  # the final boundary has come
        self._delimiter = CRLF + b"--" + boundary
        self._buffer = bytearray(CRLF)  # so that the first delimiter, too, follows the end of a line
        self._steps = self._parse()

    def feed(self, data: bytes) -> Iterator[Event]:
        """Take bytes, and yield what they complete; the iteration has to be exhausted."""
        self._buffer += data
        for event in self._steps:
            if event is None:
                return
            yield event

    def end(self) -> None:
        """Say that no more bytes come."""
        if not self.complete:
            raise MalformedRequestError("the multipart body ends before its final boundary")

    def _parse(self) -> _Steps:
        yield from self._until(self._delimiter, MAX_PREAMBLE_BYTES)
        while (yield from self._another()):
            yield _headers((yield from self._until(CRLF + CRLF, MAX_HEADER_BYTES)))
            yield from self._content()
        self.complete = True
        while True:
            self._buffer.clear()
            yield None

    def _content(self) -> _Steps:
        while (end := self._buffer.find(self._delimiter)) < 0:
            if (safe := len(self._buffer) - len(self._delimiter) + 1) > 0:  # what stands behind may be the beginning of a delimiter
                yield self._take(safe)
            yield None
        if end:
            yield self._take(end)
        self._take(len(self._delimiter))

    def _until(self, mark: bytes, limit: int) -> _Bytes:
        """What stands before `mark`; both are taken."""
        while (end := self._buffer.find(mark)) < 0:
            _check_length(len(self._buffer) - len(mark), limit)
            yield None
        _check_length(end, limit)
        found = self._take(end)
        self._take(len(mark))
        return found

    def _another(self) -> Generator[None, None, bool]:
        """Whether the delimiter that was just taken opens a part, or ends the last one."""
        while len(self._buffer) < len(CRLF):
            yield None
        if self._buffer.startswith(b"--"):
            return False
        if (yield from self._until(CRLF, MAX_PADDING_BYTES)).strip(b" \t"):
            raise MalformedRequestError("a multipart boundary is followed by something else than the end of its line")
        self._buffer[:0] = CRLF  # a part without headers begins with the empty line
        return True

    def _take(self, size: int) -> bytes:
        with memoryview(self._buffer) as view:
            taken = bytes(view[:size])
        del self._buffer[:size]
        return taken


def _headers(block: bytes) -> Headers:
    """Of lines that each begin with their CRLF."""
    matches = [HEADER.fullmatch(line) for line in block.split(CRLF)[1:]]
    if len(matches) > MAX_HEADERS or not all(matches):
        raise MalformedRequestError("a part of the multipart body has too many headers, or one that is not well formed")
    return {match[1].lower(): match[2] for match in matches if match}


def _check_length(length: int, limit: int) -> None:
    if length > limit:
        raise MalformedRequestError("the multipart body has a preamble, headers or a boundary line that are too long")

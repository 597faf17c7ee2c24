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
        self._buffer, self._at = CRLF, 0  # so that the first delimiter, too, follows the end of a line; what lies before `_at` is taken
        self._steps = self._parse()

    def feed(self, data: bytes) -> Iterator[Event]:
        """Take bytes, and yield what they complete; the iteration has to be exhausted."""
        self._buffer = self._buffer[self._at :] + data
        self._at = 0
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
            self._at = len(self._buffer)
            yield None

    def _content(self) -> _Steps:
        while (end := self._buffer.find(self._delimiter, self._at)) < 0:
            if more := self._take(self._certain()):
                yield more
            yield None
        if more := self._take(end):
            yield more
        self._at += len(self._delimiter)

    def _certain(self) -> int:
        """Where the content ends that cannot be the beginning of a delimiter."""
        end = max(self._at, len(self._buffer) - len(self._delimiter) + 1)
        while (end := self._buffer.find(CRLF[:1], end)) >= 0 and not self._delimiter.startswith(self._buffer[end:]):
            end += 1
        return len(self._buffer) if end < 0 else end

    def _until(self, mark: bytes, limit: int) -> _Bytes:
        """What stands before `mark`; both are taken."""
        while (end := self._buffer.find(mark, self._at)) < 0:
            _check_length(len(self._buffer) - self._at - len(mark), limit)
            yield None
        _check_length(end - self._at, limit)
        found = self._take(end)
        self._at += len(mark)
        return found

    def _another(self) -> Generator[None, None, bool]:
        """Whether the delimiter that was just taken opens a part, or ends the last one."""
        while len(self._buffer) - self._at < len(CRLF):
            yield None
        if self._buffer.startswith(b"--", self._at):
            return False
        if (yield from self._until(CRLF, MAX_PADDING_BYTES)).strip(b" \t"):
            raise MalformedRequestError("a multipart boundary is followed by something else than the end of its line")
        self._at -= len(CRLF)  # that has just been taken: a part without headers begins with the empty line
        return True

    def _take(self, end: int) -> bytes:
        """What stands before `end`; no copy where that is all that came."""
        taken, self._at = self._buffer[self._at : end], end
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

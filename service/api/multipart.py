"""One bounded streaming parser for multipart/form-data (RFC 7578) and multipart/related (RFC 2387)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from service.errors import MalformedRequestError, TooLargeRequestError

MAX_BOUNDARY = 70  # RFC 2046 5.1.1
MAX_HEADERS = 16
MAX_HEADER_BYTES = 8192


@dataclass
class BodyPart:
    """One part of the body: the name it was sent as (form-data), what it says it is, and its bytes. File names are ignored."""

    name: str
    content_type: str
    data: bytes


@dataclass
class _Open:
    """The part that is being received."""

    headers: dict[bytes, bytes] = field(default_factory=dict)
    pieces: list[bytes] = field(default_factory=list)


class _Collector:
    """Receives the parser's callbacks."""

    def __init__(self, boundary: bytes, max_parts: int) -> None:
        self.parts: list[BodyPart] = []
        self.complete = False
        self._max_parts = max_parts
        self._part = _Open()
        self._field = b""
        self._value = b""
        self.parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin, "on_header_field": self._on_field, "on_header_value": self._on_value,
                "on_header_end": self._header, "on_part_data": self._data, "on_part_end": self._end, "on_end": self._finish,
            },
            max_header_count=MAX_HEADERS,
            max_header_size=MAX_HEADER_BYTES,
        )

    def _begin(self) -> None:
        if len(self.parts) == self._max_parts:
            raise TooLargeRequestError(f"more than {self._max_parts} parts", hint="Send fewer files, or raise CHIASM_MAX_INSTANCES.")
        self._part = _Open()

    def _on_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header(self) -> None:
        self._part.headers[self._field.lower()] = self._value
        self._field = self._value = b""

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._part.pieces.append(data[start:end])

    def _end(self) -> None:
        _, options = parse_options_header(self._part.headers.get(b"content-disposition"))
        kind, _ = parse_options_header(self._part.headers.get(b"content-type"))
        name = options.get(b"name", b"").decode("utf-8", "replace")
        self.parts.append(BodyPart(name, kind.decode("latin-1").lower(), b"".join(self._part.pieces)))

    def _finish(self) -> None:
        self.complete = True


async def parts(chunks: AsyncIterator[bytes], boundary: bytes, max_parts: int) -> list[BodyPart]:
    """The parts of a multipart body.

    Raises
    ------
    MalformedRequestError
        No usable boundary, broken parts, or an end that is missing.
    TooLargeRequestError
        More than `max_parts`.
    """
    if not 1 <= len(boundary) <= MAX_BOUNDARY:
        raise MalformedRequestError("the Content-Type carries no boundary of 1 to 70 characters")
    collector = _Collector(boundary, max_parts)
    try:
        async for chunk in chunks:
            collector.parser.write(chunk)
    except FormParserError:
        raise MalformedRequestError("the multipart body is not well formed") from None
    if not collector.complete:
        raise MalformedRequestError("the multipart body ends before its final boundary")
    return collector.parts

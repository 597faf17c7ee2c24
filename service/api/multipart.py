"""The parts of a request body: multipart/form-data (RFC 7578) and multipart/related (RFC 2387)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from python_multipart.multipart import parse_options_header

from service.errors import TooLargeRequestError
from service.multipart import Headers, Multipart


@dataclass
class BodyPart:
    """One part of the body: the name it was sent as (form-data), what it says it is, and its bytes as they came. File names are ignored."""

    name: str
    content_type: str
    pieces: list[bytes]

    @property
    def data(self) -> bytes:
        """All of them, in one piece."""
        return b"".join(self.pieces)


async def parts(chunks: AsyncIterator[bytes], boundary: bytes, max_parts: int) -> list[BodyPart]:
    """The parts of a multipart body.

    Raises
    ------
    MalformedRequestError
        No usable boundary, broken parts, or an end that is missing.
    TooLargeRequestError
        More than `max_parts`.
    """
    multipart, found = Multipart(boundary), list[tuple[Headers, list[bytes]]]()
    async for chunk in chunks:
        for event in multipart.feed(chunk):
            if isinstance(event, bytes):
                found[-1][1].append(event)
            elif len(found) == max_parts:
                raise TooLargeRequestError(f"more than {max_parts} parts", hint="Send fewer files, or raise CHIASM_MAX_INSTANCES.")
            else:
                found.append((event, []))
    multipart.end()
    return [_part(headers, pieces) for headers, pieces in found]


def _part(headers: Headers, pieces: list[bytes]) -> BodyPart:
    _, options = parse_options_header(headers.get(b"content-disposition"))
    kind, _ = parse_options_header(headers.get(b"content-type"))
    return BodyPart(options.get(b"name", b"").decode("utf-8", "replace"), kind.decode("latin-1").lower(), pieces)

"""PNG (ISO/IEC 15948): the header, and whether the compressed scanlines are all there.

Pillow fills the rows that a short stream leaves out with black and does not compare checksums; here the stream is inflated once,
piece by piece into nothing, and counted.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from models.errors import UnreadableImageError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # 11.2.2, colour type -> samples per pixel
ADAM7 = ((0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1))  # 8.2: row, step, column, step
PIECE_IN, PIECE_OUT = 1 << 14, 1 << 20  # bytes: small in, since what a piece leaves over is copied; bounded out, since it may be a bomb


@dataclass(frozen=True)
class PngHeader:
    """IHDR (11.2.2)."""

    rows: int
    columns: int
    depth: int
    colour_type: int
    interlaced: bool

    @property
    def stream_length(self) -> int:
        """Bytes of all scanlines, each behind its filter type (7.2, 8.2)."""
        bits = self.depth * CHANNELS[self.colour_type]
        passes = ADAM7 if self.interlaced else ((0, 1, 0, 1),)
        sizes = ((len(range(top, self.rows, down)), len(range(left, self.columns, right))) for top, down, left, right in passes)
        return sum(rows * (1 + (columns * bits + 7) // 8) for rows, columns in sizes if columns)


def png_header(data: bytes) -> PngHeader:
    """Read IHDR, which comes first; UnreadableImageError where it does not, or is invalid."""
    if len(data) < 33 or data[12:16] != b"IHDR" or data[25] not in CHANNELS or data[28] > 1:
        raise UnreadableImageError("The PNG has no valid IHDR chunk.")
    rows, columns = int.from_bytes(data[20:24]), int.from_bytes(data[16:20])
    return PngHeader(rows, columns, depth=data[24], colour_type=data[25], interlaced=data[28] == 1)


def check_stream(data: bytes, header: PngHeader) -> None:
    """See that the image data is undamaged and inflates to all scanlines; UnreadableImageError where it is or does not.

    No more is inflated than the header announces, and a piece at a time.
    """
    inflater, left = zlib.decompressobj(), header.stream_length
    for piece in _image_data(data):
        rest: bytes | memoryview = piece
        while rest and left > 0 and not inflater.eof:
            left -= len(inflater.decompress(rest, min(PIECE_OUT, left)))
            rest = inflater.unconsumed_tail
    if left > 0:
        raise UnreadableImageError("The PNG is truncated: its image data ends before its last row.")


def _image_data(data: bytes) -> Iterator[memoryview]:
    """The bodies of the IDAT chunks (5.3) in pieces, each chunk after its checksum was compared (5.5)."""
    view, position = memoryview(data), len(SIGNATURE)
    while position + 12 <= len(data):
        end = position + 8 + int.from_bytes(view[position : position + 4])
        if data[position + 4 : position + 8] == b"IDAT":
            if zlib.crc32(view[position + 4 : end]) != int.from_bytes(view[end : end + 4]):
                raise UnreadableImageError("The PNG is damaged: a checksum of its image data is wrong.")
            yield from (view[start : min(start + PIECE_IN, end)] for start in range(position + 8, end, PIECE_IN))
        position = end + 4

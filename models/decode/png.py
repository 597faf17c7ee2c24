"""PNG (ISO/IEC 15948): the header, whether the compressed scanlines are all there, and the samples of a grey picture.

Pillow fills the rows that a short stream leaves out with black and does not compare checksums; here the stream is inflated once,
piece by piece, and counted. What is grey is read here; what comes in colours, with a palette or interlaced is read by Pillow.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from imagecodecs import png_decode
from isal import isal_zlib
from numpy.typing import NDArray

from models.errors import UnreadableImageError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # 11.2.2, colour type -> samples per pixel
ADAM7 = ((0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1))  # 8.2: row, step, column, step
UNFILTERED = b"\0"
BAND_BYTES = 1 << 17  # of scanlines that are unfiltered at once: they stay in the cache
PIECE_IN, PIECE_OUT = 1 << 14, 1 << 17  # bytes: small in, since what a piece leaves over is copied; bounded out, since it may be a bomb


@dataclass(frozen=True)
class PngHeader:
    """IHDR (11.2.2)."""

    rows: int
    columns: int
    depth: int
    colour_type: int
    interlaced: bool

    @property
    def plain(self) -> bool:
        """Whether it is one that `grey_samples` reads."""
        return self.colour_type == 0 and self.depth in {8, 16} and not self.interlaced

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
    """See that the image data is undamaged and inflates to all scanlines; UnreadableImageError where it is or does not."""
    for _ in _inflated(data, header):
        pass


def grey_samples(data: bytes, header: PngHeader) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """The samples of a plain picture, (rows, columns); errors are those of `check_stream`.

    ISA-L inflates it three times faster than libpng does. The scanlines go on to libpng, a band at a time and stored instead of
    deflated, to have their filters undone (clause 9); the band before leaves its last row, which the first filter may refer to.
    """
    samples = np.zeros((header.rows, header.columns), np.uint8 if header.depth == 8 else np.uint16)
    stride, row, waiting = 1 + header.columns * header.depth // 8, 0, bytearray()
    for piece in _inflated(data, header):
        waiting += piece
        complete = len(waiting) // stride
        if complete * stride >= BAND_BYTES or row + complete == header.rows:
            before = samples[row - 1] if row else samples[0]  # the row before the first counts as zeros
            samples[row : row + complete] = _unfiltered(before, waiting[: complete * stride], header)
            row += complete
            del waiting[: complete * stride]
    return samples


def _unfiltered(before: NDArray[np.unsignedinteger], lines: bytearray, header: PngHeader) -> NDArray[np.unsignedinteger]:
    """The samples of scanlines that follow a row."""
    first = UNFILTERED + before.astype(f">u{before.itemsize}").tobytes()
    count = 1 + len(lines) // len(first)
    ihdr = struct.pack(">2I5B", header.columns, count, header.depth, 0, 0, 0, 0)
    stored = zlib.compress(first + lines, 0)
    rows: NDArray[np.unsignedinteger] = png_decode(SIGNATURE + _chunk(b"IHDR", ihdr) + _chunk(b"IDAT", stored) + _chunk(b"IEND", b""))
    return rows[1:]


def _chunk(kind: bytes, body: bytes) -> bytes:
    """One chunk: its length, its kind, its body and their checksum (5.3)."""
    return len(body).to_bytes(4) + kind + body + isal_zlib.crc32(kind + body).to_bytes(4)


def _inflated(data: bytes, header: PngHeader) -> Iterator[bytes]:
    """The scanlines in pieces, no more of them than the header announces."""
    inflater, left = isal_zlib.decompressobj(), header.stream_length
    for piece in _image_data(data):
        rest: bytes | memoryview = piece
        full = False
        while left > 0 and not inflater.eof and (rest or full):  # a full piece may have more behind it
            room = min(PIECE_OUT, left)
            out = inflater.decompress(rest, room)
            rest, full = inflater.unconsumed_tail, len(out) == room
            left -= len(out)
            yield out
    if left > 0:
        raise UnreadableImageError("The PNG is truncated: its image data ends before its last row.")


def _image_data(data: bytes) -> Iterator[memoryview]:
    """The bodies of the IDAT chunks (5.3) in pieces, each chunk after its checksum was compared (5.5)."""
    view, position = memoryview(data), len(SIGNATURE)
    while position + 12 <= len(data):
        end = position + 8 + int.from_bytes(view[position : position + 4])
        if data[position + 4 : position + 8] == b"IDAT":
            if isal_zlib.crc32(view[position + 4 : end]) != int.from_bytes(view[end : end + 4]):
                raise UnreadableImageError("The PNG is damaged: a checksum of its image data is wrong.")
            yield from (view[start : min(start + PIECE_IN, end)] for start in range(position + 8, end, PIECE_IN))
        position = end + 4

"""What a compressed frame says of itself, read before it is decoded: dimensions, precision, and whether its end is there.

A decoder allocates what a codestream claims, and some return a half-grey picture for half a codestream; both are found here.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from models.errors import UnreadableImageError

SOI, EOI = b"\xff\xd8", b"\xff\xd9"
SOS, SOF55 = 0xDA, 0xF7
# ITU-T T.81 table B.1: start of frame markers; C4, C8 and CC are tables and extensions. F7 is JPEG-LS (ITU-T T.87).
STARTS_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {SOF55}
WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
MAX_SCANS = 100  # progressive encoders write about ten; thousands of scans are an attack on the decoder's time

BROKEN = "The compressed pixel data is not a valid codestream."
CUT = "The compressed pixel data is truncated: its end marker is missing."


@dataclass(frozen=True)
class Codestream:
    """What the header of a codestream claims."""

    rows: int
    columns: int
    samples: int
    precision: int
    signed: bool
    process: int = 0  # JPEG: the second byte of the start of frame marker


def probe_jpeg(data: bytes) -> Codestream:
    """Read the frame header of JPEG (ITU-T T.81 B.2.2) or JPEG-LS (T.87 C.2.2), and see that the image ends.

    Raises UnreadableImageError for a broken or truncated codestream.
    """
    frame, scan = _jpeg_frame(data)
    if data.rfind(EOI) < scan:
        raise UnreadableImageError(CUT)
    if data.count(bytes((0xFF, SOS)), scan - 2) > MAX_SCANS:
        raise UnreadableImageError("The JPEG image has too many scans.")
    return frame


def _jpeg_frame(data: bytes) -> tuple[Codestream, int]:
    """Return the frame header, and where the first scan begins."""
    if data[:2] != SOI:
        raise UnreadableImageError(BROKEN)
    frame = None
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == SOS and frame:
            return frame, position + 2
        if marker == 0xFF or marker in WITHOUT_LENGTH:  # fill bytes, restart markers
            position += 1 if marker == 0xFF else 2
            continue
        if marker in STARTS_OF_FRAME:
            frame = _frame_header(data, position)
        position += 2 + int.from_bytes(data[position + 2 : position + 4])
    raise UnreadableImageError(CUT if position >= len(data) else BROKEN)


def _frame_header(data: bytes, position: int) -> Codestream:
    if position + 10 > len(data):
        raise UnreadableImageError(CUT)
    precision, rows, columns, samples = struct.unpack_from(">BHHB", data, position + 4)
    return Codestream(rows, columns, samples, precision, signed=False, process=data[position + 1])


def probe_jpeg2000(data: bytes) -> Codestream:
    """Read the SIZ marker segment of a JPEG 2000 or HTJ2K codestream (ITU-T T.800 A.5.1).

    Raises UnreadableImageError for a broken codestream. OpenJPEG itself refuses truncated ones.
    """
    if data[:4] != b"\xff\x4f\xff\x51" or len(data) < 49:
        raise UnreadableImageError(BROKEN)
    right, bottom, left, top = struct.unpack_from(">4I", data, 8)
    samples, depth = struct.unpack_from(">HB", data, 40)
    return Codestream(bottom - top, right - left, samples, (depth & 0x7F) + 1, signed=bool(depth & 0x80))


def probe_rle(data: bytes) -> Codestream:
    """Read the header of an RLE frame (PS3.5 G.5): one segment per byte of a pixel. It does not say rows and columns.

    Raises UnreadableImageError where the segments do not lie one behind another in the frame.
    """
    if len(data) < 64:
        raise UnreadableImageError(CUT)
    count, *offsets = struct.unpack_from("<16I", data)
    used = offsets[:count]
    if not 1 <= count <= 15 or used[0] != 64 or used != sorted(set(used)) or used[-1] >= len(data):
        raise UnreadableImageError("The RLE header does not fit the pixel data.")
    return Codestream(0, 0, 1, 8 * count, signed=False)

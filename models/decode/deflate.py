"""Deflated data sets (PS3.5 A.5, RFC 1951), inflated no further than an image within the limits could need."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from isal import isal_zlib

from models.errors import TooLargeError, UnreadableImageError

if TYPE_CHECKING:
    from models.decode.image import Limits

RAW = -isal_zlib.MAX_WBITS  # without a zlib header
PIECE_IN, PIECE_OUT = 1 << 14, 1 << 17  # bytes: small in, since what a piece leaves over is copied; bounded out, since it may be a bomb
HEADER_BYTES = 4 << 20  # of everything but pixels; a ratio is no sign of anything before that


def inflate(deflated: memoryview, limits: Limits) -> bytearray:
    """Inflate a whole data set; errors are those of `pieces`."""
    inflated = bytearray()
    for piece in pieces(deflated, limits):
        inflated += piece
    return inflated


def pieces(deflated: memoryview, limits: Limits) -> Iterator[bytes]:
    """A data set, inflated no further than it is asked for.

    Raises TooLargeError where it becomes longer than 16-bit pixels within the limits, or expands as no image does;
    UnreadableImageError where it is broken or cut.
    """
    inflater, inflated = isal_zlib.decompressobj(RAW), 0
    try:
        for start in range(0, len(deflated), PIECE_IN):
            rest: bytes | memoryview = deflated[start : start + PIECE_IN]
            piece = bytes(PIECE_OUT)
            while not inflater.eof and (rest or len(piece) == PIECE_OUT):  # a full piece may have more behind it
                piece = inflater.decompress(rest, PIECE_OUT)
                rest = inflater.unconsumed_tail
                inflated += len(piece)
                _check(inflated, start + PIECE_IN, limits)
                if start + PIECE_IN < len(deflated) or inflater.eof or rest or len(piece) == PIECE_OUT:  # else it is cut
                    yield piece
    except isal_zlib.error:  # type: ignore[misc]  # its stub says it is an instance
        raise UnreadableImageError("The deflated data set is broken.") from None
    if not inflater.eof:
        raise UnreadableImageError("The DICOM file is truncated: its deflated data set does not end.")


def _check(inflated: int, consumed: int, limits: Limits) -> None:
    if inflated > HEADER_BYTES + 2 * limits.max_pixels:
        raise TooLargeError("The deflated data set holds more than max_pixels.")
    if inflated > HEADER_BYTES and inflated > limits.max_inflation * consumed:
        raise TooLargeError("The deflated data set expands more than max_inflation.")

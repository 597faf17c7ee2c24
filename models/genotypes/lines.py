"""The lines of a text that comes plain, gzipped or bgzipped (SAM specification 4.1), never more of it in memory than a piece and a line."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from models.errors import TooLargeError, UnreadableGenotypesError

GZIP = b"\x1f\x8b"
GZIP_WRAPPER = 16 + zlib.MAX_WBITS
MAX_TEXT_BYTES = 512 << 20  # a chip's 700,000 calls with their annotations are 100 MB
MAX_LINES = 10_000_000
MAX_LINE_BYTES = 16 << 20  # the one line of a .raw file, or a header that quotes a command
PIECE_IN, PIECE_OUT = 64 << 10, 1 << 20  # bytes: what is inflated at once may be a bomb
BGZF_FIELD = b"BC\x02\x00"  # the extra field of every block
BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")  # an empty block: without it the file was cut


def lines_of(data: bytes, max_text_bytes: int = MAX_TEXT_BYTES) -> Iterator[bytes]:
    """The lines without their ends (LF or CR LF).

    Raises TooLargeError over a limit, UnreadableGenotypesError where the compressed file is broken or cut.
    """
    count, rest = 0, b""
    for piece in _pieces(data, max_text_bytes):
        *whole, rest = (rest + piece).split(b"\n")
        count += len(whole)
        if count > MAX_LINES or len(rest) > MAX_LINE_BYTES:
            raise TooLargeError(f"The genotype file has more than {MAX_LINES} lines, or one of more than {MAX_LINE_BYTES >> 20} MiB.")
        for line in whole:
            yield line.removesuffix(b"\r")
    if rest:
        yield rest.removesuffix(b"\r")


def beginning_of(data: bytes, length: int = 64) -> bytes:
    """The first bytes of the text; empty where they cannot be inflated."""
    if not data.startswith(GZIP):
        return data[:length]
    try:
        return zlib.decompressobj(GZIP_WRAPPER).decompress(data[:PIECE_IN], length)
    except zlib.error:
        return b""


def _pieces(data: bytes, limit: int) -> Iterator[bytes]:
    total = 0
    for piece in _inflated(data) if data.startswith(GZIP) else _cut(data):
        total += len(piece)
        if total > limit:
            raise TooLargeError(f"The genotype file holds more than {limit >> 20} MiB of text.")
        yield piece


def _cut(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), PIECE_OUT):
        yield data[start : start + PIECE_OUT]


def _inflated(data: bytes) -> Iterator[bytes]:
    """All members of a gzip file (RFC 1952 2.2): bgzip makes one of every 64 KiB."""
    if data[12:16] == BGZF_FIELD and not data.endswith(BGZF_END):
        raise UnreadableGenotypesError("The bgzipped genotype file is truncated: its last block is missing.")
    inflater, view = zlib.decompressobj(GZIP_WRAPPER), memoryview(data)
    for start in range(0, len(data), PIECE_IN):
        rest: bytes | memoryview = view[start : start + PIECE_IN]
        piece = bytes(PIECE_OUT)
        while rest or len(piece) == PIECE_OUT:  # a full piece may have more behind it
            if inflater.eof:
                inflater = zlib.decompressobj(GZIP_WRAPPER)
            piece = inflater.decompress(rest, PIECE_OUT)
            rest = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
            yield piece
    if not inflater.eof:
        raise UnreadableGenotypesError("The gzipped genotype file is truncated.")

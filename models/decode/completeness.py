"""Whether a JPEG codestream holds its whole image (ITU-T T.81), where its decoder does not tell.

libjpeg, and all that is made of it, fills what is missing with grey, with black or with zero bits, and says so on stderr at most. A file
that was cut and got its end marker back, as some gateways do, is then half a radiograph with nothing wrong about it. For 8-bit JPEG the
decoder's warnings are asked for; those for more bits have none.

A lossless codestream must end with the code of the last samples that were decoded. Any other, and one whose end is doubtful, is decoded
again with further bits before each marker: where a scan is complete, no decoder looks at them, and where it is not, they become pixels.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.decode.codestream import CUT, EOI, SOF55, SOS, Codestream
from models.errors import UnreadableImageError

Samples = NDArray[np.unsignedinteger]
PROGRESSIVE, LOSSLESS = 0xC2, 0xC3  # start of frame markers, table B.1
DHT, DRI = 0xC4, 0xDD
TAIL_SAMPLES = 32
TAIL_BYTES = 2 * (2 + 2) * TAIL_SAMPLES  # 16 bits of code and 16 more for each, every byte of them stuffed
FURTHER_BITS = b"\xa5\x5a\x3c" * 40  # unlike the zero bits that decoders make up, and no marker
MARKER = re.compile(rb"\xff[^\x00\xff]")  # in entropy-coded data (B.1.1.5)


@dataclass(frozen=True)
class _Segment:
    """A marker segment: its marker, and its parameters without their length."""

    marker: int
    body: bytes


def check_complete(frame: bytes, said: Codestream, samples: Samples, decode: Callable[[bytes], Samples]) -> None:
    """See that nothing is missing of a lossless JPEG, or one of more than 8 bits; `samples` (rows, columns) is what `decode` made of it.

    Raises UnreadableImageError where a scan ends before its last sample.
    """
    if said.process != LOSSLESS and (said.process in {0, SOF55} or said.precision <= 8):
        return
    pieces = list(_pieces(frame))
    intervals = any(isinstance(piece, _Segment) and piece.marker == DRI for piece in pieces)  # each of them may lack its end
    if said.process == LOSSLESS and not intervals and _ends_with_last_samples(pieces, samples):
        return
    if decode(_with_further_bits(frame)).tobytes() != samples.tobytes():
        raise UnreadableImageError(CUT)


def check_scans(data: bytes) -> None:
    """See that a progressive JPEG has all its scans (G.1.1.1): each coefficient of each component comes to its last bit.

    Raises UnreadableImageError where one does not: the picture would be there, but blurred.
    """
    missing: set[tuple[int, int]] = set()
    for segment in (piece for piece in _pieces(data) if isinstance(piece, _Segment)):
        if segment.marker == PROGRESSIVE:
            missing = {(component, k) for component in segment.body[6::3] for k in range(64)}
        elif segment.marker == SOS and segment.body and len(segment.body) >= 4 + 2 * segment.body[0]:
            count = segment.body[0]
            start, end, bits = segment.body[1 + 2 * count : 4 + 2 * count]
            if bits & 15 == 0:
                missing -= {(component, k) for component in segment.body[1 : 1 + 2 * count : 2] for k in range(start, min(end, 63) + 1)}
    if missing:
        raise UnreadableImageError("The JPEG is truncated: scans are missing.")


def _ends_with_last_samples(pieces: list[_Segment | bytes], samples: Samples) -> bool:
    """H.1.2: whether the entropy-coded bits end with those of the last samples, but for less than a byte of padding."""
    segments = [piece for piece in pieces if isinstance(piece, _Segment)]
    scans = [segment.body for segment in segments if segment.marker == SOS]
    if len(scans) != 1 or len(scans[0]) != 6 or len(samples) < 2:
        return False
    _, _, tables, predictor, _, shift = scans[0]
    expected = _code_of_last_samples(samples, _huffman_codes(segments, tables >> 4), predictor, shift & 15)
    coded = b"".join(piece for piece in pieces if isinstance(piece, bytes))
    tail = coded.rstrip(b"\xff")[-TAIL_BYTES:].replace(b"\xff\x00", b"\xff")
    bits = "".join(f"{byte:08b}" for byte in tail)
    return bool(expected) and any(bits[: len(bits) - padding].endswith(expected) for padding in range(8))


def _code_of_last_samples(samples: Samples, codes: dict[int, str], predictor: int, shift: int) -> str:
    """The bits of the last samples of the last row, predicted from their neighbours (H.1.2.1); none where the table has no code."""
    above, row = ((line >> shift).tolist() for line in samples[-2:, -TAIL_SAMPLES - 1 :])
    bits = []
    for x in range(1, len(row)):
        a, b, c = row[x - 1], above[x], above[x - 1]
        guess = (0, a, b, c, a + b - c, a + (b - c >> 1), b + (a - c >> 1), a + b >> 1)[predictor & 7]
        difference = (row[x] - guess + 32767) % 65536 - 32767
        category = abs(difference).bit_length()
        if category not in codes:
            return ""
        rest = (difference if difference > 0 else difference - 1) & (1 << category) - 1
        bits.append(codes[category] + (f"{rest:0{category}b}" if 0 < category < 16 else ""))
    return "".join(bits)


def _huffman_codes(segments: list[_Segment], table: int) -> dict[int, str]:
    """Annex C: symbol -> code, of the last definition of a table."""
    codes: dict[int, str] = {}
    definitions = b"".join(segment.body for segment in segments if segment.marker == DHT)
    while len(definitions) >= 17:
        size = 17 + sum(definitions[1:17])
        if definitions[0] == table:
            codes = dict(_codes(definitions[1:17], definitions[17:size]))
        definitions = definitions[size:]
    return codes


def _codes(counts: bytes, symbols: bytes) -> Iterator[tuple[int, str]]:
    code, rest = 0, iter(symbols)
    for length, count in enumerate(counts, 1):
        for _, symbol in zip(range(count), rest, strict=False):
            yield symbol, f"{code:0{length}b}"
            code += 1
        code <<= 1


def _with_further_bits(frame: bytes) -> bytes:
    """The same codestream with more entropy-coded data before every marker that ends some."""
    out = [frame[:2]]
    for piece in _pieces(frame):
        if isinstance(piece, bytes):
            out += [piece.rstrip(b"\xff"), FURTHER_BITS]  # without fill bytes
        elif piece.body or piece.marker == SOS:
            out.append(bytes((0xFF, piece.marker)) + (len(piece.body) + 2).to_bytes(2) + piece.body)
        else:
            out.append(bytes((0xFF, piece.marker)))
    return b"".join([*out, EOI])


def _pieces(frame: bytes) -> Iterator[_Segment | bytes]:
    """Marker segments and entropy-coded data in their order, from behind SOI to EOI; a restart marker is a segment without parameters."""
    position = 2
    while position + 2 <= len(frame):
        marker = frame[position + 1]
        if frame[position] != 0xFF or marker == EOI[1]:
            return
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        restart = 0xD0 <= marker <= 0xD7
        length = 0 if restart else int.from_bytes(frame[position + 2 : position + 4])
        yield _Segment(marker, frame[position + 4 : position + 2 + length])
        position += 2 + length
        if restart or marker == SOS:
            found = MARKER.search(frame, position)
            end = found.start() if found else len(frame)
            yield frame[position:end]
            position = end

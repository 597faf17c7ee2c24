"""A mutator that knows DICOM: it damages tags, lengths, value representations, fragments and codestreams where they stand.

Plain mutation of bytes seldom gets past the first length. This one finds the elements of a file as far as it can be walked, and
changes one thing that the standard gives a meaning; for a PNG it makes the checksums right again, for a deflated data set it
mutates what was deflated.
"""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable
from typing import NamedTuple

from models.decode.codecs import SYNTAXES
from models.decode.dataset import LONG_VRS, VRS
from models.decode.tags import Tag

LENGTHS = (0, 1, 2, 3, 6, 7, 0x7F, 0xFE, 0xFFFE, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF)
WORDS = (0, 1, 2, 7, 8, 9, 11, 12, 15, 16, 17, 20, 24, 32, 64, 255, 256, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF)
TEXTS = (
    b"", b"0", b"-1", b"1e9", b"-1e-9", b"1e999", b"nan", b"inf", b"2147483647", b"MONOCHROME1", b"MONOCHROME2", b"RGB", b"PALETTE COLOR",
    b"SIGMOID", b"LINEAR_EXACT", b"INVERSE", b"B", b"R", b"999Y", b"20991231", b"00000000", b"PELVIS", b"FOR PROCESSING", b"1\\2\\3\\4",
    b"\xff\xfe\x1b$B", b"\0",
)  # fmt: skip
TAGS = tuple(Tag)
SYNTAX_UIDS = tuple(uid.encode() + b"\0" * (len(uid) % 2) for uid in SYNTAXES)
MARKERS = bytes(
    [0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC9, 0xD0, 0xD8, 0xD9, 0xDA, 0xDB, 0xDC, 0xDD, 0xF7, 0xF8, 0x4F, 0x51, 0x52, 0x5C, 0x90, 0x93]
)
ITEM, SEQUENCE_END = struct.pack("<HH", 0xFFFE, 0xE000), struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
PNG = b"\x89PNG\r\n\x1a\n"


class Place(NamedTuple):
    """One data element or fragment: where it begins, where its length stands, and where its value begins and ends."""

    start: int
    length_at: int
    length_size: int
    value: int
    end: int


def mutate(data: bytes, chance: random.Random, others: tuple[bytes, ...]) -> bytes:
    """Change one to four things about a file; `others` lend their elements and codestreams."""
    for _ in range(chance.choice((1, 1, 1, 2, 2, 4))):
        data = _mutate_once(data, chance, others)
    return data


def _mutate_once(data: bytes, chance: random.Random, others: tuple[bytes, ...]) -> bytes:
    if data.startswith(PNG):
        return with_checksums(_bytes(data, chance)) if chance.random() < 0.9 else _bytes(data, chance)
    places = elements(data)
    if len(places) < 2 or chance.random() < 0.1:
        return _bytes(data, chance)
    change = chance.choice(CHANGES)
    return change(data, places, chance, others)


def elements(data: bytes) -> list[Place]:
    """The elements and fragments of a file in explicit little endian, as far as they can be walked; only the first 200."""
    position = 132 if data[128:132] == b"DICM" else 0
    places: list[Place] = []
    while position + 8 <= len(data) and len(places) < 200:
        place = _place(data, position)
        places.append(place)
        position = place.end
    return places


def _place(data: bytes, start: int) -> Place:
    vr = data[start + 4 : start + 6]
    if data[start + 2 : start + 4] in {b"\x00\xe0", b"\x0d\xe0", b"\xdd\xe0"} and data[start : start + 2] == b"\xfe\xff":
        at, size = start + 4, 4
    elif vr in LONG_VRS:
        at, size = start + 8, 4
    elif vr in VRS:
        at, size = start + 6, 2
    else:
        at, size = start + 4, 4
    length = int.from_bytes(data[at : at + size], "little")
    value = at + size
    return Place(start, at, size, value, value if length == 0xFFFFFFFF else min(value + length, len(data)))


Change = Callable[[bytes, list[Place], random.Random, tuple[bytes, ...]], bytes]


def _length(data: bytes, places: list[Place], chance: random.Random, _: tuple[bytes, ...]) -> bytes:
    place = chance.choice(places)
    said = place.end - place.value
    length = chance.choice((*LENGTHS, said + 1, said - 1, said + 2, said - 2, said * 2, len(data) - place.value)) % (
        1 << 8 * place.length_size
    )
    return data[: place.length_at] + length.to_bytes(place.length_size, "little") + data[place.value :]


def _vr(data: bytes, places: list[Place], chance: random.Random, _: tuple[bytes, ...]) -> bytes:
    place = chance.choice(places)
    return data[: place.start + 4] + chance.choice((*sorted(VRS), b"XX", b"\0\0")) + data[place.start + 6 :]


def _tag(data: bytes, places: list[Place], chance: random.Random, _: tuple[bytes, ...]) -> bytes:
    place, tag = chance.choice(places), chance.choice(TAGS)
    return data[: place.start] + struct.pack("<HH", tag >> 16, tag & 0xFFFF) + data[place.start + 4 :]


def _value(data: bytes, places: list[Place], chance: random.Random, _: tuple[bytes, ...]) -> bytes:
    """Another value: a number or a text with a meaning, in the place of the old one and with its right length."""
    place = chance.choice(places)
    value = struct.pack("<H", chance.choice(WORDS)) if place.end - place.value == 2 else chance.choice(TEXTS)
    return _with_value(data, place, value + b" " * (len(value) % 2))


def _word(data: bytes, places: list[Place], chance: random.Random, _: tuple[bytes, ...]) -> bytes:
    """Rows, bits, samples and tables are words: damage one where it stands."""
    words = [place for place in places if place.end - place.value in {2, 4, 6}] or places
    place = chance.choice(words)
    at = place.value + 2 * chance.randrange(max(1, (place.end - place.value) // 2))
    return data[:at] + struct.pack("<H", chance.choice(WORDS)) + data[at + 2 :]


def _syntax(data: bytes, places: list[Place], chance: random.Random, _: tuple[bytes, ...]) -> bytes:
    named = [place for place in places if data[place.start : place.start + 4] == b"\x02\x00\x10\x00"]
    return _with_value(data, named[0], chance.choice(SYNTAX_UIDS)) if named else data


def _order(data: bytes, places: list[Place], chance: random.Random, _: tuple[bytes, ...]) -> bytes:
    """Drop, double or move an element or a fragment."""
    place, target = chance.choice(places), chance.choice(places).start
    whole = data[place.start : place.end]
    kind = chance.randrange(3)
    if kind == 0:
        return data[: place.start] + data[place.end :]
    return data[:target] + (whole if kind == 1 else ITEM + struct.pack("<I", 0xFFFFFFFF) + whole) + data[target:]


def _nest(data: bytes, places: list[Place], chance: random.Random, _: tuple[bytes, ...]) -> bytes:
    at = chance.choice(places).start
    depth = chance.choice((1, 2, 15, 16, 17, 40))
    opened = (struct.pack("<HH", 0x0008, 0x1140) + b"SQ\0\0\xff\xff\xff\xff" + ITEM + b"\xff\xff\xff\xff") * depth
    closed = (struct.pack("<HHI", 0xFFFE, 0xE00D, 0) + SEQUENCE_END) * chance.choice((depth, depth - 1, 0))
    return data[:at] + opened + closed + data[at:]


def _fragment(data: bytes, places: list[Place], chance: random.Random, _: tuple[bytes, ...]) -> bytes:
    """Cut a fragment in two, put an offset table before it, or take its end away and forge the end marker."""
    place = max(places, key=lambda each: each.end - each.value)
    body = data[place.value : place.end]
    cut = chance.randrange(0, max(2, len(body)), 2) if len(body) > 1 else 0
    kind = chance.randrange(3)
    if kind == 0:
        pieces = ITEM + struct.pack("<I", cut) + body[:cut] + ITEM + struct.pack("<I", len(body) - cut) + body[cut:]
        return data[: place.start] + pieces + data[place.end :]
    if kind == 1:
        table = struct.pack(f"<{cut % 7}I", *(chance.choice(LENGTHS) for _ in range(cut % 7)))
        return data[: place.start] + ITEM + struct.pack("<I", len(table)) + table + data[place.start :]
    return _with_value(data, place, body[:cut] + b"\xff\xd9")


def _codestream(data: bytes, places: list[Place], chance: random.Random, _: tuple[bytes, ...]) -> bytes:
    """Damage the marker segments at the beginning of the pixel data, or its entropy-coded rest."""
    place = max(places, key=lambda each: each.end - each.value)
    size = place.end - place.value
    if size < 4:
        return data
    reach = min(size, 220) if chance.random() < 0.7 else size
    out = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        at = place.value + chance.randrange(reach)
        out[at] = chance.choice(
            (0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256), out[at] ^ (1 << chance.randrange(8)), chance.choice(MARKERS))
        )
    return bytes(out)


def _splice(data: bytes, places: list[Place], chance: random.Random, others: tuple[bytes, ...]) -> bytes:
    """Put the largest value of another file in the place of ours."""
    place = max(places, key=lambda each: each.end - each.value)
    other = chance.choice(others)
    theirs = max(elements(other), key=lambda each: each.end - each.value)
    return _with_value(data, place, other[theirs.value : theirs.end])


def _deflated(data: bytes, places: list[Place], chance: random.Random, others: tuple[bytes, ...]) -> bytes:
    """Mutate what a deflated data set holds, and deflate it again."""
    start = next((place.start for place in places if data[place.start : place.start + 2] != b"\x02\x00"), len(data))
    try:
        inner = zlib.decompressobj(-15).decompress(data[start:], 1 << 16)
    except zlib.error:
        return _bytes(data, chance)
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    return data[:start] + packer.compress(mutate(inner, chance, others) or b"\0") + packer.flush()


CHANGES: tuple[Change, ...] = (
    _length, _length, _vr, _tag, _value, _value, _word, _word, _syntax, _order, _nest, _fragment, _fragment, _splice, _deflated,
    _codestream, _codestream, _codestream, _codestream, _codestream,
)  # fmt: skip


def _with_value(data: bytes, place: Place, value: bytes) -> bytes:
    length = (len(value) % (1 << 8 * place.length_size)).to_bytes(place.length_size, "little")
    return data[: place.length_at] + length + value + data[place.end :]


def _bytes(data: bytes, chance: random.Random) -> bytes:
    """What a fuzzer does that knows nothing: flip, drop, repeat, cut, insert."""
    if not data:
        return chance.randbytes(8)
    at, length = chance.randrange(len(data)), chance.choice((1, 1, 2, 4, 16, 100))
    kind = chance.randrange(6)
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + data[at + length :]
    if kind == 2:
        return data[:at] + data[at : at + length] + data[at:]
    if kind == 3:
        return data[:at] + chance.randbytes(length) + data[at:]
    return data[:at] + chance.randbytes(length) + data[at + length :]


def with_checksums(data: bytes) -> bytes:
    """A PNG whose checksums are right, so that what stands in its chunks is read."""
    out, position = bytearray(data), len(PNG)
    while position + 12 <= len(out):
        end = position + 8 + int.from_bytes(out[position : position + 4])
        if end + 4 > len(out):
            break
        out[end : end + 4] = zlib.crc32(out[position + 4 : end]).to_bytes(4)
        position = end + 4
    return bytes(out)

"""Encapsulated pixel data (PS3.5 A.4): an offset table and fragments."""

from __future__ import annotations

import struct
from itertools import accumulate

from models.decode.tags import Tag
from models.errors import UnreadableImageError

CODESTREAMS = (b"\xff\xd8", b"\xff\x4f\xff\x51")  # how JPEG and JPEG-LS, and how JPEG 2000 begin
ITEM = struct.pack("<HH", Tag.ITEM >> 16, Tag.ITEM & 0xFFFF)


def first_frame(value: memoryview, frames: int) -> bytes:
    """Return the codestream of the first frame, from a value that is not empty and whose elements were counted.

    Raises UnreadableImageError for a table that points outside, or for no or odd fragments.
    """
    return b"".join(fragments_of_frames(value, frames)[0])


def fragments_of_frames(value: memoryview, frames: int, extended: tuple[memoryview, memoryview] | None = None) -> list[list[memoryview]]:
    """Return the fragments of each frame; `extended` holds the Extended Offset Table and its lengths, where there are some.

    Raises UnreadableImageError where tables and fragments contradict each other, or do not tell where each frame begins.
    """
    table, *fragments = _items(value)
    if not fragments:
        raise UnreadableImageError("The encapsulated pixel data has no fragment.")
    offsets = _offsets(table, 4, "Basic Offset Table")
    if extended:
        offsets = _extended_offsets(offsets, fragments, *extended)
    firsts = _listed(offsets, fragments, frames) if offsets else _unlisted(fragments, frames)
    return [fragments[first:end] for first, end in zip(firsts, [*firsts[1:], len(fragments)], strict=True)]


def _listed(offsets: list[int], fragments: list[memoryview], frames: int) -> list[int]:
    """The first fragment of each frame, by an offset table (PS3.5 A.4)."""
    starts = {start: index for index, start in enumerate(accumulate((len(each) + 8 for each in fragments[:-1]), initial=0))}
    if len(offsets) != frames or not set(offsets) <= starts.keys() or offsets[0] != 0 or offsets != sorted(set(offsets)):
        raise UnreadableImageError("The Basic Offset Table does not fit the fragments.")
    return [starts[offset] for offset in offsets]


def _unlisted(fragments: list[memoryview], frames: int) -> list[int]:
    """The first fragment of each frame, without a table: the only frame, one fragment each, or what begins a codestream."""
    if frames == 1:
        return [0]
    if len(fragments) == frames:
        return list(range(frames))
    firsts = [index for index, fragment in enumerate(fragments) if bytes(fragment[:4]).startswith(CODESTREAMS)]
    if len(firsts) != frames or firsts[0] != 0:
        raise UnreadableImageError("The fragments of the pixel data do not tell where each frame begins.")
    return firsts


def _extended_offsets(basic: list[int], fragments: list[memoryview], table: memoryview, lengths: memoryview) -> list[int]:
    """PS3.3 C.7.6.3.1.8: 64-bit offsets, one fragment for each frame, its length without the padding."""
    offsets, said = _offsets(table, 8, "Extended Offset Table"), _offsets(lengths, 8, "Extended Offset Table")
    fits = len(said) == len(fragments) and all(len(each) == length + length % 2 for each, length in zip(fragments, said, strict=True))
    if not fits or len(offsets) != len(fragments) or (basic and basic != offsets):
        raise UnreadableImageError("The Extended Offset Table does not fit the fragments.")
    return offsets


def _items(value: memoryview) -> list[memoryview]:
    items = []
    position = 0
    while position < len(value):
        length = int.from_bytes(value[position + 4 : position + 8], "little")
        if value[position : position + 4] != ITEM or length % 2 or position + 8 + length > len(value):
            raise UnreadableImageError("The fragments of the pixel data are broken.")
        items.append(value[position + 8 : position + 8 + length])
        position += 8 + length
    return items


def _offsets(table: memoryview, size: int, name: str) -> list[int]:
    if len(table) % size:
        raise UnreadableImageError(f"The {name} is broken.")
    return list(struct.unpack(f"<{len(table) // size}{'I' if size == 4 else 'Q'}", table))

"""Encapsulated pixel data (PS3.5 A.4): a Basic Offset Table and fragments."""

from __future__ import annotations

import struct
from itertools import accumulate

from models.decode.tags import Tag
from models.errors import UnreadableImageError

ITEM = struct.pack("<HH", Tag.ITEM >> 16, Tag.ITEM & 0xFFFF)


def first_frame(value: memoryview, frames: int) -> bytes:
    """Return the codestream of the first frame, from a value that is not empty and whose elements were counted.

    Raises UnreadableImageError for a table that points outside, or for no or odd fragments.
    """
    table, *fragments = _items(value)
    starts = [0, *accumulate(len(fragment) + 8 for fragment in fragments)][:-1]
    offsets = _offsets(table)
    if not fragments:
        raise UnreadableImageError("The encapsulated pixel data has no fragment.")
    if offsets and (len(offsets) != frames or not set(offsets) <= set(starts) or offsets[0] != 0 or offsets != sorted(set(offsets))):
        raise UnreadableImageError("The Basic Offset Table does not fit the fragments.")
    one_each = starts.index(offsets[1]) if len(offsets) > 1 else 1
    count = len(fragments) if frames == 1 else one_each
    return b"".join(fragments[:count])


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


def _offsets(table: memoryview) -> list[int]:
    if len(table) % 4:
        raise UnreadableImageError("The Basic Offset Table is broken.")
    return list(struct.unpack(f"<{len(table) // 4}I", table))

"""Which fragments belong to which frame: by a table, by their number, or by how a codestream begins; and tables that lie."""

import struct

import pytest

from models.decode.encapsulation import fragments_of_frames
from models.errors import UnreadableImageError

SOI = b"\xff\xd8\xff\xf7"


def codestreams(values, fragments, table):
    """Encapsulated pixel data by hand."""
    body, offsets = b"", []
    for value in values:
        offsets.append(len(body))
        size = -(-len(value) // fragments // 2) * 2
        pieces = [value[start : start + size] for start in range(0, len(value), size)]
        body += b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, len(piece)) + piece for piece in pieces)
    listed = struct.pack(f"<{len(offsets)}I", *offsets) if table else b""
    return memoryview(struct.pack("<HHI", 0xFFFE, 0xE000, len(listed)) + listed + body)


@pytest.mark.parametrize(("value", "frames", "extended"), [
    (codestreams([SOI + bytes(36)] * 2, 2, table=False), 3, None),
    (codestreams([bytes(40)] * 2, 2, table=False), 2, None),
    (codestreams([bytes(40)] * 2, 2, table=True), 3, None),
    (codestreams([bytes(40)] * 2, 1, table=False), 2, (struct.pack("<QQ", 0, 40), struct.pack("<QQ", 40, 40))),
    (codestreams([bytes(40)] * 2, 1, table=False), 2, (struct.pack("<QQ", 0, 48), struct.pack("<QQ", 40, 50))),
    (codestreams([bytes(40)] * 2, 1, table=False), 2, (struct.pack("<QQ", 0, 2**63), struct.pack("<QQ", 40, 40))),
    (codestreams([bytes(40)] * 2, 1, table=False), 2, (bytes(15), struct.pack("<QQ", 40, 40))),
    (codestreams([bytes(40)] * 2, 1, table=False), 2, (struct.pack("<Q", 0), struct.pack("<Q", 40))),
    (codestreams([bytes(40)] * 2, 1, table=True), 2, (struct.pack("<QQ", 0, 40), struct.pack("<QQ", 40, 40))),
])  # fmt: skip
def test_tables_that_lie_are_refused(value, frames, extended):
    tables = tuple(memoryview(each) for each in extended) if extended else None
    with pytest.raises(UnreadableImageError):
        fragments_of_frames(value, frames, tables)


def test_fragments_belong_to_the_frame_that_their_table_says():
    values = [SOI + bytes([index]) * 36 for index in range(3)]
    for table in (True, False):
        frames = fragments_of_frames(codestreams(values, 4, table), 3)
        assert [b"".join(frame) for frame in frames] == values

"""What the header says of the pixels is checked before memory is spent."""

import struct
import tracemalloc

import numpy as np
import pytest

from models.decode import Limits, read_header
from models.decode.dicom import stored_values_of_file
from models.errors import TooLargeError, UnreadableImageError
from tests.models.decode.synthetic import BIG, EXPLICIT, IMPLICIT, J2K, LIMITS, codestream, compressed, dicom, radiograph


@pytest.mark.parametrize(("attributes", "error"), [
    ({"Rows": 65535, "Columns": 65535}, TooLargeError),
    ({"Rows": 65535, "Columns": 65535, "NumberOfFrames": 2**31 - 1}, TooLargeError),
    ({"NumberOfFrames": 2}, TooLargeError),
    ({"NumberOfFrames": 0}, UnreadableImageError),
    ({"NumberOfFrames": -1}, UnreadableImageError),
    ({"Rows": 0}, UnreadableImageError),
    ({"Columns": 0}, UnreadableImageError),
    ({"Rows": None}, UnreadableImageError),
    ({"Rows": [70, 70]}, UnreadableImageError),
    ({"Columns": None}, UnreadableImageError),
    ({"Rows": 71}, UnreadableImageError),
    ({"Columns": 51}, UnreadableImageError),
    ({"BitsAllocated": 64, "BitsStored": 64, "HighBit": 63}, UnreadableImageError),
    ({"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31}, UnreadableImageError),
    ({"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0}, UnreadableImageError),
    ({"BitsStored": 0}, UnreadableImageError),
    ({"BitsStored": 17}, UnreadableImageError),
    ({"HighBit": 16}, UnreadableImageError),
    ({"HighBit": 10}, UnreadableImageError),
    ({"HighBit": None}, UnreadableImageError),
    ({"PixelRepresentation": None}, UnreadableImageError),
    ({"SamplesPerPixel": 3}, UnreadableImageError),
    ({"SamplesPerPixel": 0}, UnreadableImageError),
    ({"PhotometricInterpretation": "RGB"}, UnreadableImageError),
    ({"PhotometricInterpretation": "INFRARED"}, UnreadableImageError),
    ({"PhotometricInterpretation": None}, UnreadableImageError),
    ({"PixelData": None}, UnreadableImageError),
    ({"PixelData": b""}, UnreadableImageError),
    ({"PixelData": radiograph().tobytes()[:-2]}, UnreadableImageError),
    ({"PixelData": radiograph().tobytes() + b"\0\0"}, UnreadableImageError),
])  # fmt: skip
@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG])
def test_a_header_that_lies_is_refused_by_arithmetic(attributes, error, syntax):
    data = dicom(syntax=syntax, **attributes)
    tracemalloc.start()
    with pytest.raises(error):
        read_header(data, LIMITS)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


def test_an_object_without_pixels_is_told_so():
    with pytest.raises(UnreadableImageError, match="holds no pixel data"):
        read_header(dicom(PixelData=None, Rows=None), LIMITS)


@pytest.mark.parametrize(("element", "vr"), [(0x0008, b"OF"), (0x0009, b"OD")])
def test_float_pixel_data_is_refused(element, vr):
    data = dicom()
    start = data.index(b"\xe0\x7f\x10\x00OW")
    with pytest.raises(UnreadableImageError, match="Float"):
        read_header(data[:start] + struct.pack("<HH", 0x7FE0, element) + vr + data[start + 6 :], LIMITS)


def test_an_unpadded_odd_number_of_bytes_is_accepted():
    cells = np.arange(15, dtype="u1").reshape(3, 5)
    assert read_header(dicom(cells, bits=8, PixelData=cells.tobytes()), LIMITS).columns == 5


def test_reading_a_header_copies_no_pixel():
    data = dicom(np.zeros((1500, 1500), "<u2"))
    tracemalloc.start()
    read_header(data, LIMITS)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200_000


def test_the_limit_is_the_number_of_pixels_and_is_inclusive():
    assert read_header(dicom(), Limits(max_pixels=70 * 52)).rows == 70
    with pytest.raises(TooLargeError, match="max_pixels"):
        read_header(dicom(), Limits(max_pixels=70 * 52 - 1))


def test_native_pixels_are_not_accepted_as_compressed_nor_the_reverse():
    with pytest.raises(UnreadableImageError, match="encoded as its transfer syntax demands"):
        read_header(dicom().replace(EXPLICIT.encode() + b"\0\x02", b"1.2.840.10008.1.2.5\0\x02"), LIMITS)
    with pytest.raises(UnreadableImageError, match="encoded as its transfer syntax demands"):
        read_header(compressed(radiograph(), J2K).replace(J2K.encode(), EXPLICIT.encode() + b"\0\0\0"), LIMITS)


def fragments(*items, end=True):
    body = b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, len(item)) + item for item in items)
    data = compressed(radiograph(), J2K, frames=[b"xx"])
    start = data.index(b"\xe0\x7f\x10\x00OB") + 12
    return data[:start] + body + (struct.pack("<HHI", 0xFFFE, 0xE0DD, 0) if end else b"")


FRAME = codestream(radiograph(), J2K, 12)
FRAME += b"\0" * (len(FRAME) % 2)


@pytest.mark.parametrize("items", [(b"", FRAME), (struct.pack("<I", 0), FRAME), (b"", FRAME[:400], FRAME[400:])])
def test_fragments_with_and_without_an_offset_table_are_read(items):
    assert read_header(fragments(*items), LIMITS).rows == 70


@pytest.mark.parametrize("data", [
    fragments(), fragments(b""), fragments(FRAME), fragments(b"\1\0\0\0", FRAME), fragments(b"\0\0\0\1", FRAME), fragments(bytes(8), FRAME),
    fragments(b"\0\0", FRAME), fragments(b"", FRAME[:-1]), fragments(b"", b""),
    fragments(b"", FRAME, end=False), fragments(b"", FRAME)[:-20],
])  # fmt: skip
def test_broken_encapsulation_is_refused(data):
    with pytest.raises(UnreadableImageError):
        read_header(data, LIMITS)


def test_the_frames_of_a_multi_frame_object_are_told_apart():
    table = struct.pack("<II", 0, len(FRAME) + 8)
    two = fragments(table, FRAME, FRAME)
    count = b"\x28\x00\x08\x00IS\x02\x002 "
    start = two.index(b"\x28\x00\x10\x00US")
    for data in (two, fragments(b"", FRAME, FRAME)):
        assert read_header(data[:start] + count + data[start:], Limits(max_frames=2)).frames == 2


def test_cells_that_are_values_as_they_stand_are_not_copied():
    data = dicom(np.full((1500, 1500), 4095, "<u2"))
    assert np.shares_memory(stored_values_of_file(data, LIMITS), np.frombuffer(data, np.uint8))


@pytest.mark.parametrize("syntax", [EXPLICIT, BIG])
def test_one_bit_above_bits_stored_is_masked(syntax):
    cells = radiograph()
    written = cells.copy()
    written[69, 51] |= 0x1000
    data = dicom(syntax=syntax, PixelData=written.astype(">u2" if syntax == BIG else "<u2").tobytes())
    assert np.array_equal(stored_values_of_file(data, LIMITS), cells)

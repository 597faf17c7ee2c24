"""The bounded reader: what it refuses, what it steps over, and that its limits hold in time."""

import struct
import time

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from models.decode import Limits, read_header
from models.decode.dataset import EXPLICIT_LITTLE, IMPLICIT_LITTLE, read_dataset
from models.decode.tags import Tag
from models.errors import StudyError, TooLargeError, UnreadableImageError
from tests.models.decode.synthetic import BIG, DX, EXPLICIT, IMPLICIT, LIMITS, dicom, element, part10, radiograph

ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
ITEM_END, SEQUENCE_END = struct.pack("<HHI", 0xFFFE, 0xE00D, 0), struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
SEQUENCE = element(0x00081140, b"SQ", b"", 0xFFFFFFFF)
SOP_CLASS = element(0x00080016, b"UI", DX.encode() + b"\0" * (len(DX) % 2))


def read(body, limits=LIMITS, encoding=EXPLICIT_LITTLE):
    return read_dataset(memoryview(body), 0, encoding, limits)


def nested(depth):
    return (SEQUENCE + ITEM) * depth + (ITEM_END + SEQUENCE_END) * depth


def test_a_tag_is_named_the_way_the_standard_names_it():
    assert Tag.TRANSFER_SYNTAX_UID.label == "Transfer Syntax UID (0002,0010)"
    assert Tag.VOI_LUT_FUNCTION.label == "VOI LUT Function (0028,1056)"


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG])
@pytest.mark.parametrize("undefined", [True, False])
def test_sequences_are_stepped_over_whatever_their_length(syntax, undefined):
    inner = Dataset()
    inner.PatientName, inner.Rows = "Inner", 9
    outer = Dataset()
    outer.ReferencedImageSequence = Sequence([inner, inner])
    outer["ReferencedImageSequence"].is_undefined_length = undefined
    outer.is_undefined_length_sequence_item = undefined
    header = read_header(dicom(syntax=syntax, ReferencedSeriesSequence=Sequence([outer, Dataset()])), LIMITS)
    assert header.rows == radiograph().shape[0]


def test_an_unknown_value_of_undefined_length_is_an_implicit_sequence():
    inner = struct.pack("<HHI", 0x0008, 0x0060, 2) + b"CT"
    body = element(0x00091001, b"UN", b"", 0xFFFFFFFF) + ITEM + inner + ITEM_END + SEQUENCE_END + element(0x00100020, b"LO", b"1 ")
    assert read(body).raw(Tag.PATIENT_ID) == b"1"


def test_an_unknown_sequence_is_read_as_implicit():
    inner = struct.pack("<HHI", 0x0008, 0x0100, 8) + b"24136001"
    body = element(0x00082218, b"UN", struct.pack("<HHI", 0xFFFE, 0xE000, len(inner)) + inner)
    assert [item.text(Tag.CODE_VALUE) for item in read(body).items(Tag.ANATOMIC_REGION_SEQUENCE)] == ["24136001"]


def test_what_stands_behind_the_pixel_data_is_not_read():
    body = SOP_CLASS + element(0x7FE00010, b"OW", b"\0\0")
    assert Tag.PIXEL_DATA in read(body + b"junk that is no element")


def test_what_stands_behind_the_last_element_that_is_asked_for_is_not_read():
    body = SOP_CLASS + nested(10_000)
    assert read_dataset(memoryview(body), 0, EXPLICIT_LITTLE, LIMITS, last=Tag.SOP_INSTANCE_UID).text(Tag.SOP_CLASS_UID) == DX


@pytest.mark.parametrize("body", [
    element(0x00080060, b"XX", b"CT"), element(0x00080060, b"cs", b"CT"), element(0x00080060, b"\0\0", b"CT"),
    element(0x00080060, b"CS", b"CT", 40), element(0x00091001, b"OB", b"", 0xFFFFFFFF), element(0x00091001, b"UT", b"", 0xFFFFFFFF),
    SEQUENCE, SEQUENCE + ITEM, SEQUENCE + ITEM + ITEM_END, SEQUENCE + element(0x00080060, b"CS", b"CT") + SEQUENCE_END,
    element(0x00280010, b"US", b"\1\0") * 2, element(0x7FE00010, b"OB", b"", 0xFFFFFFFF) + ITEM, b"\x08\x00\x16",
])  # fmt: skip
def test_a_broken_data_set_is_refused(body):
    with pytest.raises(UnreadableImageError):
        read(body)


def test_a_requested_sequence_must_hold_items():
    with pytest.raises(UnreadableImageError):
        read(element(0x00082218, b"SQ", element(0x00080060, b"CS", b"CT"))).items(Tag.ANATOMIC_REGION_SEQUENCE)


def test_nesting_is_bounded():
    assert read(nested(Limits().max_depth) + SOP_CLASS).text(Tag.SOP_CLASS_UID) == DX
    with pytest.raises(TooLargeError, match="max_depth"):
        read(nested(Limits().max_depth + 1))


@pytest.mark.parametrize("body", [
    nested(10_000), (SEQUENCE + ITEM) * 10_000, element(0x00091001, b"UN", b"", 0xFFFFFFFF) + ITEM * 100_000,
    b"".join(element(0x00090000 + (number << 17) + 0x1001, b"LO", b"") for number in range(30_000)),
    SEQUENCE + (ITEM + ITEM_END) * 1_000_000, SEQUENCE + ITEM + element(0x00080060, b"CS", b"CT") * 1_000_000,
    element(0x7FE00010, b"OB", b"", 0xFFFFFFFF) + struct.pack("<HHI", 0xFFFE, 0xE000, 0) * 1_000_000,
])  # fmt: skip
def test_hostile_structure_is_refused_in_bounded_time(body):
    started = time.process_time()
    with pytest.raises(StudyError):
        read_header(part10(SOP_CLASS + body), LIMITS)
    assert time.process_time() - started < 2.0  # seconds; a walk over a million elements takes several times as long


def test_elements_are_counted():
    body = b"".join(element(0x00090000 + number, b"LO", b"") for number in range(0x1000, 0x1000 + 50))
    assert len(read(body, Limits(max_elements=50)).elements) == 50
    with pytest.raises(TooLargeError, match="max_elements"):
        read(body, Limits(max_elements=49))


def test_a_group_length_that_lies_changes_nothing():
    data = dicom()
    start = data.index(b"\x02\x00\x00\x00UL\x04\x00") + 8
    assert read_header(data[:start] + b"\xff\xff\xff\x7f" + data[start + 4 :], LIMITS).transfer_syntax == EXPLICIT


def test_implicit_data_declared_explicit_is_not_guessed_at():
    implicit = dicom(syntax=IMPLICIT)
    with pytest.raises(UnreadableImageError, match="value representation"):
        read_header(part10(implicit[implicit.index(b"\x08\x00\x16\x00") :], EXPLICIT), LIMITS)


@pytest.mark.parametrize(("value", "number"), [
    (b"1.62", 1.62), (b" 7 ", 7.0), (b"1e3", 1000.0), (b"-2\\5", -2.0),
    (b"", None), (b"x", None), (b"nan", None), (b"1_0", None), (b"1e999", None),
])  # fmt: skip
def test_a_decimal_is_a_finite_number_or_none(value, number):
    assert read(element(Tag.PATIENT_SIZE, b"DS", value)).decimal(Tag.PATIENT_SIZE) == number


@pytest.mark.parametrize(("vr", "value"), [(b"UL", b"\1\0\0\0"), (b"US", b"\1\0\2\0"), (b"US", b""), (b"SS", b"\1\0"), (b"US", b"\1")])
def test_an_unsigned_number_is_one_us(vr, value):
    with pytest.raises(UnreadableImageError, match="Rows"):
        read(element(Tag.ROWS, vr, value)).unsigned(Tag.ROWS)


def test_an_unsigned_number_of_an_implicit_data_set_has_no_vr():
    assert read(struct.pack("<HHIH", 0x0028, 0x0010, 2, 700), encoding=IMPLICIT_LITTLE).unsigned(Tag.ROWS) == 700

"""Reading which instance it is: within bounds, whatever the transfer syntax and whatever stands behind."""

from __future__ import annotations

import struct
import time
import zlib
from io import BytesIO

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import generate_uid

from service.formats.dicom.result import IMPLEMENTATION_UID as RESULTS
from service.gateway.identity import IMPLEMENTATION_UID, UnidentifiedError, file_header, identify
from tests.models.decode.synthetic import element
from tests.service.gateway.door import EXPLICIT, IMPLICIT, encoded, small

DEFLATED = "1.2.840.10008.1.2.1.99"


def named(data: bytes, syntax: str = EXPLICIT) -> tuple[str, int]:
    identity = identify(memoryview(data), syntax)
    return identity.sop_uid, identity.expected


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_the_content_of_a_report_is_not_looked_at(syntax: str) -> None:
    report = small(PixelData=None)
    content = struct.pack("<HH", 0x0040, 0xA730) + (b"SQ\0\0" if syntax == EXPLICIT else b"") + b"\xff\xff\xff\xff" + b"deeper" * 1000
    for keyword in ("Rows", "Columns", "PresentationLUTShape"):  # what stands behind the series
        delattr(report, keyword)
    assert named(encoded(report, syntax) + content, syntax) == (report.SOPInstanceUID, 0)


def test_a_presentation_state_refers_to_thousands_of_images() -> None:
    images = []
    for _ in range(5000):
        image = Dataset()
        image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = "1.2", "1.2.3"
        images.append(image)
    state = small(ReferencedImageSequence=Sequence(images))
    state["ReferencedImageSequence"].is_undefined_length = True
    started = time.process_time()
    assert named(encoded(state, EXPLICIT))[0] == state.SOPInstanceUID
    assert time.process_time() - started < 1.0


@pytest.mark.parametrize(("text", "count"), [("12", 12), ("+3 ", 3), ("-1", 0), ("many", 0), ("12345678901", 0), ("", 0)])
def test_the_number_of_instances_is_a_small_number_or_unknown(text: str, count: int) -> None:
    dataset = small()
    body = encoded(dataset, EXPLICIT)
    at = body.index(b"\x20\x00\x62\x00")  # Image Laterality, the next element
    value = text.encode() + b" " * (len(text) % 2)
    assert named(body[:at] + element(0x00201208, b"IS", value) + body[at:]) == (dataset.SOPInstanceUID, count)


def test_no_more_is_inflated_than_a_header_can_have() -> None:
    dataset = small()
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    bomb = deflater.compress(encoded(dataset, EXPLICIT)) + deflater.compress(bytes(64 << 20)) + deflater.flush()
    started = time.process_time()
    assert named(bomb, DEFLATED)[0] == dataset.SOPInstanceUID
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize(("data", "syntax"), [
    (b"", EXPLICIT), (b"\0" * 200, EXPLICIT), (b"not deflated", DEFLATED), (encoded(small(), EXPLICIT), IMPLICIT),
    (encoded(small(), EXPLICIT)[:80], EXPLICIT), (element(0x00080005, b"SQ", b"", 0xFFFFFFFF) * 10_000, EXPLICIT),
], ids=["nothing", "zeros", "not deflated", "another syntax", "cut", "sequences"])  # fmt: skip  # bytes with a new UID name no test
def test_what_cannot_be_read_is_nobody(data: bytes, syntax: str) -> None:
    with pytest.raises(UnidentifiedError):
        identify(memoryview(data), syntax)


@pytest.mark.parametrize("uid", ["1." * 32 + "1", "1.2 or 1.3", "1..2", "1.2\\1.3", "../1"])
@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"])
def test_a_uid_is_a_uid(keyword: str, uid: str) -> None:
    dataset = small()
    text = dataset[keyword].value.encode()
    stated = struct.pack("<H", len(text) + len(text) % 2) + text + b"\0" * (len(text) % 2)
    data = encoded(dataset, EXPLICIT)
    assert stated in data
    value = uid.encode() + b"\0" * (len(uid) % 2)
    with pytest.raises(UnidentifiedError):
        named(data.replace(stated, struct.pack("<H", len(value)) + value))


def test_a_file_has_the_header_that_the_standard_asks_for() -> None:
    dataset = small(SOPInstanceUID=generate_uid())
    data = encoded(dataset, EXPLICIT)
    header = file_header(dataset.SOPClassUID, dataset.SOPInstanceUID, EXPLICIT, "CT 12")
    read = dcmread(BytesIO(header + data))
    meta = read.file_meta
    assert read == dataset
    assert meta.FileMetaInformationGroupLength == len(header) - 128 - 4 - 12
    assert (meta.FileMetaInformationVersion, meta.TransferSyntaxUID) == (b"\0\1", EXPLICIT)
    assert (meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID) == (dataset.SOPClassUID, dataset.SOPInstanceUID)
    assert (meta.ImplementationClassUID, meta.SourceApplicationEntityTitle) == (IMPLEMENTATION_UID, "CT 12")
    assert IMPLEMENTATION_UID == RESULTS

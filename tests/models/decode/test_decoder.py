"""The doors: what a file is, and that nothing but a StudyError ever comes out of it."""

import contextlib
import gzip
import io
import zipfile

import numpy as np
import pytest
from PIL import Image as Picture

from models.decode import decode, read_header, sniff
from models.errors import MissingImageError, StudyError, UnreadableImageError, UnsupportedFormatError
from tests.models.decode.synthetic import DX, EXPLICIT, IMPLICIT, LIMITS, dicom, element, jpeg, part10, png, radiograph


def zipped():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("image.dcm", dicom())
    return out.getvalue()


def picture(kind):
    out = io.BytesIO()
    Picture.fromarray(radiograph(bits=8)).save(out, kind)
    return out.getvalue()


@pytest.mark.parametrize(("data", "kind"), [(dicom(), "dicom"), (png(radiograph(bits=8)), "png"), (jpeg(radiograph(bits=8)), "jpeg")])
def test_the_content_decides_what_a_file_is(data, kind):
    assert sniff(data) == kind


def test_no_bytes_are_a_missing_image():
    with pytest.raises(MissingImageError):
        sniff(b"")


@pytest.mark.parametrize("data", [
    b"hello", b"%PDF-1.7\n", gzip.compress(dicom(), mtime=0), zipped(), picture("TIFF"), picture("GIF"), picture("BMP"), picture("WEBP"),
    b"\x5c\x01\0\0" + bytes(340) + b"n+1\0", bytes(4000), b"{}",
    b"\x08\x00", b"\x08\x00\x05\x00CS", b"<svg/>", b"\xff\xd8", b"\x89PNG", b"\x02",
])  # fmt: skip
def test_other_formats_are_not_supported(data):
    with pytest.raises(UnsupportedFormatError):
        sniff(data)


@pytest.mark.parametrize("head", [b"MZ", b"\x7fELF", b"#!/bin/sh\n", b"%PDF-1.7", b"PK\x03\x04", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe"])
def test_a_dicom_file_that_is_also_an_executable_is_refused(head):
    with pytest.raises(UnsupportedFormatError, match="preamble"):
        read_header(head + dicom()[len(head) :], LIMITS)


def test_a_preamble_with_a_tiff_header_is_legal():
    assert sniff(b"II*\0" + dicom()[4:]) == "dicom"


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT])
def test_a_data_set_without_preamble_is_known_by_its_sop_class(syntax):
    data = dicom(syntax=syntax)
    meta = data[132:]
    bare = data[data.index(b"\x08\x00\x16\x00") :]
    for headless in (meta, bare):
        assert sniff(headless) == "dicom"
        assert read_header(headless, LIMITS).transfer_syntax == syntax


def test_a_missing_transfer_syntax_is_guessed_where_the_guess_is_confirmed():
    data = dicom()
    start = data.index(b"\x08\x00\x16\x00")
    assert read_header(bytes(128) + b"DICM" + data[start:], LIMITS).transfer_syntax == EXPLICIT


def test_a_missing_transfer_syntax_is_refused_where_nothing_confirms_a_guess():
    with pytest.raises(UnreadableImageError, match="0002,0010"):
        read_header(bytes(128) + b"DICM" + element(0x00080060, b"CS", b"DX"), LIMITS)


@pytest.mark.parametrize("data", [
    part10(b""), part10(b"\x08"), part10(b"garbage garbage garbage"), bytes(128) + b"DICM", bytes(128) + b"DICM" + b"\xff" * 64,
    part10(element(0x00080016, b"UI", DX.encode())),
    b"\x89PNG\r\n\x1a\n", b"\x89PNG\r\n\x1a\n" + b"\0" * 64, b"\xff\xd8\xff", b"\xff\xd8\xff\xe0\0",
    b"\xff\xd8\xff\xc0\0\x0b", b"\xff\xd8\xff\xd9" + bytes(20),
])  # fmt: skip
def test_the_beginning_of_a_file_is_not_a_file(data):
    with pytest.raises(UnreadableImageError):
        read_header(data, LIMITS)


@pytest.mark.parametrize("data", [dicom(), png(radiograph(bits=8)), png(radiograph(bits=16)), jpeg(radiograph(bits=8))])
def test_no_cut_of_a_file_is_a_picture_or_a_fault(data):
    for length in [*range(0, min(len(data), 700), 7), *range(700, len(data) - 30, 211)]:
        cut = data[:length]
        with pytest.raises(StudyError):
            decode(cut, read_header(cut, LIMITS), LIMITS, apply_voi=True)


@pytest.mark.parametrize("seed", range(40))
def test_flipped_bytes_give_an_image_or_a_refusal(seed):
    random = np.random.default_rng(seed)
    for original in (dicom(PatientID="1", WindowCenter=5, WindowWidth=9), png(radiograph(bits=16)), jpeg(radiograph(bits=8))):
        data = bytearray(original)
        for position in random.integers(0, min(len(data), 900), 4):
            data[position] = random.integers(0, 256)
        with contextlib.suppress(StudyError):
            image = decode(bytes(data), read_header(bytes(data), LIMITS), LIMITS, apply_voi=True)
            assert np.isfinite(image.pixels).all()


def test_a_refusal_says_nothing_of_the_file():
    canary = "CANARY^NAME"
    data = dicom(PatientName=canary, PatientID=canary, Modality="CANARY", BodyPartExamined="CANARY", RescaleSlope="1.25")
    unknown = data.replace(b"1.2.840.10008.1.2.1\0", b"1.2.CANARY.CANARY\0\0\0")
    for broken in (data[:-100], unknown, data.replace(b"MONOCHROME2", b"CANARYCANAR")):
        with pytest.raises(StudyError) as refusal:
            read_header(broken, LIMITS)
        assert "CANARY" not in f"{refusal.value} {refusal.value.hint} {refusal.value.details} {refusal.value.__cause__}"

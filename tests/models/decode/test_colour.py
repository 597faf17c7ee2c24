"""The rule for colour: every photometric interpretation of PS3.3 C.7.6.3.1.2 that is not greyscale is refused before it is decoded."""

import struct

import numpy as np
import pytest

from models.bmd import SPEC
from models.decode import decode, read_header, stored_values
from models.decode.frames import Frames
from models.decode.volume import VOLUME_LIMITS
from models.errors import StudyError, UnreadableImageError, UnsuitableImageError
from models.select import select
from tests.models.decode.real import DATA, needs_data
from tests.models.decode.synthetic import BASELINE, LIMITS, compressed, dicom, element, instance, jpeg, radiograph, written

GREY = ("MONOCHROME1", "MONOCHROME2")
COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT")
RETIRED = ("HSV", "ARGB", "CMYK", "XYB", "RGBA", "")
HELD = {"YBR_FULL_422": 2, "YBR_PARTIAL_422": 2}


def coloured(photometric):
    """A native image in true colour."""
    dataset = instance(np.zeros((500, 520), "u1"), bits=8, PhotometricInterpretation=photometric, SamplesPerPixel=3, PlanarConfiguration=0)
    dataset.PixelData = bytes(500 * 520 * HELD.get(photometric, 3))
    dataset.Modality, dataset.BodyPartExamined = "DX", "HIP"
    return written(dataset)


def palette(descriptor, data):
    """A palette image by hand, its table as wrong as asked for."""
    file = dicom(np.full((500, 520), 255, "u1"), bits=8, PhotometricInterpretation="PALETTE COLOR", Modality="DX")
    tables = b"".join(element(0x00281101 + channel, b"US", descriptor) for channel in range(3))
    tables += b"".join(element(0x00281201 + channel, b"OW", data) for channel in range(3))
    start = file.index(b"\xe0\x7f\x10\x00")
    return file[:start] + tables + file[start:]


PALETTES = {
    "whole": (struct.pack("<HHH", 256, 0, 16), bytes(512)),
    "an index beyond the table": (struct.pack("<HHH", 4, 0, 8), bytes(4)),
    "no entry": (struct.pack("<HHH", 0, 0, 16), b""),
    "16 bits and half a table": (struct.pack("<HHH", 65535, 0, 16), bytes(6)),
    "a first index above all": (struct.pack("<HHH", 256, 65535, 16), bytes(512)),
    "no bits": (struct.pack("<HHH", 256, 0, 0), bytes(512)),
    "half a descriptor": (struct.pack("<H", 256), bytes(512)),
}


@pytest.mark.parametrize("name", PALETTES)
def test_a_palette_is_refused_before_it_is_read_however_it_lies(name):
    refused_as_colour(palette(*PALETTES[name]))


@pytest.mark.parametrize("photometric", COLOUR)
def test_true_colour_is_refused(photometric):
    refused_as_colour(coloured(photometric))


def refused_as_colour(data):
    """By the selection, whose reason the answer gives; and by each door that decodes, should somebody come without one."""
    header = read_header(data, LIMITS)
    with pytest.raises(UnsuitableImageError) as caught:
        select(SPEC.images[0], [header], None)
    assert [detail.detail for detail in caught.value.details] == ["the image is in colour"]
    for read in (lambda: decode(data, header, LIMITS, apply_voi=True), lambda: stored_values(data, header, LIMITS)):
        with pytest.raises(UnsuitableImageError, match="in colour"):
            read()
    with pytest.raises(UnsuitableImageError, match="in colour"):
        Frames(data, VOLUME_LIMITS)


@pytest.mark.parametrize("photometric", GREY)
def test_greyscale_is_read(photometric):
    data = dicom(PhotometricInterpretation=photometric)
    assert decode(data, read_header(data, LIMITS), LIMITS, apply_voi=True).pixels.shape == (70, 52)


@pytest.mark.parametrize("photometric", RETIRED)
def test_what_the_standard_does_not_know_or_has_retired_is_refused(photometric):
    with pytest.raises(UnreadableImageError, match="Photometric Interpretation"):
        read_header(dicom(PhotometricInterpretation=photometric), LIMITS)


@pytest.mark.parametrize("photometric", [*COLOUR, "PALETTE COLOR"])
def test_the_samples_of_a_pixel_have_to_fit(photometric):
    samples = 3 if photometric == "PALETTE COLOR" else 1
    with pytest.raises(UnreadableImageError, match="Samples Per Pixel"):
        read_header(dicom(PhotometricInterpretation=photometric, SamplesPerPixel=samples), LIMITS)


def test_a_codestream_in_colour_under_a_grey_header_is_refused():
    data = compressed(radiograph(bits=8), BASELINE, bits=8, frames=[jpeg(np.zeros((70, 52, 3), "u1"))])
    with pytest.raises(UnreadableImageError, match="samples per pixel"):
        read_header(data, LIMITS)


@needs_data
@pytest.mark.parametrize("name", [
    "pydicom/test_files/examples_palette.dcm", "pydicom/test_files/examples_rgb_color.dcm", "pydicom_data/color-pl.dcm",
    "pydicom_data/color-px.dcm", "pydicom_data/SC_ybr_full_uncompressed.dcm", "pydicom_data/SC_rgb_dcmtk_ebcyn2_dcmd.dcm",
    "pydicom_data/US1_J2KR.dcm", "pydicom_data/JLSL_RGB_ILV0.dcm",
])  # fmt: skip
def test_real_colour_is_refused(name):
    data = (DATA / "dicom_conformance" / name).read_bytes()
    with pytest.raises(StudyError):
        decode(data, read_header(data, LIMITS), LIMITS, apply_voi=True)

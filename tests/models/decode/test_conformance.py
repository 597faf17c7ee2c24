"""Over every real file at hand: the stored values of a second, different decoder to the last bit, or a refusal. Never anything else."""

import logging
import warnings

import numpy as np
import pydicom
import pytest
from pydicom.encaps import generate_frames

from models.decode import decode, read_header, stored_values
from models.errors import StudyError
from tests.models.decode import reference_jpeg
from tests.models.decode.real import DATA, needs_data
from tests.models.decode.synthetic import EXTENDED, LIMITS, LOSSLESS, LOSSLESS_SV1
from tests.untraced import untraced

PLUGINS = {
    "1.2.840.10008.1.2.5": "pydicom", "1.2.840.10008.1.2.4.50": "gdcm", "1.2.840.10008.1.2.4.80": "gdcm", "1.2.840.10008.1.2.4.81": "gdcm",
    "1.2.840.10008.1.2.4.90": "gdcm", "1.2.840.10008.1.2.4.91": "gdcm",
}  # fmt: skip
FOLDERS = ("dicom_conformance", "hip/ddh_pelvis_dicom", "chest_xray/dicom", "mammography/dicom", "alzheimer/pet_dicom")
FILES = [path for folder in FOLDERS for path in sorted((DATA / folder).rglob("*")) if path.is_file()]
ALONE = {"JLSL_08_07_0_1F.dcm", "GH177_D_CLUNIE_CT1_IVRLE_BigEndian_undefined_length.dcm"}  # no second decoder reads these
LARGE = {"GH133_MG_MLO_3062x2394_jpegll.dcm"}  # seven million Huffman codes in Python
READABLE_AT_LEAST = 78


def names():
    return [pytest.param(path, id=str(path.relative_to(DATA)), marks=[pytest.mark.slow] if path.name in LARGE else []) for path in FILES]


def second_opinion(path, syntax):
    """The stored values by another decoder, masked as PS3.5 8.1.1 says."""
    dataset = read_with_pydicom(path)
    if syntax in {EXTENDED, LOSSLESS, LOSSLESS_SV1}:
        cells = untraced(reference_jpeg.decode)(next(generate_frames(dataset.PixelData, number_of_frames=1)))
    else:
        if syntax in PLUGINS:
            dataset.pixel_array_options(decoding_plugin=PLUGINS[syntax], raw=True)
        cells = dataset.pixel_array.astype(np.int64)
    values = (cells >> (dataset.HighBit + 1 - dataset.BitsStored)) & ((1 << dataset.BitsStored) - 1)
    sign = 1 << dataset.BitsStored - 1
    return (values ^ sign) - sign if dataset.PixelRepresentation else values


def read_with_pydicom(path):
    return pydicom.dcmread(path, force=True)


@pytest.fixture
def quiet_pydicom():
    """Pydicom warns of the very faults that these files are kept for; our own decoder must not."""
    logger = logging.getLogger("pydicom")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    logger.setLevel(before)


def ours(path):
    """(header, stored values), or None for a refusal; a warning is an error."""
    data = path.read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            header = read_header(data, LIMITS)
            image = decode(data, header, LIMITS, apply_voi=True)
        except StudyError:
            return None
        assert image.pixels.shape == (header.rows, header.columns)
        assert image.pixels.min() >= 0
        assert image.pixels.max() <= 1
        return header, stored_values(data, header, LIMITS)


@needs_data
@pytest.mark.usefixtures("quiet_pydicom")
@pytest.mark.parametrize("path", names())
def test_a_real_file_gives_the_stored_values_of_a_second_decoder_or_a_refusal(path):
    result = ours(path)
    if result is not None:
        header, values = result
        if path.name in ALONE:
            assert values.shape == (header.rows, header.columns)
            return
        tolerance = 1 if header.transfer_syntax == EXTENDED else 0
        assert np.abs(values.astype(np.int64) - second_opinion(path, header.transfer_syntax)).max() <= tolerance


@needs_data
def test_most_grey_single_frame_images_are_read():
    assert sum(ours(path) is not None for path in FILES if path.name not in LARGE) >= READABLE_AT_LEAST - 1


@needs_data
def test_one_image_in_nine_files_of_seven_syntaxes_is_one_image():
    results = [ours(path) for path in sorted((DATA / "dicom_conformance" / "dcm_qa_ts").glob("*.dcm"))]
    assert len({header.transfer_syntax for header, _ in results}) == 7
    assert len({values.tobytes() for _, values in results}) == 1


FILMS = ("chest_xray/nih_512", "chest_xray/hannover_512", "chest_xray/covid_ccby_512", "mammography/cdd_cesm/images")


@needs_data
@pytest.mark.parametrize("folder", FILMS)
def test_real_films_in_jpeg_and_png_are_read(folder):
    paths = [path for path in sorted((DATA / folder).iterdir()) if path.suffix in {".jpg", ".png"}][:20]
    assert any([ours(path) is not None for path in paths])  # noqa: C419 - all of them are to be tried

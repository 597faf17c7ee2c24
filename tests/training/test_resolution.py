"""What decoding at a lower resolution does to the answer: nothing that a reader would notice.

Against the same level made of the whole picture: every pixel decoded, then averaged, as it is done for what cannot be decoded so.
"""

import dataclasses
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from models.bmd import HIP, SPEC
from models.decode import Limits, decode, read_header, stored_values
from models.preprocess import image_tensor, sufficient_level, view_geometry
from models.study import Part, Study, read_study
from tests.models.decode.synthetic import BASELINE, EXPLICIT, J2K, compressed, dicom
from training.phantoms.bmd.patient import render

ARTIFACT = Path(__file__).resolve().parents[2] / "artifacts" / "bmd" / "model.onnx"
ROWS = 2140  # of a direct radiography detector
PHANTOMS = 6
LIMITS = Limits()


@pytest.fixture(scope="module")
def films():
    return [render(2031, index, ROWS) for index in range(PHANTOMS)]


def file(film, syntax, pixels=None):
    if pixels is None:
        pixels = (film.pixels >> 4).astype(np.uint8) if syntax == BASELINE else film.pixels
    bits = 8 if pixels.itemsize == 1 else 12
    scale = 2.0 ** (bits - 12)
    centre, width = film.window_center * scale, film.window_width * scale
    extra = {"WindowCenter": f"{centre:.1f}", "WindowWidth": f"{width:.1f}", "Modality": "DX", "BodyPartExamined": "HIP"}
    extra |= {"PhotometricInterpretation": film.photometric_interpretation, "ViewPosition": "AP"}
    return dicom(pixels, bits=bits, **extra) if syntax == EXPLICIT else compressed(pixels, syntax, bits=bits, **extra)


def image_of(data):
    image = decode(data, read_header(data, LIMITS), LIMITS, apply_voi=True, level=1)
    assert image.grid.level == 1
    return image


def native(data, film):
    """The same stored values without compression."""
    pixels = stored_values(data, read_header(data, LIMITS), LIMITS)
    return file(film, EXPLICIT, pixels)


def answer(data, metadata):
    reading = read_study(SPEC, Study((Part(data, "image"),), metadata), LIMITS)
    assert reading.images[0].resolution_level == 1
    session = onnxruntime.InferenceSession(ARTIFACT, providers=["CPUExecutionProvider"])
    fed = {entry.name: reading.tensors[entry.name][np.newaxis] for entry in session.get_inputs()}
    return float(session.run(["bmd"], fed)[0].item())


@pytest.mark.slow
def test_the_answer_with_and_without_the_shortcut_is_the_same_answer(films):
    differences = []
    for phantom in films:
        data = file(phantom.film, BASELINE)
        metadata = {**phantom.fields, "laterality": "right"}
        whole, reduced = (answer(one, metadata) for one in (native(data, phantom.film), data))
        differences.append(abs(whole - reduced))
        assert all((whole < threshold) == (reduced < threshold) for threshold in (0.899, 0.6905))
    span = SPEC.regressions[0].high - SPEC.regressions[0].low
    assert max(differences) < 0.005 * span


@pytest.mark.slow
def test_where_samples_lie_matters(films):
    """A picture whose samples are taken to lie half a sample further is a shifted one, and differs more than decoding does."""
    data = file(films[0].film, BASELINE)
    image = image_of(data)
    elsewhere = dataclasses.replace(image, grid=dataclasses.replace(image.grid, first=image.grid.first + 1))
    whole, placed, shifted = (image_tensor(HIP, one, "right")[0] for one in (image_of(native(data, films[0].film)), image, elsewhere))
    assert np.square(placed - whole).mean() * 4 < np.square(shifted - whole).mean()


@pytest.mark.slow
def test_one_picture_in_two_lossless_syntaxes_is_one_picture(films):
    data = file(films[0].film, J2K)
    assert np.array_equal(image_of(data).pixels, image_of(native(data, films[0].film)).pixels)


def test_four_pixels_are_left_for_each_of_the_network():
    data = dicom(np.zeros((64, 48), np.uint16))
    header = read_header(data, LIMITS)
    for side, level in ((384, 0), (1791, 0), (1792, 1), (2140, 1), (3584, 2), (4096, 2)):
        large = dataclasses.replace(header, rows=side)
        assert sufficient_level(HIP, view_geometry(HIP, large, None)) == level

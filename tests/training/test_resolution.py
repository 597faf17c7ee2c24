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
from tests.models.decode.real import DATA, needs_data
from tests.models.decode.synthetic import BASELINE, EXPLICIT, J2K, LOSSLESS_SV1, LS, RLE, compressed, dicom
from training.phantoms.bmd.patient import render

ARTIFACT = Path(__file__).resolve().parents[2] / "artifacts" / "bmd" / "model.onnx"
ROWS = 2140  # of a direct radiography detector
PHANTOMS = 6
LIMITS = Limits()
SCALED = [BASELINE, J2K]
REAL = ["mammography/dicom/*jpegll.dcm", "chest_xray/dicom/*"]
SPAN = SPEC.regressions[0].high - SPEC.regressions[0].low
FIELDS = {"age_at_xray_years": 70.0, "sex": "female", "height_cm": 165.0, "weight_kg": 64.0, "laterality": "right"}


@pytest.fixture(scope="module")
def phantoms():
    return [render(2031, index, ROWS) for index in range(PHANTOMS)]


@pytest.fixture(scope="module")
def network():
    return onnxruntime.InferenceSession(ARTIFACT, providers=["CPUExecutionProvider"])


def file(pixels, syntax, bits=12, **window):
    """12 or 16 bits as they are, in JPEG their uppermost 8."""
    if syntax == BASELINE and pixels.itemsize == 2:
        pixels = (pixels >> (bits - 8)).astype(np.uint8)
    kept = 8 if pixels.itemsize == 1 else bits
    shown = {name: f"{value * 2.0 ** (kept - bits):.1f}" for name, value in window.items() if name.startswith("Window")}
    extra = {**window, **shown, "Modality": "DX", "BodyPartExamined": "HIP", "ViewPosition": "AP"}
    return dicom(pixels, bits=kept, **extra) if syntax == EXPLICIT else compressed(pixels, syntax, bits=kept, **extra)


def of_phantom(phantom, syntax, pixels=None):
    film = phantom.film
    window = {"WindowCenter": film.window_center, "WindowWidth": film.window_width}
    photometric = film.photometric_interpretation
    return file(film.pixels if pixels is None else pixels, syntax, PhotometricInterpretation=photometric, **window)


def image_of(data):
    image = decode(data, read_header(data, LIMITS), LIMITS, apply_voi=True, level=1)
    assert image.grid.level == 1
    return image


def pixels_in(data):
    return stored_values(data, read_header(data, LIMITS), LIMITS)


def answer(network, data, fields):
    reading = read_study(SPEC, Study((Part(data, "image"),), fields), LIMITS)
    assert reading.images[0].resolution_level >= 1
    fed = {entry.name: reading.tensors[entry.name][np.newaxis] for entry in network.get_inputs()}
    return float(network.run(["bmd"], fed)[0].item())


def assert_one_answer(pairs):
    """No threshold between the two answers, and less than half a percent of the range between them."""
    assert all((whole < threshold) == (reduced < threshold) for whole, reduced in pairs for threshold in (0.899, 0.6905))
    assert max(abs(whole - reduced) for whole, reduced in pairs) < 0.005 * SPAN


@pytest.mark.slow
@pytest.mark.parametrize("syntax", SCALED)
def test_the_answer_with_and_without_the_shortcut_is_the_same_answer(phantoms, network, syntax):
    pairs = []
    for phantom in phantoms:
        data, fields = of_phantom(phantom, syntax), {**phantom.fields, "laterality": "right"}
        whole = of_phantom(phantom, EXPLICIT, pixels_in(data))
        pairs.append((answer(network, whole, fields), answer(network, data, fields)))
    assert_one_answer(pairs)


@needs_data
@pytest.mark.slow
@pytest.mark.parametrize("syntax", SCALED)
def test_it_is_on_real_pixels_too(network, syntax):
    pairs = []
    for path in (path for pattern in REAL for path in sorted(DATA.glob(pattern))):
        data = path.read_bytes()
        header = read_header(data, LIMITS)
        if min(header.rows, header.columns) < 2 * 672:
            continue
        bits = 16 if int(pixels_in(data).max()) > 4095 else 12
        film = file(pixels_in(data).astype(np.uint16), syntax, bits)
        pairs.append(tuple(answer(network, one, FIELDS) for one in (file(pixels_in(film), EXPLICIT, bits), film)))
    assert pairs
    assert_one_answer(pairs)


@pytest.mark.slow
@pytest.mark.parametrize("syntax", SCALED)
def test_where_samples_lie_matters(phantoms, syntax):
    """A picture whose samples are taken to lie half a sample further is a shifted one, and differs more than decoding does."""
    data = of_phantom(phantoms[0], syntax)
    image = image_of(data)
    elsewhere = dataclasses.replace(image, grid=dataclasses.replace(image.grid, first=image.grid.first + 1))
    native = image_of(of_phantom(phantoms[0], EXPLICIT, pixels_in(data)))
    whole, placed, shifted = (image_tensor(HIP, one, "right")[0] for one in (native, image, elsewhere))
    assert np.square(placed - whole).mean() * 4 < np.square(shifted - whole).mean()


@pytest.mark.slow
@pytest.mark.parametrize("syntax", [RLE, LOSSLESS_SV1, LS])
def test_one_picture_in_two_lossless_syntaxes_is_one_picture(phantoms, syntax):
    data = of_phantom(phantoms[0], syntax)
    assert np.array_equal(image_of(data).pixels, image_of(of_phantom(phantoms[0], EXPLICIT)).pixels)


def test_three_pixels_are_left_for_each_of_the_network():
    data = dicom(np.zeros((64, 48), np.uint16))
    header = read_header(data, LIMITS)
    for side, level in ((384, 0), (1343, 0), (1344, 1), (2140, 1), (2687, 1), (2688, 2), (3062, 2), (4096, 2)):
        large = dataclasses.replace(header, rows=side)
        assert sufficient_level(HIP, view_geometry(HIP, large, None)) == level

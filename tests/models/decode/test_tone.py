"""A table of grey values gives the bits that the steps give a whole picture, and no whole picture of float32 is made."""

import tracemalloc

import numpy as np
import pytest

from models.bmd import HIP
from models.decode import decode, grayscale, read_header
from models.decode.grayscale import Lut, Rescale, Window
from models.decode.tone import Tone, Toned, toned, values_of
from models.errors import NotEvaluableError
from models.preprocess import image_tensor, thumbnail
from tests.models.decode.synthetic import BASELINE, LIMITS, RLE, compressed, dicom, radiograph

STORED = ("u1", "i1", "<u2", "<i2", ">u2", ">i2")
RESCALES = (Rescale(), Rescale(-2.5, 100.0), Rescale(1.37, -20.0))
TABLE = Lut(-50, 16, (7919 * np.arange(500) % 65536).astype(np.uint16))
WINDOWS = (None, TABLE, Window(90.0, 120.5), Window(90.0, 1.0), Window(90.0, 120.5, "LINEAR_EXACT"), Window(90.0, 120.5, "SIGMOID"))


def named(step):
    return "table" if isinstance(step, Lut) else str(step)


def stored(kind, shape=(300, 260)):
    """All values of 8 bits, or many of 16."""
    limits = np.iinfo(kind)
    return np.random.default_rng(1).integers(limits.min, limits.max, shape, endpoint=True).astype(kind)


def steps(values, tone):
    """PS3.3 C.11, on the whole picture."""
    modal = grayscale.look_up(values, tone.modality) if isinstance(tone.modality, Lut) else grayscale.rescale(values, tone.modality)
    if tone.voi is None:
        shown = grayscale.stretch(modal, tone.span)
    elif isinstance(tone.voi, Lut):
        shown = grayscale.stretch(grayscale.look_up(modal, tone.voi), tone.voi.output_range)
    else:
        shown = grayscale.window(modal, tone.voi)
    return grayscale.invert(shown) if tone.inverted else shown


@pytest.mark.parametrize("kind", STORED)
@pytest.mark.parametrize("modality", [*RESCALES, TABLE], ids=named)
@pytest.mark.parametrize("voi", WINDOWS, ids=named)
@pytest.mark.parametrize("inverted", [False, True])
def test_the_table_gives_the_bits_of_the_steps(kind, modality, voi, inverted):
    tone = Tone(modality, (-300.0, 900.0), voi, inverted)
    values = stored(kind)
    grey = tone.grey(values)
    assert isinstance(grey, Toned)
    assert grey.shape == values.shape
    assert grey.values().tobytes() == steps(values, tone).tobytes()


def test_a_part_is_a_view_of_the_cells_and_has_the_bits_of_the_whole():
    grey = toned(stored("<u2"), lambda values: np.sqrt(values, dtype=np.float32))
    part = grey[20:70, ::-1]
    assert np.shares_memory(part.cells, grey.cells)
    assert np.array_equal(part.values(), grey.values()[20:70, ::-1])


def test_a_picture_smaller_than_its_table_and_one_of_means_are_made_at_once():
    small, means = stored("<u2", (9, 7)), stored("<u2").astype(np.float32)
    for values in (small, means):
        assert isinstance(toned(values, lambda given: given.astype(np.float32)), np.ndarray)


def test_an_array_is_its_own_values():
    pixels = np.zeros((3, 4), np.float32)
    assert values_of(pixels) is pixels


BLANK = Lut(0, 16, np.full(300, 7, np.uint16))
ENDS_ALIKE = Lut(0, 16, np.array([5, *range(254), 5], np.uint16))


@pytest.mark.parametrize("voi", [Window(-5000.0, 10.0), Window(5000.0, 10.0), BLANK])
def test_a_voi_that_leaves_nothing_is_refused(voi):
    with pytest.raises(NotEvaluableError, match="blank"):
        Tone(Rescale(), (0.0, 255.0), voi, inverted=False).grey(stored("u1"))


def test_a_table_whose_ends_are_alike_is_not_blank():
    grey = Tone(Rescale(), (0.0, 255.0), ENDS_ALIKE, inverted=True).grey(stored("u1"))
    assert np.unique(values_of(grey)).size == 254


def test_what_the_table_holds_of_other_values_does_not_count():
    two = np.where(stored("u1") > 127, 255, 0).astype("u1")  # between them the table rises and falls
    with pytest.raises(NotEvaluableError, match="blank"):
        Tone(Rescale(), (0.0, 255.0), ENDS_ALIKE, inverted=False).grey(two)


def test_an_image_of_one_value_is_not_blamed_on_its_window():
    values = values_of(Tone(Rescale(), (0.0, 255.0), Window(5000.0, 10.0), inverted=False).grey(np.full((300, 300), 9, "u1")))
    assert not values.any()


@pytest.mark.parametrize(("bits", "syntax", "frames"), [(16, None, 0.9), (16, RLE, 2.0), (8, None, 1.6), (8, BASELINE, 2.5)])
def test_from_file_to_tensor_no_float32_of_the_whole_frame_is_held(bits, syntax, frames):
    pixels = np.kron(radiograph(bits=bits), np.ones((15, 16), radiograph(bits=bits).dtype))  # 1050 x 832: decoded in full
    data = dicom(pixels, bits=bits) if syntax is None else compressed(pixels, syntax, bits=bits)
    header = read_header(data, LIMITS)
    tracemalloc.start()
    image = decode(data, header, LIMITS, apply_voi=True)
    image_tensor(HIP, image, None)
    thumbnail(image, 32, HIP.intensity)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < frames * pixels.nbytes

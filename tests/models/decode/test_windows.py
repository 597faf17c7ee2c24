"""Every combination of rescale, window and inversion against a reference computed pixel by pixel, as the clauses are written."""

import math
from itertools import product

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from models.decode import decode, read_header
from tests.models.decode.synthetic import LIMITS, dicom

BITS = 12
WINDOWS = {  # center, width: the first of several counts
    "one": ("1000", "1500"),
    "several": (["1000", "40"], ["1500", "400"]),
    "of width 1": ("500", "1"),
    "wider than the data": ("2000", "9000"),
}
SLOPES = {"none": (1.0, 0.0), "positive": (0.5, -200.0), "negative": (-0.75, 1500.0)}


def stored(*, signed):
    """(4, 5): the ends of the range, its middle, and what lies on and beside the windows' edges."""
    values = [0, 1, 249, 250, 251, 999, 1000, 1001, 1499, 1500, 1749, 1750, 1751, 2047, 2048, 2049, 3000, 4000, 4094, 4095]
    return [value - 2048 if signed else value for value in values]


def linear(x, c, w):
    """PS3.3 C.11.2.1.2.1, with ymin = 0 and ymax = 1."""
    if x <= c - 0.5 - (w - 1) / 2:
        return 0.0
    if x > c - 0.5 + (w - 1) / 2:
        return 1.0
    return (x - (c - 0.5)) / (w - 1) + 0.5


def linear_exact(x, c, w):
    """PS3.3 C.11.2.1.3.2."""
    if x <= c - w / 2:
        return 0.0
    if x > c + w / 2:
        return 1.0
    return (x - c) / w + 0.5


def sigmoid(x, c, w):
    """PS3.3 C.11.2.1.3.1."""
    return 1 / (1 + math.exp(min(-4 * (x - c) / w, 700)))  # e^710 is more than a float holds


FUNCTIONS = {"LINEAR": linear, "LINEAR_EXACT": linear_exact, "SIGMOID": sigmoid}


def first(value):
    return float(value[0] if isinstance(value, list) else value)


def pixels_of(values, *, signed, **attributes):
    data = dicom(np.array(values, "<i2" if signed else "<u2").reshape(4, 5), bits=BITS, **attributes)
    return decode(data, read_header(data, LIMITS), LIMITS, apply_voi=True).pixels.ravel()


CASES = list(product(FUNCTIONS, WINDOWS, SLOPES, (False, True), ("MONOCHROME1", "MONOCHROME2")))


@pytest.mark.parametrize(("function", "window", "slope", "signed", "photometric"), CASES)
def test_a_window_is_what_its_clause_says(function, window, slope, signed, photometric):
    (center, width), (m, b) = WINDOWS[window], SLOPES[slope]
    out = pixels_of(
        stored(signed=signed), signed=signed, PhotometricInterpretation=photometric, RescaleSlope=m, RescaleIntercept=b,
        WindowCenter=center, WindowWidth=width, VOILUTFunction=function,
    )  # fmt: skip
    expected = [FUNCTIONS[function](m * value + b, first(center), first(width)) for value in stored(signed=signed)]
    expected = [1 - value for value in expected] if photometric == "MONOCHROME1" else expected
    np.testing.assert_allclose(out, expected, atol=1e-5)


@pytest.mark.parametrize(("slope", "signed", "beginning"), list(product(SLOPES, (False, True), (0, 300, -500))))
def test_a_voi_table_is_what_its_clause_says(slope, signed, beginning):
    m, b = SLOPES[slope]
    if beginning < 0 and not signed and m * 0 + b >= 0 and m > 0:
        beginning = 100  # a first input below zero is for modality values that can be
    entries = [(7919 * number) % 65536 for number in range(2000)]
    item = Dataset()
    item.add_new(0x00283002, "SS" if beginning < 0 else "US", [len(entries), beginning, 16])
    item.add_new(0x00283006, "OW", np.array(entries, "<u2").tobytes())
    out = pixels_of(stored(signed=signed), signed=signed, RescaleSlope=m, RescaleIntercept=b, VOILUTSequence=Sequence([item]))
    # C.11.1.1.1: below the first input the first entry, beyond the last the last. A fraction is nearest to the even one of two.
    looked_up = [entries[min(max(round(m * value + b) - beginning, 0), len(entries) - 1)] for value in stored(signed=signed)]
    np.testing.assert_allclose(out, np.array(looked_up) / 65535, atol=1e-6)

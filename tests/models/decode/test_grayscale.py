"""Each step of the greyscale pipeline against vectors computed by hand from its clause."""

import numpy as np
import pytest

from models.decode import grayscale
from models.decode.grayscale import Lut, Rescale, Window


def f32(*values):
    return np.array([values], np.float32)


def test_rescale_is_slope_times_stored_plus_intercept():
    out = grayscale.rescale(np.array([[0, 1000, 4095]], np.uint16), Rescale(0.5, -100))
    assert out.tolist() == [[-100.0, 400.0, 1947.5]]
    assert out.dtype == np.float32


def test_a_negative_slope_turns_the_range_around():
    assert grayscale.rescale_range((0, 4095), Rescale(-1, 4095)) == (0, 4095)
    assert grayscale.rescale_range((-2048, 2047), Rescale(2, 10)) == (-4086, 4104)


def test_the_linear_window_is_the_one_of_the_standard():
    # c = 2048, w = 4096: y = (x - 2047.5) / 4095 + 0.5, so 0 and 4095 are the ends.
    out = grayscale.window_linear(f32(-1, 0, 1023.75, 2047.5, 4095, 5000), Window(2048, 4096))
    np.testing.assert_allclose(out, f32(0, 0, 0.25, 0.5, 1, 1), atol=1e-7)


def test_the_exact_linear_window_has_its_ends_half_a_step_elsewhere():
    # c = 2048, w = 4096: y = (x - 2048) / 4096 + 0.5, so 0 and 4096 are the ends.
    out = grayscale.window_linear_exact(f32(0, 1024, 2048, 4095, 4096), Window(2048, 4096, "LINEAR_EXACT"))
    np.testing.assert_allclose(out, f32(0, 0.25, 0.5, 4095 / 4096, 1), atol=1e-7)


def test_a_linear_window_of_width_one_is_a_threshold():
    assert grayscale.window_linear(f32(9, 9.5, 9.6, 10), Window(10, 1)).tolist() == [[0, 0, 1, 1]]


def test_the_sigmoid_window_is_the_logistic_function():
    # c = 100, w = 40: y = 1 / (1 + exp(-4 (x - 100) / 40)).
    out = grayscale.window_sigmoid(f32(100, 110, 90, 140), Window(100, 40, "SIGMOID"))
    np.testing.assert_allclose(out, f32(0.5, 0.7310586, 0.2689414, 0.9820138), atol=1e-6)


def test_the_sigmoid_window_does_not_overflow_far_from_its_centre():
    assert grayscale.window_sigmoid(f32(-65535, 65535), Window(0, 1, "SIGMOID")).tolist() == [[0, 1]]


@pytest.mark.parametrize(("function", "at_center"), [("LINEAR", 0.5 + 0.5 / 9), ("LINEAR_EXACT", 0.5), ("SIGMOID", 0.5)])
def test_the_function_of_a_window_decides_its_shape(function, at_center):
    np.testing.assert_allclose(grayscale.window(f32(5), Window(5, 10, function)), f32(at_center), atol=1e-6)


def test_a_table_holds_its_first_and_last_entry_beyond_its_ends():
    table = Lut(first=10, bits=8, entries=np.array([5, 6, 200], np.uint16))
    assert grayscale.look_up(np.array([[0, 10, 11, 12, 4000]], np.uint16), table).tolist() == [[5, 5, 6, 200, 200]]


def test_a_table_may_begin_below_zero():
    table = Lut(first=-2, bits=8, entries=np.array([1, 2, 3, 4], np.uint16))
    assert grayscale.look_up(np.array([[-3, -2, -1, 0, 1, 9]], np.int16), table).tolist() == [[1, 1, 2, 3, 4, 4]]


def test_a_table_rounds_inputs_that_a_rescale_made_fractional():
    table = Lut(first=0, bits=8, entries=np.array([10, 20, 30], np.uint16))
    assert grayscale.look_up(f32(0.4, 0.6, 1.6), table).tolist() == [[10, 20, 30]]


def test_stretching_maps_a_range_to_zero_and_one():
    assert grayscale.stretch(f32(-100, 50, 200, 300), (-100, 200)).tolist() == [[0, 0.5, 1, 1]]


def test_inversion_makes_the_darkest_the_brightest():
    assert grayscale.invert(f32(0, 0.25, 1)).tolist() == [[1, 0.75, 0]]


@pytest.mark.parametrize(("values", "constant"), [((3, 3, 3), True), ((3, 3, 4), False)])
def test_a_constant_image_has_one_value(values, constant):
    assert grayscale.is_constant(f32(*values)) is constant

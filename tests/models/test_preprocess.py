"""From pixels to tensors, by hand-made pictures."""

import numpy as np
import pytest

from models import preprocess
from models.bmd import HIP, METADATA
from models.decode.image import Header, Image
from models.decode.tone import Toned, toned
from models.errors import NotEvaluableError
from models.prediction import FieldValue
from models.preprocess import image_tensor, table_tensors, thumbnail, with_edges


def image(pixels, body_part="HIP"):
    pixels = np.asarray(pixels, np.float32)
    return Image(pixels, Header("dicom", *pixels.shape, body_part=body_part), "test")


def pixels_of(tensor):
    """Undo the normalisation of the first channel."""
    return tensor[0] * HIP.std[0] + HIP.mean[0]


def ramp(rows=448, columns=448):
    return np.broadcast_to(np.linspace(0, 1, columns, dtype=np.float32), (rows, columns))


def test_the_tensor_has_the_shape_of_the_spec_and_its_normalisation():
    tensor, _ = image_tensor(HIP, image(ramp()), "left")
    assert tensor.shape == HIP.shape
    assert tensor.dtype == np.float32
    restored = tensor * np.reshape(HIP.std, (3, 1, 1)) + np.reshape(HIP.mean, (3, 1, 1))
    assert np.allclose(restored[0], restored[2], atol=1e-6)
    assert restored.min() >= -1e-6
    assert restored.max() <= 1 + 1e-6


def test_gain_and_offset_of_the_detector_do_not_reach_the_network():
    tensor, _ = image_tensor(HIP, image(ramp()), "left")
    dimmer, _ = image_tensor(HIP, image(0.3 * ramp() + 0.2), "left")
    assert np.allclose(tensor, dimmer, atol=1e-4)


def test_a_right_hip_looks_like_a_left_one():
    left, geometry_left = image_tensor(HIP, image(ramp()), "left")
    right, geometry_right = image_tensor(HIP, image(ramp()[:, ::-1]), "right")
    assert np.array_equal(left, right)
    assert (geometry_left.mirrored, geometry_right.mirrored) == (False, True)


def test_an_image_without_a_side_is_read_as_it_lies():
    tensor, geometry = image_tensor(HIP, image(ramp()), None)
    assert not geometry.mirrored
    assert pixels_of(tensor)[0, 0] < pixels_of(tensor)[0, -1]


@pytest.mark.parametrize(("side", "left"), [("left", 200), ("right", 0)])
def test_the_stated_half_of_a_pelvis_is_cropped_out(side, left):
    _, geometry = image_tensor(HIP, image(ramp(300, 400), body_part="PELVIS"), side)
    assert (geometry.left, geometry.width) == (left, 200)


def test_padding_keeps_proportions_and_stays_black():
    tensor, geometry = image_tensor(HIP, image(ramp(448, 224) + 0.5), "left")
    assert (geometry.side, geometry.pad_left) == (448, 112)
    assert np.allclose(pixels_of(tensor)[:, :50], 0, atol=1e-6)


def test_up_stays_up():
    tensor, _ = image_tensor(HIP, image(ramp().T), "left")
    assert pixels_of(tensor)[0].mean() < 0.05
    assert pixels_of(tensor)[-1].mean() > 0.95


@pytest.mark.parametrize(("rows", "columns"), [((0, 0), (0, 0)), ((3, 0), (0, 5)), ((0, 2), (4, 0)), ((1, 2), (3, 4))])
def test_edges_are_continued_as_numpy_continues_them(rows, columns):
    pixels = np.random.default_rng(0).random((6, 7), np.float32)
    assert np.array_equal(with_edges(pixels, rows, columns), np.pad(pixels, (rows, columns), mode="edge"))


def stored(rows, columns):
    return np.random.default_rng(1).integers(0, 4096, (rows, columns), dtype=np.uint16)


def shown(values):
    return values.astype(np.float32) / np.float32(4095)


@pytest.mark.parametrize("side", ["left", "right", None])
@pytest.mark.parametrize("body_part", ["HIP", "PELVIS"])
@pytest.mark.parametrize(("rows", "columns"), [(901, 703), (640, 1011), (224, 224), (90, 130)])
def test_a_picture_that_is_made_where_it_is_looked_at_has_the_bits_of_one_that_was_made_before(rows, columns, body_part, side):
    values = stored(rows, columns)
    header = Header("dicom", rows, columns, body_part=body_part)
    toned_image, made = Image(toned(values, shown), header, "test"), Image(shown(values), header, "test")
    assert isinstance(toned_image.grey, Toned) == (values.size > 4096)
    assert np.array_equal(image_tensor(HIP, toned_image, side)[0], image_tensor(HIP, made, side)[0])
    assert np.array_equal(thumbnail(toned_image, 32, HIP.intensity), thumbnail(made, 32, HIP.intensity))


@pytest.mark.parametrize("side", [32, 224])
@pytest.mark.parametrize(("rows", "columns"), [(901, 703), (640, 1011), (130, 90)])
def test_rows_that_are_resized_piece_by_piece_have_the_bits_of_rows_resized_at_once(monkeypatch, rows, columns, side):
    made = image(shown(stored(rows, columns)))
    monkeypatch.setattr(preprocess, "PIECE_ROWS", 100_000)
    whole = thumbnail(made, side, HIP.intensity)
    for piece in (1, 7, 128):
        monkeypatch.setattr(preprocess, "PIECE_ROWS", piece)
        assert np.array_equal(thumbnail(made, side, HIP.intensity), whole)


@pytest.mark.parametrize("pixels", [np.zeros((256, 256)), np.full((256, 256), 0.7), np.full((256, 256), np.nan)])
def test_an_image_without_content_is_not_evaluable(pixels):
    with pytest.raises(NotEvaluableError):
        image_tensor(HIP, image(pixels), "left")


def test_fields_keep_their_units_and_missing_ones_are_masked():
    values = {field.name: FieldValue(None, "missing") for field in METADATA.fields}
    values |= {"weight_kg": FieldValue(64.0, "request"), "sex": FieldValue("male", "dicom")}
    tensors = table_tensors(METADATA, values)
    names = [field.name for field in METADATA.network_fields]
    assert tensors["metadata"][names.index("weight_kg")] == 64.0
    assert tensors["metadata"][names.index("sex")] == 1.0
    assert tensors["present"].sum() == 2
    assert "laterality" not in names

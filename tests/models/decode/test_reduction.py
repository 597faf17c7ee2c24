"""A lower resolution: means of blocks, scaled DCT blocks or wavelet levels, and where their samples lie."""

import numpy as np
import pytest
from PIL import Image as Picture

from models.bmd import HIP
from models.decode import decode, read_header
from models.decode.image import Header, Image
from models.decode.reduction import FULL, Grid, averaged
from models.errors import UnreadableImageError
from models.preprocess import image_tensor
from tests.models.decode.synthetic import BASELINE, J2K, LIMITS, codestream, compressed, dicom, jpeg, png, radiograph


def read(data, level):
    return decode(data, read_header(data, LIMITS), LIMITS, apply_voi=True, level=level)


def means(pixels, block):
    rows, columns = (length // block for length in pixels.shape)
    whole = pixels[: rows * block, : columns * block].astype(float)
    return whole.reshape(rows, block, columns, block).mean(axis=(1, 3))


@pytest.mark.parametrize("level", [1, 2, 3])
def test_stored_values_are_averaged_over_blocks_that_are_whole(level):
    pixels = radiograph(71, 53)
    image = read(dicom(pixels), level)
    assert np.allclose(image.pixels, means(pixels, 2**level) / 4095, atol=1e-6)
    assert image.grid == Grid(level, (2**level - 1) / 2)


@pytest.mark.parametrize("level", [1, 2, 3])
@pytest.mark.parametrize("encode", [lambda pixels: compressed(pixels, BASELINE, bits=8), jpeg])
def test_a_jpeg_is_decoded_at_the_level_and_shows_the_same_picture(encode, level):
    pixels = radiograph(128, 96, bits=8)
    image = read(encode(pixels), level)
    assert image.grid == Grid(level, (2**level - 1) / 2)
    assert np.abs(image.pixels * 255 - means(pixels, 2**level)).mean() < 3


def test_beyond_the_block_of_a_jpeg_the_rest_is_averaged():
    image = read(jpeg(radiograph(128, 96, bits=8)), 4)
    assert image.pixels.shape == (8, 6)
    assert image.grid == Grid(4, 7.5)


def test_a_jpeg_that_lies_on_its_side_is_turned_before_it_is_averaged():
    picture = Picture.fromarray(radiograph(64, 48, bits=8))
    exif = picture.getexif()
    exif[0x0112] = 6
    image = read(jpeg(picture, exif=exif.tobytes()), 1)
    assert image.pixels.shape == (24, 32)
    assert image.grid == Grid(1, 0.5)


def test_a_png_is_averaged():
    pixels = radiograph(64, 48, bits=8)
    assert np.allclose(read(png(pixels), 1).pixels, means(pixels, 2) / 255, atol=1e-6)


def test_a_picture_smaller_than_a_block_keeps_a_pixel():
    values, grid = averaged(np.ones((3, 40), np.uint8), FULL, 5)
    assert (values.shape, grid.level) == ((1, 20), 1)


@pytest.mark.parametrize(("rows", "columns", "body_part"), [(900, 901, "HIP"), (900, 700, "HIP"), (701, 900, "PELVIS")])
@pytest.mark.parametrize("side", ["left", "right"])
def test_the_network_sees_the_same_picture_at_a_lower_resolution(rows, columns, body_part, side):
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    pixels = (0.5 + 0.3 * np.sin(x / 40) * np.cos(y / 55) + 0.1 * x / columns).astype(np.float32)
    header = Header("dicom", rows, columns, body_part=body_part)
    reduced, grid = averaged(pixels, FULL, 1)
    whole, lower = (image_tensor(HIP, Image(*image), side)[0] for image in ((pixels, header, ""), (reduced, header, "", grid)))
    difference = np.abs(whole - lower)[:, 2:-2, 2:-2]  # the outermost block may be left out
    assert np.percentile(difference, 99) < 0.05  # where the picture ends beside its padding
    assert np.median(difference[whole[:, 2:-2, 2:-2] > whole.min()]) < 0.003


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.995])
@pytest.mark.parametrize("level", [1, 2, 3])
def test_a_low_level_does_not_hide_that_the_rest_of_a_codestream_is_missing(level, kept):
    pixels = radiograph(600, 500)
    frame = codestream(pixels, J2K, 12).rstrip(b"\0")
    data = compressed(pixels, J2K, frames=[frame[: int(len(frame) * kept)] + b"\xff\xd9"])
    with pytest.raises(UnreadableImageError):
        read(data, level)

"""A deflated data set is one image, and no bomb."""

import zlib

import numpy as np
import pytest

from models.decode import Limits, read_header, stored_values
from models.decode.deflate import inflate
from models.errors import TooLargeError, UnreadableImageError
from tests.models.decode.synthetic import DX, LIMITS, instance, part10, radiograph, written

DEFLATED = "1.2.840.10008.1.2.1.99"


def raw(data, level=9):
    packer = zlib.compressobj(level, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def bomb(length):
    """As much zero as asked for, made a piece at a time."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(length >> 20)) + packer.flush()


def test_a_deflated_image_gives_its_stored_values():
    data = written(instance(radiograph()), DEFLATED)
    header = read_header(data, LIMITS)
    assert (header.transfer_syntax, header.sop_class_uid) == (DEFLATED, DX)
    assert np.array_equal(stored_values(data, header, LIMITS), radiograph())


@pytest.mark.parametrize("cut", [4, 40, 400])
def test_one_that_does_not_end_is_refused(cut):
    with pytest.raises(UnreadableImageError):
        read_header(written(instance(radiograph()), DEFLATED)[:-cut], LIMITS)


def test_what_is_not_deflated_is_refused():
    with pytest.raises(UnreadableImageError, match="broken"):
        read_header(part10(b"\xff" * 64, DEFLATED), LIMITS)


def test_a_bomb_is_stopped_at_its_ratio():
    packed = bomb(256 << 20)
    assert len(packed) < 300_000
    with pytest.raises(TooLargeError, match="max_inflation"):
        inflate(memoryview(packed), LIMITS)


def test_more_than_the_pixels_within_the_limits_is_not_inflated():
    packed = raw(np.random.default_rng(1).bytes(6 << 20), level=0)
    with pytest.raises(TooLargeError, match="max_pixels"):
        inflate(memoryview(packed), Limits(max_pixels=100))
    assert len(inflate(memoryview(packed), LIMITS)) == 6 << 20

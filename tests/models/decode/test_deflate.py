"""A deflated data set is one image, and no bomb."""

import zlib
from dataclasses import replace

import numpy as np
import pytest

from models.decode import Limits, part10, read_header, stored_values
from models.decode.deflate import inflate, pieces
from models.errors import TooLargeError, UnreadableImageError
from tests.models.decode.synthetic import DX, EXPLICIT, LIMITS, instance, radiograph, written
from tests.models.decode.synthetic import part10 as part10_file

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
        read_header(part10_file(b"\xff" * 64, DEFLATED), LIMITS)


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


def noisy():
    """A file whose pixel data is far longer than what is inflated at once, and hardly deflates."""
    pixels = np.random.default_rng(1).integers(0, 1 << 16, (700, 900), dtype=np.uint16)
    return pixels, written(instance(pixels, bits=16), DEFLATED)


def inflated_bytes(monkeypatch, read):
    """How many bytes are inflated while something is read."""
    taken = []
    monkeypatch.setattr(part10, "pieces", lambda *given: (taken.append(len(piece)) or piece for piece in pieces(*given)))
    read()
    return sum(taken)


def test_the_header_is_read_without_inflating_the_pixels(monkeypatch):
    pixels, data = noisy()
    header = read_header(data, LIMITS)
    assert (header.rows, header.columns, header.transfer_syntax) == (700, 900, DEFLATED)
    assert inflated_bytes(monkeypatch, lambda: read_header(data, LIMITS)) < 100_000 < pixels.nbytes
    assert np.array_equal(stored_values(data, header, LIMITS), pixels)


def test_the_header_of_a_deflated_file_is_that_of_the_same_file_uninflated():
    _, data = noisy()
    whole = written(instance(noisy()[0], bits=16), EXPLICIT)
    assert read_header(data, LIMITS) == replace(read_header(whole, LIMITS), transfer_syntax=DEFLATED)


def test_a_header_that_fills_many_pieces_is_inflated_as_far_as_it_goes(monkeypatch):
    text = "".join(map(str, np.random.default_rng(1).integers(0, 10, 1_000_000)))
    data = written(instance(noisy()[0], bits=16, TextValue=text), DEFLATED)
    assert read_header(data, LIMITS).rows == 700
    assert 1_000_000 < inflated_bytes(monkeypatch, lambda: read_header(data, LIMITS)) < 2_200_000


def test_a_cut_in_the_pixels_is_found_when_they_are_decoded():
    _, data = noisy()
    header = read_header(data[:-4000], LIMITS)
    with pytest.raises(UnreadableImageError, match="truncated"):
        stored_values(data[:-4000], header, LIMITS)


def test_pixel_data_that_is_shorter_or_longer_than_the_header_says_is_refused_by_its_header():
    for rows in (699, 701):
        data = written(instance(noisy()[0], bits=16, Rows=rows), DEFLATED)
        with pytest.raises(UnreadableImageError, match="length"):
            read_header(data, LIMITS)


def test_a_bomb_behind_the_header_is_refused_before_it_is_inflated():
    whole = written(instance(radiograph()), EXPLICIT)
    start = whole.index(b"\x08\x00\x05\x00") if b"\x08\x00\x05\x00" in whole else whole.index(b"\x08\x00\x16\x00")
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(whole[start:]) + b"".join(packer.compress(bytes(1 << 20)) for _ in range(256)) + packer.flush()
    data = part10_file(packed, DEFLATED)
    with pytest.raises(TooLargeError, match="max_inflation"):
        stored_values(data, read_header(data, LIMITS), LIMITS)


def test_a_broken_header_is_refused_at_whatever_length_the_stream_has():
    data = part10_file(raw(b"\x08\x00\x16\x00ZZ" + np.random.default_rng(1).bytes(1 << 20)), DEFLATED)
    with pytest.raises(UnreadableImageError, match="value representation"):
        read_header(data, LIMITS)


@pytest.mark.parametrize("keyword", ["PixelData", "Rows"])
def test_a_deflated_file_without_what_it_needs_is_refused(keyword):
    with pytest.raises(UnreadableImageError, match="missing"):
        read_header(written(instance(radiograph(), **{keyword: None}), DEFLATED), LIMITS)

"""A JPEG that lost its end and got a new end marker is not a radiograph; and no whole one is taken for such a file."""

import re

import numpy as np
import pytest
from PIL import Image as Picture

from models.decode import read_header, stored_values
from models.decode.codestream import probe_jpeg
from models.decode.completeness import FURTHER_BITS, check_complete
from models.errors import UnreadableImageError
from tests.models.decode import reference_jpeg
from tests.models.decode.synthetic import EXTENDED, LIMITS, LOSSLESS, LOSSLESS_SV1, codestream, compressed, jpeg, radiograph

DEEP = [(LOSSLESS, 12), (LOSSLESS, 16), (LOSSLESS_SV1, 8), (LOSSLESS_SV1, 12), (LOSSLESS_SV1, 16), (EXTENDED, 12)]


def stored(data):
    return stored_values(data, read_header(data, LIMITS), LIMITS)


def frame_of(syntax, bits, pixels=None):
    return codestream(radiograph(bits=bits) if pixels is None else pixels, syntax, bits).rstrip(b"\0")


@pytest.mark.parametrize(("syntax", "bits"), DEEP)
@pytest.mark.parametrize("lost", [3, 4, 5, 8, 20, 100, 1000, 2000])
def test_an_end_marker_does_not_hide_that_the_last_bytes_are_missing(syntax, bits, lost):
    frame = frame_of(syntax, bits)
    with pytest.raises(UnreadableImageError):
        stored(compressed(radiograph(bits=bits), syntax, bits=bits, frames=[frame[: -2 - lost] + b"\xff\xd9"]))


@pytest.mark.parametrize(("syntax", "bits"), DEEP)
def test_a_piece_that_is_missing_in_the_middle_is_missed_at_the_end(syntax, bits):
    frame = frame_of(syntax, bits)
    half = len(frame) // 2
    with pytest.raises(UnreadableImageError):
        stored(compressed(radiograph(bits=bits), syntax, bits=bits, frames=[frame[:half] + frame[half + 200 :]]))


@pytest.mark.parametrize(("syntax", "bits"), DEEP)
@pytest.mark.parametrize("pixels", ["noise", "black", "white", "black below", "one row", "one column"])
def test_a_whole_image_is_whole_whatever_it_shows(syntax, bits, pixels):
    grey = radiograph(bits=bits)
    shown = {
        "noise": np.random.default_rng(3).integers(0, 1 << bits, grey.shape), "black": np.zeros(grey.shape),
        "white": np.full(grey.shape, (1 << bits) - 1), "black below": np.where(np.arange(len(grey))[:, np.newaxis] > 40, 0, grey),
        "one row": grey[:1], "one column": grey[:, :1],
    }[pixels].astype(grey.dtype)  # fmt: skip
    values = stored(compressed(shown, syntax, bits=bits, frames=[frame_of(syntax, bits, shown)]))
    if syntax != EXTENDED:
        np.testing.assert_array_equal(values, shown)


@pytest.mark.parametrize(("syntax", "bits"), [pair for pair in DEEP if pair[0] != EXTENDED])
def test_a_whole_lossless_image_is_decoded_once(syntax, bits):
    frame = frame_of(syntax, bits)
    check_complete(frame, probe_jpeg(frame), radiograph(bits=bits), lambda _: pytest.fail("decoded again"))


def test_fill_bytes_before_the_end_marker_are_no_image_data():
    frame = frame_of(LOSSLESS, 12)
    filled = frame[:-2] + b"\xff\xff\xff\xd9"
    check_complete(filled, probe_jpeg(filled), radiograph(), lambda _: pytest.fail("decoded again"))


def test_what_is_put_behind_a_scan_is_no_marker_and_no_zero():
    assert b"\xff" not in FURTHER_BITS
    assert FURTHER_BITS[0] & 0x80


def test_the_reference_decoder_reads_a_codestream_with_further_bits_as_the_same_image():
    frame = frame_of(LOSSLESS_SV1, 12)
    seen = []
    samples = radiograph().copy()
    samples[-1, -1] ^= 1  # so that the end is doubted
    with pytest.raises(UnreadableImageError):
        check_complete(
            frame, probe_jpeg(frame), samples, lambda more: seen.append(more) or reference_jpeg.decode(more).astype(samples.dtype)
        )
    assert FURTHER_BITS in seen[0]
    np.testing.assert_array_equal(reference_jpeg.decode(seen[0]), radiograph())


def without_scans(frame, kept):
    """A progressive JPEG that ends behind so many scans."""
    ends = [match.start() for match in re.finditer(rb"\xff[\xc4\xda\xd9]", frame) if match.start() > frame.index(b"\xff\xda")]
    scans = [match.start() for match in re.finditer(rb"\xff\xda", frame)]
    return frame[: next(end for end in ends if end > scans[kept - 1])] + b"\xff\xd9"


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("kept", [1, 2, 4])
def test_a_progressive_jpeg_without_its_last_scans_is_refused(mode, kept):
    frame = jpeg(Picture.fromarray(radiograph(bits=8)).convert(mode), progressive=True)
    assert stored(frame).shape == radiograph().shape
    with pytest.raises(UnreadableImageError, match="scans"):
        stored(without_scans(frame, kept))

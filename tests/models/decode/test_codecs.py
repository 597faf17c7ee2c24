"""Every transfer syntax gives the stored values that were put in; half a codestream gives none."""

import contextlib
import struct
from dataclasses import replace

import numpy as np
import pytest
from openjpeg.utils import decode_pixel_data, encode_array
from PIL import Image as Picture

from models.decode import Limits, decode, read_header, stored_values
from models.decode.codecs import SYNTAXES, Codec
from models.decode.codestream import Codestream
from models.errors import StudyError, TooLargeError, UnreadableImageError, UnsupportedFormatError
from tests.models.decode.synthetic import (
    BASELINE,
    BIG,
    EXPLICIT,
    EXTENDED,
    IMPLICIT,
    J2K,
    J2K_LOSSY,
    LIMITS,
    LOSSLESS,
    LOSSLESS_SV1,
    LS,
    LS_NEAR,
    RLE,
    codestream,
    compressed,
    dicom,
    jpeg,
    part10,
    radiograph,
)  # fmt: skip

REVERSIBLE = [RLE, LOSSLESS, LOSSLESS_SV1, LS, LS_NEAR, J2K, J2K_LOSSY]
DECODERS = {
    RLE: "imagecodecs", LOSSLESS: "imagecodecs", LOSSLESS_SV1: "imagecodecs", LS: "pyjpegls", LS_NEAR: "pyjpegls",
    J2K: "imagecodecs", J2K_LOSSY: "imagecodecs",
}  # fmt: skip


def stored(data):
    return stored_values(data, read_header(data, LIMITS), LIMITS)


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_native_pixels_are_read_in_every_byte_order(syntax, bits):
    np.testing.assert_array_equal(stored(dicom(radiograph(bits=bits), bits=bits, syntax=syntax)), radiograph(bits=bits))


@pytest.mark.parametrize("syntax", REVERSIBLE)
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_a_reversible_syntax_gives_back_every_bit(syntax, bits):
    data = compressed(radiograph(bits=bits), syntax, bits=bits)
    header = read_header(data, LIMITS)
    np.testing.assert_array_equal(stored_values(data, header, LIMITS), radiograph(bits=bits))
    assert decode(data, header, LIMITS, apply_voi=True).decoder.startswith(DECODERS[syntax])


@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize("syntax", [*REVERSIBLE, BASELINE])
def test_threads_change_no_value(syntax, threads):
    bits = 8 if syntax == BASELINE else 12
    data = compressed(np.tile(radiograph(bits=bits), (3, 4)), syntax, bits=bits)
    header = read_header(data, LIMITS)
    np.testing.assert_array_equal(stored_values(data, header, replace(LIMITS, threads=threads)), stored_values(data, header, LIMITS))


@pytest.mark.parametrize("kept", [0.05, 0.3, 0.6, 0.9, 0.98, 0.999])
@pytest.mark.parametrize("end", [b"", b"\xff\xd9"])
def test_threads_do_not_hide_that_a_part_is_missing(kept, end):
    pixels = np.tile(radiograph(), (3, 4))
    frame = codestream(pixels, J2K, 12).rstrip(b"\0")
    data = compressed(pixels, J2K, frames=[frame[: int(len(frame) * kept)] + end])
    with pytest.raises(UnreadableImageError):
        stored_values(data, read_header(data, LIMITS), replace(LIMITS, threads=2))


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("ratio", [None, 6])
def test_jpeg_2000_is_what_another_build_of_its_decoder_makes_of_it(bits, ratio):
    pixels = radiograph(bits=bits)
    frame = bytes(encode_array(pixels, bits_stored=bits, photometric_interpretation=2, compression_ratios=[ratio] if ratio else None))
    other = np.frombuffer(decode_pixel_data(frame, version=2), pixels.dtype).reshape(pixels.shape)
    np.testing.assert_array_equal(stored(compressed(pixels, J2K_LOSSY, bits=bits, frames=[frame])), other)


@pytest.mark.parametrize("syntax", [RLE, J2K])
def test_a_reversible_syntax_gives_back_signed_values(syntax):
    signed = radiograph().astype("<i2") - 2048
    np.testing.assert_array_equal(stored(compressed(signed, syntax)), signed)


@pytest.mark.parametrize("syntax", [LS, LOSSLESS, J2K])
def test_values_that_an_encoder_took_for_unsigned_get_their_sign_back(syntax):
    signed = radiograph(bits=16).astype(np.int64) - 32768
    cells = signed.astype("<i2").view("<u2")
    data = compressed(cells, syntax, bits=16, PixelRepresentation=1)
    np.testing.assert_array_equal(stored(data), signed)


@pytest.mark.parametrize(("syntax", "bits", "decoder"), [(BASELINE, 8, "simplejpeg"), (EXTENDED, 12, "imagecodecs")])
def test_lossy_jpeg_is_near_what_was_put_in(syntax, bits, decoder):
    data = compressed(radiograph(bits=bits), syntax, bits=bits)
    header = read_header(data, LIMITS)
    assert np.abs(stored_values(data, header, LIMITS).astype(int) - radiograph(bits=bits)).max() <= 2
    assert decode(data, header, LIMITS, apply_voi=False).decoder.startswith(decoder)


def test_eight_bit_extended_jpeg_is_decoded_like_baseline():
    frame = codestream(radiograph(bits=8), BASELINE, 8)
    data = compressed(radiograph(bits=8), EXTENDED, bits=8, frames=[frame])
    assert np.abs(stored(data).astype(int) - radiograph(bits=8)).max() <= 2


def test_twelve_bits_are_not_baseline():
    frame = codestream(radiograph(), EXTENDED, 12).replace(b"\xff\xc1", b"\xff\xc0", 1)
    with pytest.raises(UnreadableImageError):
        stored(compressed(radiograph(), BASELINE, frames=[frame]))


def test_a_frame_in_several_fragments_is_put_together():
    frame = codestream(radiograph(), J2K, 12)
    data = compressed(radiograph(), J2K, frames=[frame])
    item = struct.pack("<HHI", 0xFFFE, 0xE000, len(frame) + len(frame) % 2)
    cut = 500
    split = struct.pack("<HHI", 0xFFFE, 0xE000, cut) + frame[:cut] + struct.pack("<HHI", 0xFFFE, 0xE000, len(frame) + len(frame) % 2 - cut)
    np.testing.assert_array_equal(stored(data.replace(item + frame[:cut], split)), radiograph())


@pytest.mark.parametrize("syntax", [*REVERSIBLE, BASELINE, EXTENDED])
@pytest.mark.parametrize("kept", [0.05, 0.3, 0.5, 0.8, 0.95, 0.99])
def test_a_truncated_codestream_is_never_half_an_image(syntax, kept):
    bits = 8 if syntax == BASELINE else 12
    frame = codestream(radiograph(bits=bits), syntax, bits).rstrip(b"\0")
    data = compressed(radiograph(bits=bits), syntax, bits=bits, frames=[frame[: int(len(frame) * kept)]])
    with pytest.raises(UnreadableImageError):
        stored(data)


@pytest.mark.parametrize("syntax", [J2K, J2K_LOSSY, LS, LS_NEAR, LOSSLESS, LOSSLESS_SV1, BASELINE, EXTENDED])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9, 0.98])
def test_an_end_marker_does_not_hide_that_the_rest_is_missing(syntax, kept):
    bits = 8 if syntax == BASELINE else 12
    pixels = radiograph(bits=bits)
    frame = codestream(pixels, syntax, bits).rstrip(b"\0")
    with pytest.raises(UnreadableImageError):
        stored(compressed(pixels, syntax, bits=bits, frames=[frame[: int(len(frame) * kept)] + b"\xff\xd9"]))


@pytest.mark.parametrize("syntax", [LOSSLESS, LOSSLESS_SV1, BASELINE, EXTENDED])
def test_a_whole_image_that_ends_in_one_value_is_whole(syntax):
    bits = 8 if syntax == BASELINE else 12
    pixels = radiograph(bits=bits)
    pixels[-20:] = 0
    assert np.abs(stored(compressed(pixels, syntax, bits=bits)).astype(int) - pixels)[-8:].max() <= (
        0 if syntax.endswith(("57", "70")) else 4
    )


@pytest.mark.parametrize("syntax", [*REVERSIBLE, EXTENDED])
@pytest.mark.parametrize("seed", range(6))
def test_a_codestream_with_flipped_bytes_is_an_image_or_a_refusal(syntax, seed):
    random = np.random.default_rng(seed)
    frame = bytearray(codestream(radiograph(), syntax, 12))
    for position in random.integers(0, len(frame), 8):
        frame[position] = random.integers(0, 256)
    data = compressed(radiograph(), syntax, frames=[bytes(frame)])
    with contextlib.suppress(StudyError):
        assert stored(data).shape == radiograph().shape


@pytest.mark.parametrize("syntax", [LOSSLESS, LS, J2K, EXTENDED])
@pytest.mark.parametrize(("keyword", "value"), [("Rows", 71), ("Columns", 51), ("Rows", 7000)])
def test_a_header_that_contradicts_its_codestream_is_refused_before_decoding(syntax, keyword, value):
    data = compressed(radiograph(), syntax, **{keyword: value})
    with pytest.raises(UnreadableImageError, match="rows and columns"):
        read_header(data, LIMITS)


def test_a_codestream_that_claims_the_sky_is_refused_before_memory_is_spent():
    frame = bytearray(codestream(radiograph(), J2K, 12))
    frame[8:16] = struct.pack(">II", 12000, 12000)
    with pytest.raises(TooLargeError, match="max_pixels"):
        read_header(compressed(radiograph(), J2K, frames=[bytes(frame)], Rows=12000, Columns=12000), LIMITS)
    with pytest.raises(UnreadableImageError, match="rows and columns"):
        read_header(compressed(radiograph(), J2K, frames=[bytes(frame)]), LIMITS)


OTHERS = [(J2K, LS), (LS, J2K), (LOSSLESS, EXTENDED), (EXTENDED, LOSSLESS), (RLE, J2K), (LS, LOSSLESS)]


@pytest.mark.parametrize(("syntax", "other"), OTHERS)
def test_a_codestream_of_another_kind_than_the_transfer_syntax_is_refused(syntax, other):
    with pytest.raises(UnreadableImageError):
        stored(compressed(radiograph(), syntax, frames=[codestream(radiograph(), other, 12)]))


@pytest.mark.parametrize("attributes", [{"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}, {"BitsStored": 12, "HighBit": 15}])
def test_a_header_that_contradicts_the_bits_of_its_codestream_is_refused(attributes):
    with pytest.raises(UnreadableImageError, match="bits"):
        read_header(compressed(radiograph(), J2K, **attributes), LIMITS)


def test_signed_pixels_of_another_precision_are_ambiguous_and_refused():
    with pytest.raises(UnreadableImageError, match="bits"):
        read_header(compressed(radiograph(), LS, BitsStored=16, HighBit=15, PixelRepresentation=1), LIMITS)


def test_a_colour_codestream_is_not_a_grey_image():
    frame = jpeg(Picture.fromarray(radiograph(bits=8)).convert("RGB"))
    with pytest.raises(UnreadableImageError, match="samples"):
        read_header(compressed(radiograph(bits=8), BASELINE, bits=8, frames=[frame]), LIMITS)


def test_a_decoder_that_returns_another_size_is_not_believed():
    with pytest.raises(UnreadableImageError, match="size"):
        Codec("numpy", lambda *_: b"three").samples(b"", Codestream(2, 2, 1, 8, signed=False), 8)


def test_rle_needs_a_segment_for_each_byte():
    data = compressed(radiograph(), RLE, BitsAllocated=8, BitsStored=8, HighBit=7)
    with pytest.raises(UnreadableImageError, match="segments"):
        read_header(data, LIMITS)


def rle_header(*offsets, count=None):
    return struct.pack("<16I", len(offsets) if count is None else count, *offsets, *[0] * (15 - len(offsets))) + bytes(400)


@pytest.mark.parametrize("frame", [
    bytes(20), rle_header(count=0), rle_header(64, 64), rle_header(64, 4_000_000_000), rle_header(0, 64), rle_header(64, 100, count=99),
])  # fmt: skip
def test_an_rle_header_that_points_outside_its_frame_is_refused(frame):
    with pytest.raises(UnreadableImageError):
        read_header(compressed(radiograph(), RLE, frames=[frame]), LIMITS)


def test_a_jpeg_with_a_thousand_scans_is_refused_before_decoding():
    frame = codestream(radiograph(bits=8), BASELINE, 8).rstrip(b"\0")
    scan = frame[frame.index(b"\xff\xda") : -2]
    with pytest.raises(UnreadableImageError, match="scans"):
        read_header(compressed(radiograph(bits=8), BASELINE, bits=8, frames=[frame[:-2] + scan * 1000 + b"\xff\xd9"]), LIMITS)


def test_fill_bytes_and_comments_before_a_jpeg_frame_are_stepped_over():
    frame = codestream(radiograph(bits=8), BASELINE, 8)
    data = compressed(radiograph(bits=8), BASELINE, bits=8, frames=[b"\xff\xd8\xff\xff\xfe\x00\x04hi" + frame[2:]])
    assert stored(data).shape == radiograph().shape


@pytest.mark.parametrize("uid", ["1.2.840.10008.1.2.8.1", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"])
def test_other_deflated_syntaxes_are_refused_before_anything_is_inflated(uid):
    with pytest.raises(UnsupportedFormatError, match="Deflated"):
        read_header(part10(b"what would be inflated", uid), LIMITS)


@pytest.mark.parametrize("uid", ["1.2.840.10008.1.2.4.53", "1.2.840.10008.1.2.4.102", "1.2.840.113619.5.2", "nonsense"])
def test_syntaxes_without_a_decoder_are_refused(uid):
    with pytest.raises(UnsupportedFormatError, match="transfer syntax"):
        read_header(part10(b"", uid), LIMITS)


def test_the_limits_of_a_caller_hold_for_compressed_pixels():
    data = compressed(radiograph(), J2K)
    with pytest.raises(TooLargeError):
        stored_values(data, read_header(data, LIMITS), Limits(max_pixels=100))


def test_every_compressed_syntax_has_a_decoder_with_a_version():
    names = {codec.name for syntax in SYNTAXES.values() if syntax.compression for codec in syntax.compression.codecs}
    assert len(names) == 3
    assert all(name.split(" ")[1][0].isdigit() for name in names)

"""PNG and JPEG: exact in 16 bits, grey only, bounded before Pillow sees them."""

import struct
import tracemalloc
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image as Picture
from PIL.PngImagePlugin import PngInfo

from models.decode import Limits, decode, read_header, stored_values
from models.errors import StudyError, TooLargeError, UnreadableImageError, UnsuitableImageError, UnsupportedFormatError
from tests.models.decode.synthetic import LIMITS, LS, codestream, jpeg, png, radiograph

GREY8, GREY16 = radiograph(bits=8), radiograph(bits=16)


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def raw_png(rows, columns, depth, colour, scanlines, *, interlace=0, extra=b""):
    header = struct.pack(">IIBBBBB", columns, rows, depth, colour, 0, 0, interlace)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(scanlines)) + chunk(b"IEND", b"")


def stored(data):
    return stored_values(data, read_header(data, LIMITS), LIMITS)


@pytest.mark.parametrize("pixels", [GREY8, GREY16])
def test_a_grey_png_is_exact(pixels):
    data = png(pixels)
    header = read_header(data, LIMITS)
    image = decode(data, header, LIMITS, apply_voi=True)
    np.testing.assert_array_equal(stored_values(data, header, LIMITS), pixels)
    np.testing.assert_allclose(image.pixels, pixels / np.iinfo(pixels.dtype).max, atol=1e-7)
    assert image.pixels.dtype == np.float32
    assert image.decoder.startswith("imagecodecs ")
    assert (header.format, header.rows, header.columns) == ("png", 70, 52)
    assert (header.photometric_interpretation, header.transfer_syntax, header.modality) == ("MONOCHROME2", "", "")


def filtered(pixels, rng):
    """Scanlines of every filter (PNG clause 9), each as the standard words it."""
    cells = np.frombuffer(pixels.astype(f">u{pixels.itemsize}").tobytes(), np.uint8).reshape(len(pixels), -1).astype(int)
    size, above = pixels.itemsize, np.zeros(cells.shape[1], int)
    for row in cells:
        left, corner = (np.concatenate([np.zeros(size, int), each[:-size]]) for each in (row, above))
        guess = left + above - corner
        near = np.argmin([abs(guess - left), abs(guess - above), abs(guess - corner)], axis=0)
        predicted = (0, left, above, (left + above) // 2, np.choose(near, [left, above, corner]))
        kind = rng.integers(5)
        yield bytes([kind]) + ((row - predicted[kind]) % 256).astype(np.uint8).tobytes()
        above = row


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (700, 601), (2, 200_000)])  # bands of many rows, and of one
def test_every_filter_of_a_png_is_undone(dtype, shape):
    rng = np.random.default_rng(shape)
    pixels = rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    data = raw_png(*shape, 8 * pixels.itemsize, 0, b"".join(filtered(pixels, rng)))
    np.testing.assert_array_equal(stored(data), pixels)


def test_a_filter_that_does_not_exist_is_refused():
    lines = bytearray(b"".join(b"\0" + row.tobytes() for row in GREY8))
    lines[53 * 40] = 5
    with pytest.raises(UnreadableImageError):
        stored(raw_png(70, 52, 8, 0, bytes(lines)))


def test_an_interlaced_png_is_exact():
    def lines(y0, dy, x0, dx):
        return b"".join(b"\0" + GREY16[y, x0::dx].astype(">u2").tobytes() for y in range(y0, 70, dy))

    passes = [(0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1)]  # Adam7
    np.testing.assert_array_equal(stored(raw_png(70, 52, 16, 0, b"".join(lines(*step) for step in passes), interlace=1)), GREY16)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_a_png_in_colour_whose_channels_agree_is_grey(mode):
    np.testing.assert_array_equal(stored(png(Picture.fromarray(GREY8).convert(mode))), GREY8)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_a_png_in_colour_is_refused(mode):
    picture = Picture.fromarray(GREY8).convert("RGB")
    picture.putpixel((3, 4), (200, 10, 10))
    with pytest.raises(UnsuitableImageError, match="colour"):
        stored(png(picture.convert(mode)))


def test_sixteen_bit_colour_is_refused_even_where_channels_agree():
    scanlines = b"".join(b"\0" + np.repeat(line, 3).astype(">u2").tobytes() for line in GREY16)
    with pytest.raises(UnsuitableImageError):
        stored(raw_png(70, 52, 16, 2, scanlines))


@pytest.mark.parametrize("transparent", [
    png(Picture.fromarray(GREY8).convert("LA")), png(Picture.fromarray(GREY8), transparency=7),
    png(Picture.fromarray(GREY16), transparency=7),
])  # fmt: skip
def test_transparency_is_refused(transparent):
    with pytest.raises(UnsuitableImageError, match="transparency"):
        stored(transparent)


def test_a_transparent_pixel_is_refused():
    picture = Picture.fromarray(GREY8).convert("RGBA")
    picture.putpixel((0, 0), (*picture.getpixel((0, 0))[:3], 254))
    with pytest.raises(UnsuitableImageError, match="transparency"):
        stored(png(picture))


def test_fewer_than_eight_bits_are_refused():
    with pytest.raises(UnsuitableImageError):
        stored(png(Picture.fromarray(GREY8).convert("1")))


def test_an_animation_is_refused():
    frames = [Picture.fromarray(GREY8), Picture.fromarray(255 - GREY8)]
    with pytest.raises(UnsuitableImageError, match="animated"):
        stored(png(frames[0], save_all=True, append_images=frames[1:]))


@pytest.mark.parametrize("data", [
    raw_png(10_000, 16_000, 8, 0, bytes(1000)), raw_png(2**31 - 1, 2**31 - 1, 16, 0, b""),
    png(GREY8).replace(b"\0\0\0\x34\0\0\0\x46", b"\0\1\0\0\0\1\0\0"),
])  # fmt: skip
def test_a_png_bomb_is_refused_by_its_header(data):
    tracemalloc.start()
    with pytest.raises(TooLargeError, match="max_pixels"):
        read_header(data, LIMITS)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000


def test_a_second_header_behind_a_small_one_is_refused():
    second = chunk(b"IHDR", struct.pack(">IIBBBBB", 16_000, 10_000, 8, 0, 0, 0, 0))
    with pytest.raises(UnreadableImageError, match="twice"):
        stored(raw_png(70, 52, 8, 0, bytes(53 * 70), extra=second))


@pytest.mark.slow
def test_a_raised_limit_is_not_second_guessed_by_the_library():
    rows, columns = 19_000, 10_000
    data = raw_png(rows, columns, 8, 0, (b"\0" + bytes(columns)) * rows)
    assert stored_values(data, read_header(data, Limits(max_pixels=200_000_000)), Limits(max_pixels=200_000_000)).size == rows * columns


@pytest.mark.parametrize("data", [
    raw_png(0, 52, 8, 0, b""), raw_png(70, 52, 8, 0, bytes(53 * 30)), raw_png(70, 52, 8, 9, bytes(53 * 70)), png(GREY8)[:-60],
    png(GREY8).replace(b"IDAT", b"IDAX"), png(GREY8, pnginfo=None)[:40] + b"\xff" + png(GREY8)[41:],
])  # fmt: skip
def test_a_broken_png_is_refused(data):
    with pytest.raises(UnreadableImageError):
        stored(data)


def test_a_flipped_byte_in_the_image_data_of_a_png_is_refused():
    data = bytearray(png(GREY8))
    data[data.index(b"IDAT") + 900] ^= 1
    with pytest.raises(UnreadableImageError, match="checksum"):
        stored(bytes(data))


def test_a_text_bomb_in_a_png_is_not_unpacked():
    bomb = raw_png(70, 52, 8, 0, bytes(53 * 70), extra=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(80_000_000))))
    tracemalloc.start()
    with pytest.raises(UnreadableImageError):
        stored(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000


def test_harmless_text_in_a_png_is_ignored():
    info = PngInfo()
    info.add_text("Comment", "left hip")
    np.testing.assert_array_equal(stored(png(Picture.fromarray(GREY8), pnginfo=info)), GREY8)


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_a_grey_jpeg_is_near_what_was_put_in(options):
    assert np.abs(stored(jpeg(GREY8, **options)).astype(int) - GREY8).max() <= 12


def test_a_grey_jpeg_stored_in_colour_is_grey():
    grey = stored(jpeg(Picture.fromarray(GREY8).convert("RGB"), quality=70))
    assert np.abs(grey.astype(int) - GREY8).max() <= 25


@pytest.mark.parametrize("mode", ["RGB", "CMYK"])
def test_a_jpeg_in_colour_is_refused(mode):
    red = Picture.new("RGB", (64, 64), (200, 30, 30)).convert(mode)
    with pytest.raises(UnsuitableImageError, match="colour"):
        stored(jpeg(red))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_exif_orientation_is_applied(orientation):
    turned = {
        1: lambda p: p, 2: np.fliplr, 3: lambda p: np.rot90(p, 2), 4: np.flipud, 5: np.transpose, 6: lambda p: np.rot90(p, 1),
        7: lambda p: np.rot90(p, 2).T, 8: lambda p: np.rot90(p, -1),
    }[orientation](GREY8)  # fmt: skip
    exif = Picture.Exif()
    exif[0x0112] = orientation
    data = jpeg(np.ascontiguousarray(turned), exif=exif, quality=100)
    header = read_header(data, LIMITS)
    assert (header.rows, header.columns) == (70, 52)
    assert np.abs(stored_values(data, header, LIMITS).astype(int) - GREY8).max() <= 4


@pytest.mark.parametrize("exif", [
    b"Exif\0\0", b"Exif\0\0II*\0\x08\0\0\0\xff\xff", b"Exif\0\0junk", b"Exif\0\0MM\0*\0\0\0\x08\0\1\x01\x12\0\2\0\0\0\5abcd",
])  # fmt: skip
def test_broken_exif_is_silent_and_does_not_turn_the_picture(exif):
    data = jpeg(GREY8)
    data = data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            assert stored(data).shape == GREY8.shape
        except StudyError as refusal:
            assert isinstance(refusal, UnreadableImageError)  # noqa: PT017 - either answer will do, a fault will not
    assert not caught


def test_a_jpeg_bomb_is_refused_by_its_header():
    data = bytearray(jpeg(GREY8))
    start = data.index(b"\xff\xc0") + 5
    data[start : start + 4] = struct.pack(">HH", 65500, 65500)
    with pytest.raises(TooLargeError, match="max_pixels"):
        read_header(bytes(data), LIMITS)


def test_other_processes_of_jpeg_are_not_supported():
    with pytest.raises(UnsupportedFormatError):
        read_header(codestream(GREY8, LS, 8), LIMITS)


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_a_truncated_jpeg_is_refused(kept, options):
    data = jpeg(GREY8, **options)
    with pytest.raises(UnreadableImageError):
        stored(data[: int(len(data) * kept)])

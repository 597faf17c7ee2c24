"""PNG and JPEG -> Header and pixels in [0, 1]. They carry no Bits Stored and no photometric interpretation: 0 is black.

Pillow's plug-in classes are opened directly: no format but these two can ever be tried, and the only limit on pixels is ours,
which was checked on the bytes of the header before Pillow saw them.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL.Image import Image as Picture
from PIL.Image import Transpose
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from models.decode.codestream import probe_jpeg
from models.decode.completeness import PROGRESSIVE, check_scans
from models.decode.image import Format, Header, Limits
from models.decode.png import check_stream, grey_samples, png_header
from models.decode.reduction import DEEPEST_DCT, FULL, Grid, averaged, block_centre, decode_jpeg
from models.decode.tone import Grey, toned
from models.errors import TooLargeError, UnreadableImageError, UnsuitableImageError, UnsupportedFormatError

JPEG_SIGNATURE = b"\xff\xd8\xff"
JPEG_PROCESSES = frozenset({0xC0, 0xC1, 0xC2})  # baseline, extended and progressive Huffman
JPEG_NOISE = 8  # grey levels by which chroma compression may separate the channels of a grey picture
ORIENTATION = 0x0112
# Exif 2.3, 4.6.4 A: where row 0 and column 0 of the stored picture belong -> what turns it upright.
UPRIGHT = {
    2: Transpose.FLIP_LEFT_RIGHT, 3: Transpose.ROTATE_180, 4: Transpose.FLIP_TOP_BOTTOM, 5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270, 7: Transpose.TRANSVERSE, 8: Transpose.ROTATE_90,
}  # fmt: skip
SIDEWAYS = frozenset({5, 6, 7, 8})
COLOUR = "The picture is in colour: only greyscale is read, 8 or 16 bits in a PNG, 8 bits in a JPEG."
TRANSPARENT = "The picture has transparency."


def header_of(data: bytes, kind: Format, limits: Limits) -> Header:
    """Read the size of an upright picture from the bytes of its header, before anything is allocated."""
    rows, columns = _size(data, kind)
    if rows == 0 or columns == 0:
        raise UnreadableImageError("The picture has no pixels.")
    if rows * columns > limits.max_pixels:
        raise TooLargeError("The image has more pixels than max_pixels.")
    if kind == "jpeg":
        with _opened(data, kind) as picture:
            rows, columns = (columns, rows) if _orientation(picture) in SIDEWAYS else (rows, columns)
    return Header(format=kind, rows=rows, columns=columns, photometric_interpretation="MONOCHROME2")


def samples_of(data: bytes, kind: Format) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Decode the grey values of a picture whose header was checked: (height, width), upright, as stored."""
    return _samples(data, kind, 0)[0]


def decoder_of(data: bytes, kind: Format) -> str:
    """The distribution that decodes a picture whose header was checked."""
    if kind == "jpeg":
        return "simplejpeg"
    return "imagecodecs" if png_header(data).plain else "pillow"


def grey_of(data: bytes, kind: Format, level: int = 0) -> tuple[Grey, Grid]:
    """Decode to (height, width) float32 in [0, 1], the whole range of 8 or 16 bits, and say where the samples lie."""
    samples, decoded = _samples(data, kind, level)
    means, grid = averaged(samples, decoded, level)
    white = np.float32(np.iinfo(samples.dtype).max)
    return toned(means, lambda values: values.astype(np.float32) / white), grid


def _samples(data: bytes, kind: Format, level: int) -> tuple[NDArray[np.uint8] | NDArray[np.uint16], Grid]:
    with _opened(data, kind) as picture:
        if not isinstance(picture, JpegImageFile):
            return _png_samples(picture, data), FULL
        level = 0 if _orientation(picture) in UPRIGHT else min(level, DEEPEST_DCT)  # turning would move the first sample
        return _jpeg_samples(picture, data, level), Grid(level, block_centre(level))


@contextmanager
def _opened(data: bytes, kind: Format) -> Iterator[Picture]:
    """Open without decoding. Pillow warns of broken Exif and animation chunks, which are not used; nobody would read it here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stream = io.BytesIO(data)
        with PngImageFile(stream) if kind == "png" else JpegImageFile(stream) as picture:
            if (picture.height, picture.width) != _size(data, kind):  # a second header, behind the one that was checked
                raise UnreadableImageError("The picture states its size twice.")
            yield picture


def _size(data: bytes, kind: Format) -> tuple[int, int]:
    if kind == "jpeg":
        return _jpeg_size(data)
    header = png_header(data)
    return header.rows, header.columns


def _jpeg_size(data: bytes) -> tuple[int, int]:
    said = probe_jpeg(data)
    if said.process not in JPEG_PROCESSES or said.precision != 8:
        raise UnsupportedFormatError("The JPEG is not an 8-bit baseline or progressive one.")
    if said.process == PROGRESSIVE:
        check_scans(data)
    return said.rows, said.columns


def _png_samples(picture: Picture, data: bytes) -> NDArray[np.uint8] | NDArray[np.uint16]:
    header = png_header(data)
    if getattr(picture, "n_frames", 1) != 1:
        raise UnsuitableImageError("The PNG is animated.")
    if header.depth < 8 or (header.depth == 16 and picture.mode != "I;16"):
        raise UnsuitableImageError(COLOUR)  # Pillow reduces 16-bit colour to 8 bits
    if picture.mode == "LA" or (picture.mode in {"L", "I;16"} and "transparency" in picture.info):
        raise UnsuitableImageError(TRANSPARENT)
    if header.plain:
        return grey_samples(data, header)
    check_stream(data, header)
    if picture.mode in {"L", "I;16"}:
        return np.asarray(picture)
    channels = np.asarray(picture.convert("RGBA"))
    if (channels[..., 3] != 255).any():
        raise UnsuitableImageError(TRANSPARENT)
    return _grey(channels, tolerance=0)


def _jpeg_samples(picture: Picture, data: bytes, level: int) -> NDArray[np.uint8]:
    if picture.mode not in {"L", "RGB"}:
        raise UnsuitableImageError(COLOUR)
    samples = decode_jpeg(data, probe_jpeg(data), level, "GRAY" if picture.mode == "L" else "RGB")
    grey = samples[..., 0] if picture.mode == "L" else _grey(samples, tolerance=JPEG_NOISE)
    turn = UPRIGHT.get(_orientation(picture))
    return grey if turn is None else np.asarray(PillowImage.fromarray(grey).transpose(turn))


def _grey(channels: NDArray[np.uint8], tolerance: int) -> NDArray[np.uint8]:
    """The one grey value of three channels that agree; green, which weighs most in the luminance of a JPEG."""
    green = channels[..., 1].astype(np.int16)
    if any(np.abs(channels[..., other] - green).max() > tolerance for other in (0, 2)):
        raise UnsuitableImageError(COLOUR)
    return np.ascontiguousarray(channels[..., 1])


def _orientation(picture: Picture) -> int:
    value = picture.getexif().get(ORIENTATION, 1)
    return value if isinstance(value, int) else 1

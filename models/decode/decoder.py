"""The doors of decoding: content decides what a file is, and whatever goes wrong is a StudyError with a message that is safe to show."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.decode import dicom, png, raster
from models.decode.guard import nothing_else_escapes
from models.decode.image import Format, Header, Image, Limits
from models.decode.part10 import is_dicom
from models.decode.versions import versioned
from models.errors import MissingImageError, UnsupportedFormatError


def sniff(data: bytes) -> Format:
    """Tell what the bytes are, by the bytes alone.

    Raises MissingImageError for no bytes, UnsupportedFormatError for anything but DICOM, PNG and JPEG, and for a DICOM
    file whose preamble is the header of an executable.
    """
    if not data:
        raise MissingImageError("The file is empty.")
    if data.startswith(png.SIGNATURE):
        return "png"
    if data.startswith(raster.JPEG_SIGNATURE):
        return "jpeg"
    if is_dicom(data):
        return "dicom"
    raise UnsupportedFormatError("The file is neither DICOM, PNG nor JPEG.")


def read_header(data: bytes, limits: Limits) -> Header:
    """Read what a file says of itself, without decoding or copying a pixel.

    Raises the errors of `sniff`; UnreadableImageError for what is broken or contradicts itself; TooLargeError for what
    claims more than the limits; UnsupportedFormatError for a transfer syntax that is not read.
    """
    kind = sniff(data)
    with nothing_else_escapes("The header of the file cannot be read."):
        return dicom.header_of(data, limits) if kind == "dicom" else raster.header_of(data, kind, limits)


def decode(data: bytes, header: Header, limits: Limits, *, apply_voi: bool, level: int = 0) -> Image:
    """Decode a file to an Image: float32 (H, W) in [0, 1], bright = dense.

    DICOM goes through the greyscale pipeline (PS3.4 N.2). With `apply_voi`, and where the header has a VOI transformation, its
    output range is [0, 1]; otherwise [0, 1] is the range that Bits Stored and the Modality LUT give modality values. The
    range of a PNG or JPEG is that of its 8 or 16 bits.

    `level` asks for a lower resolution, 1 / 2^level of each side: decoded so where the format can, else averaged. The image's grid
    says where its samples lie.

    Raises UnreadableImageError for broken pixels, UnsuitableImageError for colour, transparency and several frames, and
    NotEvaluableError where the VOI transformation leaves nothing of the image.
    """
    with nothing_else_escapes("The pixel data cannot be decoded."):
        if header.format == "dicom":
            shown = dicom.grey_of(data, limits, apply_voi=apply_voi, level=level)
            return Image(shown.grey, header, shown.decoder, shown.grid, shown.lut)
        raster.header_of(data, header.format, limits)
        grey, grid = raster.grey_of(data, header.format, level)
        return Image(grey, header, versioned(raster.decoder_of(data, header.format)), grid, "none")


def stored_values(data: bytes, header: Header, limits: Limits) -> NDArray[np.integer]:
    """Decode only the stored values, (H, W): what any other decoder must agree with to the last bit.

    Raises the errors of `decode`, but for those of the greyscale pipeline.
    """
    with nothing_else_escapes("The pixel data cannot be decoded."):
        if header.format == "dicom":
            return dicom.stored_values_of_file(data, limits)
        raster.header_of(data, header.format, limits)
        return raster.samples_of(data, header.format)

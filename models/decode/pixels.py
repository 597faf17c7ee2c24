"""The Image Pixel module (PS3.3 C.7.6.3): what the header says of the pixels, checked before memory is spent, and stored values."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.decode.codecs import RLE, SYNTAXES, Compression, Samples
from models.decode.codestream import Codestream
from models.decode.completeness import check_complete
from models.decode.encapsulation import first_frame
from models.decode.reduction import FULL, Grid
from models.decode.tags import Tag
from models.errors import TooLargeError, UnreadableImageError, UnsuitableImageError

if TYPE_CHECKING:
    from models.decode.dataset import DataSet, Element
    from models.decode.image import Limits

GREY = ("MONOCHROME1", "MONOCHROME2")
# PS3.3 C.7.6.3.1.2; the number of samples that native pixel data holds for each pixel.
SAMPLES_HELD = {
    "MONOCHROME1": 1, "MONOCHROME2": 1, "PALETTE COLOR": 1,
    "RGB": 3, "YBR_FULL": 3, "YBR_FULL_422": 2, "YBR_PARTIAL_422": 2, "YBR_PARTIAL_420": 3, "YBR_ICT": 3, "YBR_RCT": 3,
}  # fmt: skip
MISMATCH = "The compressed pixel data and the header disagree about {}."

StoredValues = NDArray[np.integer]


@dataclass(frozen=True)
class PixelModule:
    """How stored values lie in the pixel data."""

    rows: int
    columns: int
    frames: int
    samples: int
    photometric: str
    allocated: int  # bits of a pixel cell
    stored: int  # bits of the value in it
    high: int  # its most significant bit
    signed: bool

    @property
    def stored_range(self) -> tuple[int, int]:
        """The smallest and largest value that Bits Stored can hold."""
        return (-(1 << self.stored - 1), (1 << self.stored - 1) - 1) if self.signed else (0, (1 << self.stored) - 1)


def pixel_module(dataset: DataSet, limits: Limits) -> PixelModule:
    """Read and check what the header says of the pixels; nothing is allocated.

    Raises UnreadableImageError for absent, contradictory or unsupported attributes, TooLargeError beyond the limits.
    """
    _check_presence(dataset)
    module = PixelModule(
        rows=dataset.unsigned(Tag.ROWS),
        columns=dataset.unsigned(Tag.COLUMNS),
        frames=_frames(dataset),
        samples=dataset.unsigned(Tag.SAMPLES_PER_PIXEL),
        photometric=dataset.text(Tag.PHOTOMETRIC_INTERPRETATION),
        allocated=dataset.unsigned(Tag.BITS_ALLOCATED),
        stored=dataset.unsigned(Tag.BITS_STORED),
        high=dataset.unsigned(Tag.HIGH_BIT),
        signed=dataset.unsigned(Tag.PIXEL_REPRESENTATION) == 1,
    )
    _check_size(module, limits)
    _check_cells(module)
    return module


def pixel_aspect_of(dataset: DataSet) -> float:
    """Height of a pixel over its width (PS3.3 C.7.6.3.1.7, 10.7.1.3), 1 if not stated; of several statements the farthest from 1."""
    ratios = [1.0]
    for tag in (Tag.PIXEL_SPACING, Tag.IMAGER_PIXEL_SPACING, Tag.PIXEL_ASPECT_RATIO):  # all are row spacing, then column spacing
        values = dataset.strings(tag)
        with suppress(ValueError, ZeroDivisionError):
            ratio = float(values[0]) / float(values[1]) if len(values) == 2 else 0.0
            ratios += [ratio] if 0 < ratio < math.inf else []
    return max(ratios, key=lambda ratio: abs(math.log(ratio)))


def check_pixel_data(dataset: DataSet, uid: str, module: PixelModule) -> None:
    """See that the pixel data is as large as the header says, or that its codestream says the same as the header.

    Raises UnreadableImageError where they disagree.
    """
    element, compression = dataset.elements[Tag.PIXEL_DATA], SYNTAXES[uid].compression
    if element.undefined_length != (compression is not None):
        raise UnreadableImageError("The pixel data is not encoded as its transfer syntax demands.")
    if compression is None:
        _check_length(element, module)
    else:
        _probe(element, compression, module)


def refuse_colour(module: PixelModule) -> None:
    """The rule for colour, of true colour and of palettes: refused by its name, before a palette or a pixel is read.

    Raises UnsuitableImageError for any photometric interpretation but MONOCHROME1 and MONOCHROME2.
    """
    if module.photometric not in GREY:
        raise UnsuitableImageError("The image is in colour: only MONOCHROME1 and MONOCHROME2 are read.")


class Decoded(NamedTuple):
    """Stored values (rows, columns), masked to Bits Stored and sign-extended; what decoded them, and where they lie."""

    values: StoredValues
    decoder: str
    grid: Grid = FULL


def stored_values_of(dataset: DataSet, uid: str, module: PixelModule, level: int = 0, threads: int = 1) -> Decoded:
    """Decode the one frame of a greyscale image whose pixel data was checked, at `level` or the next finer one that works.

    Raises UnreadableImageError where the frame is broken.
    """
    element, compression = dataset.elements[Tag.PIXEL_DATA], SYNTAXES[uid].compression
    if compression is None:
        cells = _native(element, dataset.encoding.byteorder, module)
        return Decoded(_values(cells, module).reshape(module.rows, module.columns), f"numpy {np.__version__}")
    frame, said = _probe(element, compression, module)
    codec = compression.codec(said.precision)
    reduced = _reduced(frame, said, compression, module, level)
    if reduced:
        return reduced
    samples = codec.samples(frame, said, module.allocated, threads)
    check_complete(frame, said, samples.reshape(module.rows, module.columns), lambda more: codec.samples(more, said, module.allocated))
    cells = _widen(samples, said, module)
    return Decoded(_values(cells, module).reshape(module.rows, module.columns), codec.name)


def _reduced(frame: bytes, said: Codestream, compression: Compression, module: PixelModule, level: int) -> Decoded | None:
    """The coarsest level from `level` on that can be decoded; a codestream may have fewer, and an odd size may break one."""
    scaled = compression.scaled
    if scaled is None or said.precision > scaled.deepest:
        return None
    for coarse in range(level, 0, -1):
        with suppress(OSError, ValueError, SyntaxError):  # Pillow's, for what it cannot decode; the full decode has the last word
            cells = scaled.decode(frame, said, coarse)
            if cells is not None:
                return Decoded(_values(_widen(cells, said, module), module), scaled.name, scaled.grid(coarse))
    return None


def _probe(element: Element, compression: Compression, module: PixelModule) -> tuple[bytes, Codestream]:
    """The first frame, and what it says of itself, which must be what the header says."""
    frame = first_frame(element.value, module.frames)
    said = compression.probe(frame)
    if compression is RLE:  # says nothing of rows and columns
        said = replace(said, rows=module.rows, columns=module.columns)
    _check_codestream(said, compression, module)
    return frame, said


def _check_presence(dataset: DataSet) -> None:
    if Tag.FLOAT_PIXEL_DATA in dataset or Tag.DOUBLE_FLOAT_PIXEL_DATA in dataset:
        raise UnreadableImageError("Float pixel data is not read.")
    if Tag.PIXEL_DATA not in dataset or dataset.elements[Tag.PIXEL_DATA].length == 0:
        raise UnreadableImageError(f"The DICOM object holds no pixel data: {Tag.PIXEL_DATA.label} is missing or empty.")


def _frames(dataset: DataSet) -> int:
    text = dataset.text(Tag.NUMBER_OF_FRAMES) or "1"
    if not (text.isascii() and text.isdigit() and len(text) <= 12 and int(text)):  # IS has at most 12 characters
        raise UnreadableImageError(f"{Tag.NUMBER_OF_FRAMES.label} is not a positive number.")
    return int(text)


def _check_size(module: PixelModule, limits: Limits) -> None:
    if module.rows == 0 or module.columns == 0:
        raise UnreadableImageError(f"{Tag.ROWS.label} or {Tag.COLUMNS.label} is zero.")
    if module.frames > limits.max_frames:
        raise TooLargeError("The image has more frames than max_frames.")
    if module.rows * module.columns * module.frames > limits.max_pixels:
        raise TooLargeError("The image has more pixels than max_pixels.")


def _check_cells(module: PixelModule) -> None:
    if SAMPLES_HELD.get(module.photometric) is None:
        raise UnreadableImageError(f"{Tag.PHOTOMETRIC_INTERPRETATION.label} is missing or unknown.")
    if module.samples != (3 if SAMPLES_HELD[module.photometric] > 1 else 1):
        raise UnreadableImageError(f"{Tag.SAMPLES_PER_PIXEL.label} does not fit {Tag.PHOTOMETRIC_INTERPRETATION.label}.")
    if module.allocated not in {8, 16}:
        raise UnreadableImageError(f"{Tag.BITS_ALLOCATED.label} is not 8 or 16.")
    if not 1 <= module.stored <= module.high + 1 <= module.allocated:
        raise UnreadableImageError(f"{Tag.BITS_STORED.label} and {Tag.HIGH_BIT.label} do not fit {Tag.BITS_ALLOCATED.label}.")


def _check_length(element: Element, module: PixelModule) -> None:
    """PS3.5 section 8.1.1: cells without gaps, padded to an even length, which some writers forget."""
    pixels = module.rows * module.columns * module.frames
    expected = pixels * SAMPLES_HELD[module.photometric] * module.allocated // 8
    if element.length not in {expected, expected + expected % 2}:
        raise UnreadableImageError(f"The length of {Tag.PIXEL_DATA.label} is not what {Tag.ROWS.label} x {Tag.COLUMNS.label} need.")


def _check_codestream(said: Codestream, compression: Compression, module: PixelModule) -> None:
    if said.process not in compression.processes:
        raise UnreadableImageError(MISMATCH.format("the compression process"))
    if (said.rows, said.columns) != (module.rows, module.columns):
        raise UnreadableImageError(MISMATCH.format("rows and columns"))
    if compression is RLE:  # one segment for each byte of a pixel, whatever its bits
        if said.precision != module.samples * module.allocated:
            raise UnreadableImageError(MISMATCH.format("the number of segments"))
        return
    if said.samples != module.samples:
        raise UnreadableImageError(MISMATCH.format("the samples per pixel"))
    if not 2 <= said.precision <= module.allocated or module.high != module.stored - 1 or not _signs_agree(said, module):
        raise UnreadableImageError(MISMATCH.format("the bits of a pixel"))


def _signs_agree(said: Codestream, module: PixelModule) -> bool:
    """JPEG and JPEG-LS know no sign, and some JPEG 2000 encoders drop it: the bits then mean what Pixel Representation says."""
    if said.signed == module.signed:
        return True
    return said.precision == module.stored or (module.signed and said.precision > module.stored)


def _native(element: Element, byteorder: str, module: PixelModule) -> Samples:
    """PS3.5 8.2 and A.3: big endian swaps the bytes of OW words, also where a word holds two 8-bit cells."""
    size = module.rows * module.columns
    order = ">u2" if byteorder == "big" else "<u2"
    if module.allocated == 16:
        return np.frombuffer(element.value, order, size)
    if byteorder == "big" and element.vr == b"OW":
        return np.frombuffer(element.value, order).astype("<u2").view(np.uint8)[:size]
    return np.frombuffer(element.value, np.uint8, size)


def _widen(samples: Samples, said: Codestream, module: PixelModule) -> Samples:
    """Samples in cells of Bits Allocated; decoders choose the cell by the precision of the codestream."""
    kind = "i" if said.signed else "u"
    cells = samples.view(f"{kind}{samples.itemsize}").astype(f"{kind}{module.allocated // 8}", copy=False)
    return cells.view(f"u{module.allocated // 8}")


def _is_plain(cells: Samples, module: PixelModule) -> bool:
    """Whether cells are values as they stand: nothing stands above or below the bits of any. To look costs less than a copy."""
    unshifted = not module.signed and module.high == module.stored - 1 and cells.dtype.isnative
    return unshifted and not int(cells.max()) >> module.stored


def _values(cells: Samples, module: PixelModule) -> StoredValues:
    """PS3.5 8.1.1: the bits from High Bit down, without what stands above or below; the topmost is the sign.

    In place where the cells may be written to: that is memory which a decoder has made for them.
    """
    width = module.allocated // 8
    kind = f"{'i' if module.signed else 'u'}{width}"
    if module.stored == module.allocated:
        return cells.view(np.dtype(kind).newbyteorder(cells.dtype.byteorder))
    if _is_plain(cells, module):
        return cells
    own = cells if cells.flags.writeable else cells.astype(f"u{width}")
    own <<= module.allocated - 1 - module.high
    values: StoredValues = own.view(kind)
    values >>= module.allocated - module.stored
    return values

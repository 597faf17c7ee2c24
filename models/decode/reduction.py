"""Decoding at the resolution that is needed: wavelet levels of JPEG 2000 (ITU-T T.800) and scaled DCT blocks of JPEG (T.81).

A level halves both sides. A wavelet level keeps the samples at pixels 0, 2, 4, ...; a scaled block lies at its centre. A resize that
took one for the other would shift the picture by half a sample, so where the samples lie travels with them.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile

from models.decode.codestream import EOI, Codestream
from models.decode.versions import versioned

Samples = NDArray[np.unsignedinteger]
DEEPEST_DCT = 3  # a block of 8 x 8 becomes one sample
BAND_ROWS = 32  # of means that are made at once: what is summed up stays in the cache


@dataclass(frozen=True)
class Grid:
    """Where decoded samples lie on the pixels of the file: sample i is centred on pixel ``first + i * step``, on both axes."""

    level: int = 0
    first: float = 0.0

    @property
    def step(self) -> int:
        """Pixels of the file from one sample to the next."""
        return 1 << self.level


FULL = Grid()


@dataclass(frozen=True)
class Scaled:
    """A decoder that can stop at a level.

    `decode` takes (frame, what it says of itself, level) and returns (rows, columns) in unsigned cells, or None where it cannot.
    """

    distribution: str
    decode: Callable[[bytes, Codestream, int], Samples | None]
    first: Callable[[int], float]
    deepest: int  # bits of a sample that it can decode

    @property
    def name(self) -> str:
        """The decoder and its version, as the answer reports it."""
        return versioned(self.distribution)

    def grid(self, level: int) -> Grid:
        """Where its samples of a level lie."""
        return Grid(level, self.first(level))


def averaged(values: NDArray[np.integer], grid: Grid, level: int) -> tuple[NDArray[np.integer] | NDArray[np.float32], Grid]:
    """The means of blocks, for what could not be decoded at `level`; a last row or column that fills no block is left out.

    Stored values are averaged before any lookup table, like the low-pass samples of a codestream: one picture in two transfer
    syntaxes stays one picture.
    """
    missing = min(max(0, level - grid.level), min(values.shape).bit_length() - 1)
    if missing == 0:
        return values, grid
    block = 1 << missing
    rows, columns = (length // block * block for length in values.shape)
    means = np.empty((rows // block, columns // block), np.float32)
    for start in range(0, len(means), BAND_ROWS):
        band = means[start : start + BAND_ROWS]
        band[:] = _summed(values[start * block : (start + len(band)) * block, :columns], block)
    means *= np.float32(1 / block**2)
    return means, Grid(grid.level + missing, grid.first + block_centre(missing) * grid.step)


def _summed(values: NDArray[np.integer], block: int) -> NDArray[np.float32]:
    """The sums of blocks: rows first, which lie together in memory. Sums of 16-bit values are exact in float32, up to blocks of 16."""
    rows = values[::block].astype(np.float32)
    for row in range(1, block):
        rows += values[row::block]
    sums = rows[:, ::block].copy()
    for column in range(1, block):
        sums += rows[:, column::block]
    return sums


def block_centre(level: int) -> float:
    """The centre of the first block of 2^level pixels."""
    return ((1 << level) - 1) / 2


def wavelet_samples(_: int) -> float:
    """The first low-pass sample lies on the first pixel (T.800 annex F: even-indexed samples)."""
    return 0.0


def decode_jpeg(frame: bytes, said: Codestream, level: int, colorspace: str = "GRAY") -> NDArray[np.uint8]:
    """Decode an 8-bit JPEG to (rows, columns, samples) at a level up to DEEPEST_DCT.

    Raises ValueError for anything that libjpeg warns of: it fills what is missing with grey, and goes on.
    """
    rows, columns = (-(-length >> level) if level else 0 for length in (said.rows, said.columns))
    samples: NDArray[np.uint8] = simplejpeg.decode_jpeg(frame, colorspace, min_height=rows, min_width=columns, strict=True)
    return samples


def _decode_jpeg(frame: bytes, said: Codestream, level: int) -> Samples | None:
    return None if level > DEEPEST_DCT else _if_shaped(decode_jpeg(frame, said, level)[..., 0], said, level)


def _decode_jpeg2000(frame: bytes, said: Codestream, level: int) -> Samples | None:
    if not _starts_at_zero(frame) or not frame.rstrip(b"\0").endswith(EOI):  # whole: what a low level leaves out is not looked at
        return None
    picture = Jpeg2KImageFile(io.BytesIO(frame))
    picture.reduce = level
    cells = _if_shaped(np.asarray(picture), said, level)
    if cells is None:
        return None
    # Pillow widens samples to 8 or 16 bits, and shifts signed ones up to zero.
    unsigned = np.right_shift(cells, 8 * cells.itemsize - said.precision, dtype=cells.dtype)
    return np.subtract(unsigned, 1 << said.precision - 1, dtype=cells.dtype) if said.signed else unsigned


def _if_shaped(cells: Samples, said: Codestream, level: int) -> Samples | None:
    step = 1 << level
    shape = (-(-said.rows // step), -(-said.columns // step))
    return cells if cells.shape == shape and cells.itemsize == (1 if said.precision <= 8 else 2) else None


def _starts_at_zero(frame: bytes) -> bool:
    """Whether image and tiles begin at the origin of the reference grid and no component is subsampled (T.800 A.5.1)."""
    return struct.unpack_from(">2I8x2I", frame, 16) == (0, 0, 0, 0) and frame[43:45] == b"\x01\x01"


JPEG = Scaled("simplejpeg", _decode_jpeg, block_centre, deepest=8)
JPEG_2000 = Scaled("pillow", _decode_jpeg2000, wavelet_samples, deepest=16)

"""Decoding at the resolution that is needed: scaled DCT blocks of JPEG (ITU-T T.81), means of blocks for everything else.

A level halves both sides. Where the samples lie travels with them: a resize that guessed it would shift the picture by half a sample.
Why wavelet levels of JPEG 2000 are not used: docs/decisions/0007-one-picture-at-every-resolution.md.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray
from PIL.JpegImagePlugin import JpegImageFile

from models.decode.codestream import Codestream

Samples = NDArray[np.unsignedinteger]
DEEPEST_DCT = 3  # a block of 8 x 8 becomes one sample


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
    deepest: int  # bits of a sample that it can decode

    @property
    def name(self) -> str:
        """The decoder and its version, as the answer reports it."""
        return f"{self.distribution} {version(self.distribution)}"


def averaged(values: NDArray[np.integer], grid: Grid, level: int) -> tuple[NDArray[np.integer] | NDArray[np.float32], Grid]:
    """The means of blocks, for what could not be decoded at `level`; a last row or column that fills no block is left out.

    Stored values are averaged before any lookup table, where a codestream is scaled too: one picture in two transfer syntaxes
    stays one picture.
    """
    missing = min(max(0, level - grid.level), min(values.shape).bit_length() - 1)
    if missing == 0:
        return values, grid
    block = 1 << missing
    rows, columns = (length // block * block for length in values.shape)
    means = np.zeros((rows // block, columns // block), np.float32)
    for row in range(block):
        for column in range(block):
            means += values[row:rows:block, column:columns:block]
    means *= np.float32(1 / block**2)
    return means, Grid(grid.level + missing, grid.first + block_centre(missing) * grid.step)


def block_centre(level: int) -> float:
    """The centre of the first block of 2^level pixels."""
    return ((1 << level) - 1) / 2


def scale(picture: JpegImageFile, level: int) -> Grid:
    """Let a JPEG that was opened, and not yet decoded, give no more than a level."""
    level = min(level, DEEPEST_DCT, min(picture.size).bit_length() - 1)
    picture.draft(picture.mode, (picture.width >> level, picture.height >> level))
    return Grid(level, block_centre(level))


def _decode_jpeg(frame: bytes, said: Codestream, level: int) -> Samples | None:
    if level > DEEPEST_DCT:
        return None
    picture = JpegImageFile(io.BytesIO(frame))
    scale(picture, level)
    return _if_shaped(np.asarray(picture), said, level)


def _if_shaped(cells: Samples, said: Codestream, level: int) -> Samples | None:
    step = 1 << level
    shape = (-(-said.rows // step), -(-said.columns // step))
    return cells if cells.shape == shape and cells.itemsize == (1 if said.precision <= 8 else 2) else None


JPEG = Scaled("pillow", _decode_jpeg, deepest=8)

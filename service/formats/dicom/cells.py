"""Attention, from the grid of the network's view to a matrix that covers the whole original picture: mirroring, crop and padding undone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.prediction import AttentionMap

LONGEST = 256  # pixels of the longer side of the matrix: many in each cell of any network, and not more than 256 kB in 32 bits

Indices = NDArray[np.intp]


def matrix_of(rows: int, columns: int) -> tuple[int, int]:
    """Rows and columns of a matrix of the shape of the original, no side longer than LONGEST or than the original's."""
    scale = min(1.0, LONGEST / max(rows, columns))
    return max(1, round(rows * scale)), max(1, round(columns * scale))


def laid_over(attention: AttentionMap, original: tuple[int, int]) -> NDArray[np.float32]:
    """(rows, columns) float32 of `matrix_of` the original: each pixel has the weight of the cell that its centre lies in.

    Nothing is interpolated, so that every number is one that the network gave. What the network did not see is 0.
    """
    lies = attention.geometry
    rows, columns = (_centres(count, pixels) for count, pixels in zip(matrix_of(*original), original, strict=True))
    across = columns - lies.left
    down = _cells(rows - lies.top, lies.height, lies.pad_top, lies.side, attention.rows)
    right = _cells(lies.width - across if lies.mirrored else across, lies.width, lies.pad_left, lies.side, attention.columns)
    weights = np.pad(np.asarray(attention.values, np.float32), ((0, 1), (0, 1)))  # the last row and the last column: not seen
    return weights[np.ix_(down, right)]


def _centres(count: int, pixels: int) -> NDArray[np.float64]:
    """Where the centres of `count` equal parts of a side lie, in pixels of the original."""
    return (np.arange(count) + 0.5) * pixels / count


def _cells(at: NDArray[np.float64], length: int, padding: int, side: int, cells: int) -> Indices:
    """Which of the cells along a side of the padded square each place of the crop lies in; -1 for places outside of the crop."""
    found = ((at + padding) * cells / side).astype(np.intp).clip(0, cells - 1)
    return np.where((at >= 0) & (at <= length), found, -1)

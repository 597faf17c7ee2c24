"""Superpixels: a picture cut into pieces of like brightness, by the k-means of SLIC (Achanta et al., PAMI 2012)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
ROUNDS = 8
COMPACTNESS = 0.2  # of brightness in [0, 1] that weighs as much as one grid step of distance


def superpixels(picture: Floats, across: int) -> NDArray[np.int64]:
    """A picture (H, W) in [0, 1] -> the piece of each pixel (H, W), numbered from 0; about `across` squared pieces.

    Only the nine centres around a pixel's own grid cell compete for it, so that pieces stay local.
    """
    height, width = picture.shape
    rows, columns = np.indices(picture.shape).astype(np.float64)
    cell_row, cell_column = (rows * across // height).astype(int), (columns * across // width).astype(int)
    labels = cell_row * across + cell_column
    data = np.stack([rows * across / height, columns * across / width, picture / COMPACTNESS])
    near = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    rivals = np.stack([(cell_row + d).clip(0, across - 1) * across + (cell_column + r).clip(0, across - 1) for d, r in near])
    for _ in range(ROUNDS):
        centres = _centres(data, labels, across * across)
        distance = ((data[:, np.newaxis] - centres[:, rivals]) ** 2).sum(0)
        labels = np.take_along_axis(rivals, distance.argmin(0)[np.newaxis], 0)[0]
    return np.unique(labels, return_inverse=True)[1].reshape(picture.shape)


def _centres(data: NDArray[np.float64], labels: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """The mean of each piece (3, count); far away where a piece has no pixel left."""
    pixels = np.bincount(labels.ravel(), minlength=count)
    sums = np.stack([np.bincount(labels.ravel(), channel.ravel(), minlength=count) for channel in data])
    return np.where(pixels > 0, sums / np.maximum(pixels, 1), 1e6)

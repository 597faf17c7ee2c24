"""What a baseline without a network reads: a few numbers of each image, the fields as they are, and the fold's own choice of variants."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from models.layers.variants import Variants
from models.spec import TabularInput
from training.data import Cohort, Indices
from training.metrics import Floats

GREY_CELLS, EDGE_CELLS = 8, 4  # on a side
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
GENOTYPES = 96  # variants that the training rows choose
CHUNK = 64


def image_features(cohort: Cohort) -> Floats:
    """Of every image of every row (N, F): mean grey and mean gradient on coarse grids, quantiles, spread."""
    tensors = cohort.tensors
    parts = [np.concatenate([_of_images(some) for some in _chunks(tensors[part.name])]) for part in cohort.spec.images]
    return np.concatenate(parts, axis=1)


def table_features(cohort: Cohort, mask: NDArray[np.float32] | None = None) -> Floats:
    """The fields (N, W), NaN where missing, and the mask (N, F); `mask` in place of the cohort's. (N, 0) of a model without fields."""
    tensors, table = cohort.tensors, cohort.spec.table
    if table.mask not in tensors:
        return np.zeros((len(cohort.rows), 0))
    present = np.asarray(tensors[table.mask] if mask is None else mask)
    wide = np.repeat(present, _widths(table), axis=1)
    return np.concatenate((np.where(wide > 0, tensors[table.name], np.nan), present), axis=1).astype(np.float64)


def genotype_features(cohort: Cohort, train: Indices) -> Floats:
    """Copies of the variants that the training rows choose (N, V), by the network's own rule; (N, 0) where there are none."""
    if cohort.spec.genotypes is None:
        return np.zeros((len(cohort.rows), 0))
    calls = torch.from_numpy(np.array(cohort.tensors[cohort.spec.genotypes.name]))
    chooser = Variants(min(GENOTYPES, calls.shape[1]))
    chooser.standardise(calls[train], torch.from_numpy(cohort.targets[train]))
    chosen: Floats = chooser(calls).numpy().astype(np.float64)
    return chosen


def _widths(table: TabularInput) -> list[int]:
    return [field.width for field in table.network_fields]


def _chunks(images: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    return [images[start : start + CHUNK, 0] for start in range(0, len(images), CHUNK)]  # channels of a grey picture are copies


def _of_images(images: NDArray[np.float32]) -> Floats:
    """(N, H, W) -> (N, F)."""
    down, across = np.gradient(images, axis=(1, 2))
    grey, edges = _pooled(images, GREY_CELLS), _pooled(np.hypot(down, across), EDGE_CELLS)
    quantiles = np.quantile(images, QUANTILES, axis=(1, 2)).T
    spread = images.std(axis=(1, 2))[:, None]
    return np.concatenate((grey, edges, quantiles, spread), axis=1).astype(np.float64)


def _pooled(images: NDArray[np.float32], cells: int) -> NDArray[np.float32]:
    """The mean over each of cells x cells blocks (N, cells * cells)."""
    count, height, width = images.shape
    blocks = images.reshape(count, cells, height // cells, cells, width // cells)
    return np.asarray(blocks.mean((2, 4)).reshape(count, -1))

"""LIME for a picture (Ribeiro et al., KDD 2016): a linear model of the answer around one picture, over its superpixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

KERNEL_WIDTH = 0.25  # of the cosine distance, as in the authors' implementation
RIDGE = 1.0


@dataclass(frozen=True)
class Fit:
    """What each piece adds to the answer (P,), and the weighted R2 of the linear model: low means that it explains little."""

    pieces: NDArray[np.float64]
    r2: float


def masks(pieces: int, samples: int, seed: int = 0) -> NDArray[np.bool_]:
    """Which pieces are kept, (samples, pieces); the first sample keeps all. The same for the same numbers."""
    kept = np.random.default_rng(seed).random((samples, pieces)) < 0.5
    kept[0] = True
    return kept


def hidden(image: NDArray[np.float32], labels: NDArray[np.int64], kept: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The image (C, H, W) with each piece that is not kept (P,) painted in the image's mean."""
    mean = image.mean((1, 2), keepdims=True)
    return np.where(kept[labels][np.newaxis], image, mean).astype(np.float32)


def fit(kept: NDArray[np.bool_], answers: NDArray[np.floating]) -> Fit:
    """Ridge regression of the answers (samples,) on what was kept, weighted by nearness to the whole picture."""
    x, y = kept.astype(np.float64), answers.astype(np.float64)
    distance = 1 - np.sqrt(x.mean(1))  # the cosine distance to a vector of ones
    weight = np.exp(-((distance / KERNEL_WIDTH) ** 2))
    weight /= weight.sum()
    centre_x, centre_y = weight @ x, weight @ y
    dx, dy = x - centre_x, y - centre_y
    gram = (dx * weight[:, np.newaxis]).T @ dx * len(x) + RIDGE * np.eye(x.shape[1])
    pieces = np.linalg.solve(gram, (dx * weight[:, np.newaxis]).T @ dy * len(x))
    total = float(weight @ dy**2)
    left = float(weight @ (dy - dx @ pieces) ** 2)
    return Fit(pieces, 1 - left / total if total > 0 else 0.0)

"""Grad-CAM (Selvaraju et al., ICCV 2017), from features and the exact gradient of the answer with respect to them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def gradcam(features: Floats, gradients: Floats) -> Floats:
    """Features and gradients (C, h, w) -> (h, w): what speaks for the answer, summing to 1; all zero where nothing does."""
    weights = gradients.mean((1, 2), dtype=np.float64)
    heat = np.maximum(np.tensordot(weights, features.astype(np.float64), 1), 0)
    total = heat.sum()
    return (heat / total if total > 0 else heat).astype(np.float32)

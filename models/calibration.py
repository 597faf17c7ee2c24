"""Probabilities made honest: what training measured of their calibration, applied once, before anything is judged by them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.spec import Calibration, Classification, Measured

Probabilities = NDArray[np.float64]
EDGE = 1e-7  # probabilities are kept this far from 0 and 1, where a logarithm ends


def calibrated(part: Classification, probabilities: Probabilities, measured: Measured | None) -> Probabilities:
    """Probabilities (..., K) of a network -> those that are told (..., K); of exclusive classes they sum to 1.

    Exclusive classes share one temperature (Guo et al., ICML 2017); of others each has a slope and a bias (Platt, 1999).
    Where training measured nothing they stay what they are.
    """
    known = measured.calibration if measured else {}
    if part.exclusive:
        return _softened(probabilities, known[part.tensor].slope) if part.tensor in known else probabilities
    columns = [moved(probabilities[..., k], known[each.name]) if each.name in known else probabilities[..., k]
               for k, each in enumerate(part.classes)]  # fmt: skip
    return np.stack(columns, axis=-1)


def moved(probability: Probabilities, by: Calibration) -> Probabilities:
    """One class that excludes no other: sigmoid(slope * logit(p) + bias). Also of one of two exclusive classes, with a bias of 0."""
    clipped = np.clip(probability, EDGE, 1 - EDGE)
    moved: Probabilities = 1 / (1 + np.exp(-(by.slope * (np.log(clipped) - np.log1p(-clipped)) + by.bias)))
    return moved


def inverse(of: Calibration) -> Calibration:
    """What takes `moved` back."""
    return Calibration(slope=1 / of.slope, bias=-of.bias / of.slope)


def _softened(probabilities: Probabilities, slope: float) -> Probabilities:
    logits = slope * np.log(np.clip(probabilities, EDGE, 1.0))
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    softened: Probabilities = raised / raised.sum(axis=-1, keepdims=True)
    return softened

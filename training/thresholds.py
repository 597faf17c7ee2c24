"""What validation rows decide, which neither train nor judge: from where a class is positive, and whether it is told well enough."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from models.spec import Classification
from training.metrics import auc

Floats = NDArray[np.float64]
FEWEST = 5  # positives and negatives; with fewer the declared threshold stays
LEAST_AUC = 0.7  # which a class must be shown to exceed, with its whole interval
Z = 1.96  # of a two-sided 95 % interval
LOWEST, HIGHEST = 0.02, 0.98  # a threshold outside would call everything, or nothing


def chosen_thresholds(
    part: Classification, targets: Floats, probabilities: Floats, sensitivity: float | None = None
) -> dict[str, float]:
    """Class -> threshold, of targets and probabilities (N, K).

    The one that reaches a stated sensitivity, or else Youden's: where sensitivity + specificity is largest (Youden, Cancer 1950). Of two
    exclusive classes one number decides both; of more the likeliest is taken, and there is nothing to choose.
    """
    names = [each.name for each in part.classes]
    choose: Callable[[Floats, Floats], float | None] = youden if sensitivity is None else partial(reaching, sensitivity)
    if not part.exclusive:
        found = {name: choose(targets[:, k], probabilities[:, k]) for k, name in enumerate(names)}
        return {name: value for name, value in found.items() if value is not None}
    value = choose(targets[:, 1], probabilities[:, 1]) if len(names) == 2 else None
    return {} if value is None else {names[0]: round(1 - value, 6), names[1]: value}


def unproven(part: Classification, targets: Floats, probabilities: Floats) -> list[str]:
    """The classes whose AUC on targets and probabilities (N, K) is not shown to exceed LEAST_AUC, or for which there are too few rows."""
    return [each.name for k, each in enumerate(part.classes) if not auc_low(targets[:, k], probabilities[:, k]) > LEAST_AUC]


def auc_low(target: Floats, probability: Floats) -> float:
    """The lower end of the 95 % interval of the AUC of one class (N,) (Hanley & McNeil, Radiology 1982); 0 with too few of either kind."""
    known = ~np.isnan(target)
    positives = int((target[known] > 0.5).sum())
    negatives = int(known.sum()) - positives
    if min(positives, negatives) < FEWEST:
        return 0.0
    area = auc(target[known] > 0.5, probability[known])
    by_positive, by_negative = area / (2 - area) - area**2, 2 * area**2 / (1 + area) - area**2
    variance = area * (1 - area) + (positives - 1) * by_positive + (negatives - 1) * by_negative
    return area - Z * float(np.sqrt(variance / (positives * negatives)))


def reaching(sensitivity: float, targets: Floats, probabilities: Floats) -> float | None:
    """The highest threshold at which at least so many of the positives are called, halfway to the next lower probability.

    None where there are too few of either kind, or so few positives that only the threshold of calling all of them would do.
    """
    known = ~np.isnan(targets)
    truth, told = targets[known] > 0.5, probabilities[known]
    positives = int(truth.sum())
    called = math.ceil(round(sensitivity * positives, 9))
    if min(positives, len(truth) - positives) < FEWEST or called == positives:
        return None
    lowest = float(np.sort(told[truth])[positives - called])
    below = float(told[told < lowest].max(initial=0.0))
    return math.floor(1e6 * (lowest + below) / 2) / 1e6


def youden(targets: Floats, probabilities: Floats) -> float | None:
    """The threshold halfway between two neighbouring probabilities that calls best; None where there are too few of either kind."""
    known = ~np.isnan(targets)
    order = np.argsort(-probabilities[known], kind="stable")
    positive, falling = targets[known][order] > 0.5, probabilities[known][order]
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if min(positives, negatives) < FEWEST:
        return None
    gain = np.cumsum(positive) / positives - np.cumsum(~positive) / negatives
    ends = np.append(falling[1:] < falling[:-1], True)
    best = int(np.argmax(np.where(ends, gain, -np.inf)))
    below = falling[best + 1] if best + 1 < len(falling) else 0.0
    return round(float(np.clip((falling[best] + below) / 2, LOWEST, HIGHEST)), 4)

"""Class probabilities -> findings: the threshold of each, exactly one of exclusive classes, and "none" only where nothing else holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.calibration import calibrated
from models.prediction import ClassSet, Finding, InvalidOutputError, Tensors
from models.spec import Class, Classification, Measured

SUM_TOLERANCE = 1e-3
UNPROVEN = "not shown on validation cases to be told well enough from its absence; do not act on it, in either direction"


def class_findings(part: Classification, outputs: Tensors, measured: Measured | None) -> tuple[Finding, ...]:
    """One finding for each class, in the order of the spec.

    Parameters
    ----------
    outputs
        `part.tensor` holds probabilities (K,): summing to 1 where the classes are exclusive.
    measured
        Thresholds that training chose, by class (the declared one holds where there is none), and which classes it could not prove.

    Raises
    ------
    InvalidOutputError
        A probability lies outside [0, 1], or exclusive ones do not sum to 1.
    """
    values = outputs[part.tensor].astype(np.float64)
    if values.min() < 0 or values.max() > 1:
        raise InvalidOutputError(f"output {part.tensor} holds what is no probability")
    if part.exclusive:
        values = _sum_to_one(part, values)
    values = calibrated(part, values, measured)
    chosen, unproven = (measured.thresholds, measured.unproven) if measured else ({}, ())
    thresholds = {each.name: chosen.get(each.name, each.threshold) for each in part.classes}
    probabilities = {each.name: float(value) for each, value in zip(part.classes, values, strict=True)}
    found = (_exclusive if part.exclusive else _independent)(part, probabilities, thresholds)
    return tuple(replace(each, reservation=UNPROVEN if each.name in unproven else None) for each in found)


def class_set(part: Classification, findings: Sequence[Finding], measured: Measured | None) -> ClassSet | None:
    """The classes that the true one is among with a stated probability: the positive one, and all that are probable enough.

    None where the classes do not exclude each other, or the artifact carries no rule.
    """
    rule = measured.sets.get(part.tensor) if measured else None
    if rule is None:
        return None
    names = {each.name for each in part.classes}
    among = tuple(each.name for each in findings if each.name in names and (each.positive or each.probability >= rule.least))
    return ClassSet(rule.level, among)


def _sum_to_one(part: Classification, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    total = float(probabilities.sum())
    if abs(total - 1) > SUM_TOLERANCE:
        raise InvalidOutputError(f"output {part.tensor} is not a distribution")
    return probabilities / total


def _exclusive(part: Classification, probabilities: dict[str, float], thresholds: Mapping[str, float | None]) -> tuple[Finding, ...]:
    """The class that passes its threshold by the largest factor; without thresholds the likeliest, which had to beat all the others."""
    ratios = {name: value / (thresholds[name] or 1.0) for name, value in probabilities.items()}
    winner = max(ratios, key=lambda name: ratios[name])  # of equals the first
    told = {name: threshold or max(v for other, v in probabilities.items() if other != name) for name, threshold in thresholds.items()}
    return tuple(_finding(each, probabilities[each.name], told[each.name], positive=each.name == winner) for each in part.classes)


def _independent(part: Classification, probabilities: dict[str, float], thresholds: Mapping[str, float | None]) -> tuple[Finding, ...]:
    """Each by its own threshold. That none of the others holds can be no likelier than that the likeliest of them does not."""
    limits = {name: 0.5 if threshold is None else threshold for name, threshold in thresholds.items()}
    positive = {name: value >= limits[name] for name, value in probabilities.items()}
    none = part.none_of_the_others
    if none is not None:
        others = [name for name in probabilities if name not in {none, *part.beside}]
        probabilities[none] = min(probabilities[none], 1 - max(probabilities[name] for name in others))
        positive[none] = probabilities[none] >= limits[none] and not any(positive[name] for name in others)
    return tuple(_finding(each, probabilities[each.name], limits[each.name], positive=positive[each.name]) for each in part.classes)


def _finding(each: Class, probability: float, threshold: float, *, positive: bool) -> Finding:
    return Finding(each.name, probability, threshold, positive, each.code, each.finding_site)

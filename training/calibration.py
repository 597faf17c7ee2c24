"""Are probabilities what they say? What makes them so, fitted on rows that neither trained a network nor chose its epoch, and measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from models.calibration import EDGE, calibrated, inverse, moved
from models.spec import Calibration, Classification, Measured, ModelSpec, SetRule
from training.metrics import Floats, conformal
from training.thresholds import chosen_thresholds

FOLDS = 5
FEWEST = 20  # of either kind; with fewer a class keeps its own probabilities
LEVEL = 0.9
BINS = 10
PRIOR = np.array([0.5, 1.0])  # standard deviations of log slope and bias
NOTHING = Calibration(slope=1.0)
Rows = NDArray[np.int64]


def recalibrated(
    spec: ModelSpec, measured: Measured, target: Floats, estimate: Floats, bare: Floats, sensitivity: float | None = None
) -> Measured:
    """What calibration rows say (N, K): errors of a regression, how honest probabilities are, and sets of classes.

    `bare` are estimates with every optional field hidden. Thresholds are carried to the new scale, so that no decision changes, or
    chosen anew to reach `sensitivity` on these rows; a class with too few of them keeps its own.
    """
    found: dict[str, Calibration] = {}
    thresholds: dict[str, float] = {}
    sets: dict[str, SetRule] = {}
    for part in spec.classifications:
        new = fitted(part, target, estimate)
        thresholds |= carried(part, measured, new)
        found |= new
        told = calibrated(part, estimate, measured.model_copy(update={"calibration": new}))
        if sensitivity is not None:
            thresholds |= chosen_thresholds(part, target, told, sensitivity)
        if part.exclusive and (rule := set_rule(target, told)):
            sets[part.tensor] = rule
    errors = {part.name: conformal(target[:, 0], estimate[:, 0]) for part in spec.regressions}
    without = {part.name: conformal(target[:, 0], bare[:, 0]) for part in spec.regressions}
    changed = {"errors": errors, "errors_without_context": without, "calibration": found, "sets": sets, "thresholds": thresholds}
    return measured.model_copy(update=changed if sensitivity is None else changed | {"sensitivity": sensitivity})


def fitted(part: Classification, targets: Floats, probabilities: Floats) -> dict[str, Calibration]:
    """The calibration of targets and raw probabilities (N, K); empty where cross-validation does not show that it helps.

    Of exclusive classes one temperature, under the tensor's name; of others a slope and a bias for each class that has enough rows.
    """
    if part.exclusive:
        found = _helpful(
            lambda rows: _temperature(part, targets[rows], probabilities[rows]),
            lambda by, rows: log_loss(targets[rows], calibrated(part, probabilities[rows], _only(part.tensor, by))),
            len(targets),
        )
        return {part.tensor: found} if found else {}
    each = {one.name: _of_class(targets[:, k], probabilities[:, k]) for k, one in enumerate(part.classes)}
    return {name: found for name, found in each.items() if found}


def set_rule(targets: Floats, told: Floats, level: float = LEVEL) -> SetRule | None:
    """From targets and calibrated probabilities (N, K): least-ambiguous sets (Sadinle, Lei & Wasserman, JASA 2019).

    None where there are so few rows that only the set of all classes holds the level.
    """
    true = np.sort(told[np.arange(len(told)), targets.argmax(1)])
    place = int(np.floor((len(true) + 1) * (1 - level)))  # rows below it may be missed
    if place < 1:
        return None
    return SetRule(level=level, least=float(true[place - 1]), cases=len(true))


def carried(part: Classification, measured: Measured, new: Mapping[str, Calibration]) -> dict[str, float]:
    """The thresholds of `measured` on the scale of another calibration: what they decide stays the same."""
    keys = {each.name: part.tensor if part.exclusive else each.name for each in part.classes}
    found = {}
    for name, threshold in measured.thresholds.items():
        raw = moved(np.array(threshold), inverse(measured.calibration.get(keys[name], NOTHING)))
        found[name] = round(float(moved(raw, new.get(keys[name], NOTHING))), 6)
    return found


def log_loss(target: Floats, probability: Floats) -> float:
    """Mean negative log-likelihood in nats; of one class (N,), where it is known, or of exclusive ones (N, K)."""
    if target.ndim == 2:
        return float(-np.log(np.clip(probability[np.arange(len(target)), target.argmax(1)], EDGE, 1)).mean())
    known = ~np.isnan(target)
    truth, told = target[known], np.clip(probability[known], EDGE, 1 - EDGE)
    return float(-(truth * np.log(told) + (1 - truth) * np.log1p(-told)).mean())


def expected_error(target: Floats, probability: Floats) -> float:
    """ECE of one class (N,): mean gap between how often it is true and how probable it is told to be, over ten bins of equally many rows.

    Naeini et al., AAAI 2015. Never zero: with n rows in a bin, a perfect probability p misses by about sqrt(p (1 - p) / n).
    """
    return float(sum(weight * abs(gap) for weight, gap, _ in _bins(target, probability)))


def debiased_error(target: Floats, probability: Floats) -> float:
    """Root mean square calibration error of one class (N,), less what sampling alone would show (Kumar, Liang & Ma, NeurIPS 2019)."""
    square = sum(weight * (gap**2 - noise) for weight, gap, noise in _bins(target, probability))
    return float(np.sqrt(max(square, 0.0)))


def reliability(target: Floats, probability: Floats) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Of each bin: how probable, how often true, and how many rows."""
    groups = _grouped(target, probability)
    return (
        np.array([told.mean() for _, told in groups]), np.array([truth.mean() for truth, _ in groups]),
        np.array([len(truth) for truth, _ in groups]),
    )  # fmt: skip


def _grouped(target: Floats, probability: Floats) -> list[tuple[Floats, Floats]]:
    known = ~np.isnan(target)
    truth, told = target[known], probability[known]
    return [(truth[rows], told[rows]) for rows in np.array_split(np.argsort(told, kind="stable"), BINS) if len(rows) > 1]


def _bins(target: Floats, probability: Floats) -> list[tuple[float, float, float]]:
    """Of each bin: its share of the rows, its gap, and the variance of that gap."""
    groups = _grouped(target, probability)
    count = sum(len(truth) for truth, _ in groups)
    return [
        (len(truth) / count, float(truth.mean() - told.mean()), float(truth.mean() * (1 - truth.mean()) / (len(truth) - 1)))
        for truth, told in groups
    ]


def _helpful(
    fit: Callable[[Rows], Calibration], loss: Callable[[Calibration, Rows], float], count: int
) -> Calibration | None:
    """Fitted on all rows, if on rows that it was not fitted on it errs less than nothing does."""
    folds = np.arange(count) % FOLDS
    np.random.default_rng(0).shuffle(folds)
    parts = [(np.flatnonzero(folds != k), np.flatnonzero(folds == k)) for k in range(FOLDS)]
    gained = sum(loss(NOTHING, held_out) - loss(fit(seen), held_out) for seen, held_out in parts)
    return fit(np.arange(count)) if gained > 0 else None


def _only(key: str, by: Calibration) -> Measured:
    return Measured(training_data="", recipe="", seed=0, calibration={key: by})


def _temperature(part: Classification, targets: Floats, probabilities: Floats) -> Calibration:
    def loss(log_slope: Floats) -> float:
        return log_loss(targets, calibrated(part, probabilities, _only(part.tensor, Calibration(slope=float(np.exp(log_slope[0]))))))

    return Calibration(slope=round(float(np.exp(minimize(loss, [0.0], method="Nelder-Mead").x[0])), 4))


def _of_class(target: Floats, probability: Floats) -> Calibration | None:
    known = ~np.isnan(target)
    truth, told = target[known], probability[known]
    if min(truth.sum(), (1 - truth).sum()) < FEWEST:
        return None
    return _helpful(lambda rows: _platt(truth[rows], told[rows]), lambda by, rows: log_loss(truth[rows], moved(told[rows], by)), len(truth))


def _platt(truth: Floats, told: Floats) -> Calibration:
    """A prior holds slope and bias near 1 and 0 where rows say little: those that are told apart entirely would take any slope."""

    def loss(values: Floats) -> float:
        fit = log_loss(truth, moved(told, Calibration(slope=float(np.exp(values[0])), bias=float(values[1]))))
        return fit + float(((values / PRIOR) ** 2).sum() / 2 / len(truth))

    log_slope, bias = minimize(loss, [0.0, 0.0], method="Nelder-Mead").x
    return Calibration(slope=round(float(np.exp(log_slope)), 4), bias=round(float(bias), 4))

"""What evaluation measures, each with a bootstrap interval over cases."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from models.regression import boundary
from models.spec import ErrorDistribution, Regression

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Metric = Callable[[Floats, Floats], float]
RESAMPLES = 1000
LEVEL = 0.95
FEWEST_POSITIVES = 5  # below this a screening metric says nothing
CALIBRATION_STEPS = 41
FEWEST_CALIBRATION_CASES = 9  # with fewer, no finite interval holds 90 % (Lei et al., 2018)


@dataclass(frozen=True)
class Estimate:
    """A metric and its bootstrap interval; NaN where it cannot be estimated."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return "not estimable" if np.isnan(self.value) else f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True)
class Scored:
    """Targets and estimates of one network: (N,) in the unit of a regression, or (N, K) of K classes; NaN is an unknown target."""

    target: Floats
    estimate: Floats


def regression_metrics(part: Regression) -> Mapping[str, Metric]:
    """MSE, MAE, R2, and the screening metrics at each of the regression's thresholds."""
    metrics: dict[str, Metric] = {"R2": r2, "MAE": mae, "MSE": mse}
    for finding in part.findings:
        for label, metric in SCREENING.items():
            metrics[f"{label} {finding.name}"] = _at(boundary(part, finding), metric)
    return metrics


def bootstrap(
    scored: Scored, metrics: Mapping[str, Metric], seed: int = 0, groups: Sequence[str] | None = None
) -> dict[str, Estimate]:
    """Each metric with the interval that holds `LEVEL` of its values over resampled cases, or over resampled groups (patients)."""
    samples = _samples(len(scored.target), groups, seed)
    return {name: _estimate(partial(_measured, metric, scored), samples) for name, metric in metrics.items()}


def difference(one: Scored, other: Scored, metric: Metric, seed: int = 0, groups: Sequence[str] | None = None) -> Estimate:
    """How much more the metric is for `one` than for `other`, on the same resampled cases: a paired bootstrap."""
    samples = _samples(len(one.target), groups, seed)
    return _estimate(lambda sample: _measured(metric, one, sample) - _measured(metric, other, sample), samples)


def _samples(count: int, groups: Sequence[str] | None, seed: int) -> list[Rows]:
    """Rows drawn with replacement, `RESAMPLES` times: case by case, or all rows of a group together."""
    rng = np.random.default_rng(seed)
    cases = _cases(groups if groups is not None else [str(i) for i in range(count)])
    return [np.concatenate([cases[i] for i in rng.integers(len(cases), size=len(cases))]) for _ in range(RESAMPLES)]


def _cases(groups: Sequence[str]) -> list[Rows]:
    """The rows of each group, in the order in which the groups first stand."""
    rows: dict[str, list[int]] = {}
    for row, group in enumerate(groups):
        rows.setdefault(group, []).append(row)
    return [np.array(some) for some in rows.values()]


def conformal(target: Floats, estimate: Floats, level: float = 0.9) -> ErrorDistribution:
    """The error distribution of held-out cases and its conformal half-width (Lei et al., JASA 2018)."""
    if len(target) < FEWEST_CALIBRATION_CASES:
        raise ValueError(f"{len(target)} held-out cases cannot carry an interval; it takes {FEWEST_CALIBRATION_CASES}")
    errors = np.sort(np.abs(target - estimate))
    rank = min(int(np.ceil((len(errors) + 1) * level)), len(errors))
    quantiles = np.quantile(errors, np.linspace(0, 1, CALIBRATION_STEPS))
    quantiles[0] = 0.0
    return ErrorDistribution(
        level=level, half_width=float(errors[rank - 1]), cases=len(errors), absolute_errors=tuple(float(q) for q in quantiles)
    )


def coverage(scored: Scored, half_widths: Floats) -> Estimate:
    """Share of cases whose true value lies in its interval, each with a half-width of its own (N,)."""
    held = (np.abs(scored.target - scored.estimate) <= half_widths).astype(np.float64)
    return bootstrap(Scored(held, held), {"coverage": lambda within, _: float(np.mean(within))})["coverage"]


def r2(target: Floats, estimate: Floats) -> float:
    """Share of the target's variance that the estimate explains."""
    return 1 - mse(target, estimate) / float(np.var(target))


def mse(target: Floats, estimate: Floats) -> float:
    """Mean squared error."""
    return float(np.mean((target - estimate) ** 2))


def mae(target: Floats, estimate: Floats) -> float:
    """Mean absolute error."""
    return float(np.mean(np.abs(target - estimate)))


def auc(positive: NDArray[np.bool_], score: Floats) -> float:
    """Area under the ROC curve, by ranks; ties count half."""
    positives = int(positive.sum())
    ranks = rankdata(score)
    return float((ranks[positive].sum() - positives * (positives + 1) / 2) / (positives * (len(score) - positives)))


def precision(positive: NDArray[np.bool_], called: NDArray[np.bool_]) -> float:
    """Share of the called that are positive; 0 where nothing is called."""
    return float((positive & called).sum() / max(1, called.sum()))


def recall(positive: NDArray[np.bool_], called: NDArray[np.bool_]) -> float:
    """Share of the positive that are called."""
    return float((positive & called).sum() / max(1, positive.sum()))


def f1(positive: NDArray[np.bool_], called: NDArray[np.bool_]) -> float:
    """The harmonic mean of precision and recall."""
    return float(2 * (positive & called).sum() / max(1, positive.sum() + called.sum()))


SCREENING: Mapping[str, Callable[[NDArray[np.bool_], Floats, float], float]] = {
    "ROC-AUC": lambda positive, estimate, _: auc(positive, -estimate),
    "precision": lambda positive, estimate, below: precision(positive, estimate < below),
    "recall": lambda positive, estimate, below: recall(positive, estimate < below),
    "F1": lambda positive, estimate, below: f1(positive, estimate < below),
}


def _at(below: float, metric: Callable[[NDArray[np.bool_], Floats, float], float]) -> Metric:
    def measure(target: Floats, estimate: Floats) -> float:
        positive = target < below
        if min(positive.sum(), (~positive).sum()) < FEWEST_POSITIVES:
            return float("nan")
        return metric(positive, estimate, below)

    return measure


def _measured(metric: Metric, scored: Scored, rows: Rows | slice) -> float:
    return metric(scored.target[rows], scored.estimate[rows])


def _estimate(measure: Callable[[Rows | slice], float], samples: list[Rows]) -> Estimate:
    values = np.array([measure(sample) for sample in samples])
    value = measure(slice(None))
    if np.isnan(value) or np.isnan(values).all():
        return Estimate(float("nan"), float("nan"), float("nan"))
    low, high = np.nanquantile(values, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Estimate(value, float(low), float(high))

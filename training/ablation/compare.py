"""From answers to numbers with intervals. Patients are drawn with replacement, and so are the seeds; every variant on the same draws.

A seed stands for another split and another start of training: an interval over patients alone would call luck a difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.spec import ModelSpec
from training.ablation import Comparison, Study
from training.ablation.run import Answers
from training.class_metrics import class_metrics
from training.data import Cohort, Indices
from training.metrics import LEVEL, RESAMPLES, Estimate, Floats, Metric, regression_metrics

DIGITS = 4
Numbers = dict[str, object]


@dataclass(frozen=True)
class Draws:
    """How often each patient (B, P) and which seeds (B, S) stand in each resample."""

    patients: NDArray[np.int64]
    seeds: NDArray[np.int64]

    @staticmethod
    def of(patients: int, seeds: int, count: int = RESAMPLES) -> Draws:
        """`count` draws, the same ones every time."""
        rng = np.random.default_rng(0)
        return Draws(rng.multinomial(patients, np.full(patients, 1 / patients), size=count), rng.integers(seeds, size=(count, seeds)))


class Measured:
    """Each metric of each variant: as it is (S,), and on every draw (B, S)."""

    def __init__(self, study: Study, cohort: Cohort, answers: Answers) -> None:
        self._study, self._cohort, self._answers = study, cohort, answers
        groups = [row.group or row.patient for row in cohort.rows]
        names, self._patient = np.unique(groups, return_inverse=True)
        self.patients = len(names)
        self._seeds = list(answers.rows)
        self._draws = Draws.of(len(names), len(self._seeds))
        self._metrics = {name: metrics_of(cohort.spec)[name] for name in study.metrics}
        self._kept: dict[tuple[str, str, float], tuple[Floats, Floats]] = {}

    def per_seed(self, variant: str, metric: str) -> list[float | None]:
        """The metric on the rows that each seed held out."""
        return _rounded(self._values(variant, metric, 0.0)[0])

    def mean(self, variant: str, metric: str, hidden: float = 0.0) -> Estimate:
        """Its mean over the seeds."""
        return self._estimate(*self._values(variant, metric, hidden))

    def difference(self, comparison: Comparison) -> tuple[Estimate, list[float | None]]:
        """By how much `one` is better than `other`: on average, and seed by seed."""
        metric = comparison.metric or self._study.metrics[0]
        one, other = (self._values(name, metric, comparison.hidden) for name in (comparison.one, comparison.other))
        whole = one[0] - other[0]
        return self._estimate(whole, one[1] - other[1]), _rounded(whole)

    def _estimate(self, whole: Floats, drawn: Floats) -> Estimate:
        """NaN where a seed gives no value; a draw that gives none is passed over."""
        means = np.take_along_axis(drawn, self._draws.seeds, axis=1).mean(1)
        known = means[~np.isnan(means)]
        if np.isnan(whole).any() or not len(known):
            return Estimate(np.nan, np.nan, np.nan)
        low, high = np.quantile(known, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
        return Estimate(*(round(float(value), DIGITS) for value in (whole.mean(), low, high)))

    def _values(self, variant: str, metric: str, hidden: float) -> tuple[Floats, Floats]:
        key = (variant, metric, hidden)
        if key not in self._kept:
            columns = [self._of_seed(self._metrics[metric], variant, seed, hidden) for seed in self._seeds]
            self._kept[key] = np.array([whole for whole, _ in columns]), np.stack([drawn for _, drawn in columns], axis=1)
        return self._kept[key]

    def _of_seed(self, metric: Metric, variant: str, seed: int, hidden: float) -> tuple[float, Floats]:
        rows: Indices = self._answers.rows[seed]
        target, estimate = self._cohort.targets[rows], self._answers.estimates[variant, seed, hidden]
        if self._cohort.spec.regressions:
            target, estimate = target[:, 0], estimate[:, 0]
        counts = self._draws.patients[:, self._patient[rows]]
        places = np.arange(len(rows))
        drawn = [np.repeat(places, count) for count in counts]
        return metric(target, estimate), np.array([metric(target[some], estimate[some]) for some in drawn])


def _rounded(values: Floats) -> list[float | None]:
    return [None if np.isnan(value) else round(float(value), DIGITS) for value in values]


def metrics_of(spec: ModelSpec) -> Mapping[str, Metric]:
    """What can be measured of a model's first answer."""
    return regression_metrics(spec.regressions[0]) if spec.regressions else class_metrics(spec.classifications[0])


def numbers(study: Study, cohort: Cohort, answers: Answers) -> Numbers:
    """Everything that the pages tell, as JSON: no row of any patient."""
    measured = Measured(study, cohort, answers)
    names = list(answers.chosen)
    asked = [each for each in study.comparisons if {each.one, each.other} <= set(names)]
    return {
        "patients": measured.patients,
        "metrics": list(study.metrics),
        "variants": {name: _variant(measured, study, name, answers.chosen[name]) for name in names},
        "differences": [_difference(measured, study, each) for each in asked],
    }


def _variant(measured: Measured, study: Study, name: str, chosen: list[str]) -> Numbers:
    return {
        "chosen": {setting: chosen.count(setting) for setting in sorted(set(chosen))},
        "seeds": {metric: measured.per_seed(name, metric) for metric in study.metrics},
        "mean": {metric: _triple(measured.mean(name, metric)) for metric in study.metrics},
        "hidden": {f"{share:g}": _triple(measured.mean(name, study.metrics[0], share)) for share in study.hidden},
    }


def _difference(measured: Measured, study: Study, comparison: Comparison) -> Numbers:
    estimate, seeds = measured.difference(comparison)
    return {
        "one": comparison.one, "other": comparison.other, "metric": comparison.metric or study.metrics[0], "hidden": comparison.hidden,
        "difference": _triple(estimate), "seeds": seeds,
    }  # fmt: skip


def _triple(estimate: Estimate) -> list[float] | None:
    """Value, low, high; null in the file where it cannot be estimated."""
    return None if np.isnan(estimate.value) else [estimate.value, estimate.low, estimate.high]

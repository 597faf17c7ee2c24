"""What would be served of a network's outputs, judged: its ranking, the honesty of its probabilities, and whether its intervals hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.calibration import calibrated
from models.classification import class_findings, class_set
from models.regression import boundary, probability_below
from models.spec import ErrorDistribution, ModelSpec, Regression
from training.calibration import debiased_error
from training.class_metrics import class_metrics
from training.data import Cohort
from training.metrics import Estimate, Floats, Metric, Scored, bootstrap, regression_metrics


@dataclass(frozen=True)
class Served:
    """Of N cases: what was true and what was told of each finding (N, F), what the network is compared by, and what its intervals held."""

    findings: tuple[str, ...]
    truth: Floats
    told: Floats
    scored: Scored
    held: NDArray[np.bool_] | None  # whether the truth lies in the interval or set; None where there is neither
    sizes: Floats | None  # width of the interval, or classes in the set
    groups: tuple[str, ...]  # patients

    def of(self, rows: NDArray[np.bool_]) -> Served:
        """Of some of the cases."""
        return Served(
            self.findings, self.truth[rows], self.told[rows], Scored(self.scored.target[rows], self.scored.estimate[rows]),
            None if self.held is None else self.held[rows], None if self.sizes is None else self.sizes[rows],
            tuple(group for group, kept in zip(self.groups, rows, strict=True) if kept),
        )  # fmt: skip

    @property
    def calibration_error(self) -> float:
        """The mean over findings: root mean square, less what sampling alone would show."""
        return over_findings(debiased_error)(self.truth, self.told)

    @property
    def coverage(self) -> Estimate | None:
        """How often the truth lay in the interval or set, with Wilson's interval."""
        return None if self.held is None else wilson(int(self.held.sum()), len(self.held))


def over_findings(metric: Metric) -> Metric:
    """Its mean over the findings, of truth and probability (N, F), of which there is at least one case of either kind."""

    def mean(truth: Floats, told: Floats) -> float:
        known = [k for k in range(truth.shape[1]) if len(np.unique(truth[~np.isnan(truth[:, k]), k])) == 2]
        return float(np.mean([metric(truth[:, k], told[:, k]) for k in known]))

    return mean


def wilson(hits: int, count: int, z: float = 1.96) -> Estimate:
    """A share with its 95 % interval (Wilson, JASA 1927)."""
    share, spread = hits / count, z * np.sqrt(hits / count * (1 - hits / count) / count + z * z / (4 * count * count))
    middle, scale = share + z * z / (2 * count), 1 + z * z / count
    return Estimate(share, max(0.0, float((middle - spread) / scale)), min(1.0, float((middle + spread) / scale)))


def primary_metric(spec: ModelSpec) -> tuple[str, Metric]:
    """By which networks are compared."""
    metrics = class_metrics(spec.classifications[0]) if spec.classifications else regression_metrics(spec.regressions[0])
    return next(iter(metrics.items()))


def primary(spec: ModelSpec, some: Served) -> Estimate:
    """The primary metric with its interval over patients."""
    name, metric = primary_metric(spec)
    return bootstrap(some.scored, {name: metric}, groups=some.groups)[name]


def served(spec: ModelSpec, cohort: Cohort, output: NDArray[np.float32], present: NDArray[np.float32] | None = None) -> Served:
    """What is served of the first output (N, K) of a network; `present` is the mask of fields that it was given, the cohort's otherwise."""
    groups = tuple(row.group or row.patient for row in cohort.rows)
    if spec.classifications:
        return _of_classes(spec, cohort, output, groups)
    mask = np.asarray(cohort.tensors[spec.table.mask]) if present is None else present
    return _of_number(spec, cohort, output[:, 0].astype(np.float64), mask, groups)


def _of_classes(spec: ModelSpec, cohort: Cohort, output: NDArray[np.float32], groups: tuple[str, ...]) -> Served:
    part = spec.classifications[0]
    names = tuple(each.name for each in part.classes)
    told = calibrated(part, output.astype(np.float64), spec.measured)
    held = sizes = None
    if spec.measured and part.tensor in spec.measured.sets:
        sets = [class_set(part, class_findings(part, {part.tensor: row}, spec.measured), spec.measured) for row in output]
        among = [each.findings if each else names for each in sets]
        true = [names[k] for k in cohort.targets.argmax(1)]
        held = np.array([name in some for name, some in zip(true, among, strict=True)])
        sizes = np.array([float(len(some)) for some in among])
    return Served(names, cohort.targets, told, Scored(cohort.targets, told), held, sizes, groups)


def _of_number(spec: ModelSpec, cohort: Cohort, values: Floats, mask: NDArray[np.float32], groups: tuple[str, ...]) -> Served:
    part, target = spec.regressions[0], cohort.targets[:, 0]
    errors = errors_of(spec, part, mask)
    truth = np.stack([(target < boundary(part, finding)).astype(np.float64) for finding in part.findings], axis=1)
    told = np.array([
        [probability_below(finding, part, float(value), error) for finding in part.findings]
        for value, error in zip(values, errors, strict=True)
    ])  # fmt: skip
    widths = np.array([error.half_width for error in errors])
    held = np.abs(target - values) <= widths
    return Served(tuple(finding.name for finding in part.findings), truth, told, Scored(target, values), held, 2 * widths, groups)


def errors_of(spec: ModelSpec, part: Regression, mask: NDArray[np.float32]) -> list[ErrorDistribution]:
    """The error distribution of each case: the wider one where a field of the context is missing."""
    assert spec.measured is not None  # noqa: S101  export stamps it
    names = [field.name for field in spec.table.network_fields]
    known: list[bool] = np.asarray(mask[:, [names.index(name) for name in part.context]].all(1)).tolist()
    wide, narrow = spec.measured.errors_without_context[part.name], spec.measured.errors[part.name]
    return [narrow if enough else wide for enough in known]

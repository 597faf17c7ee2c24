"""A regression's output -> measurements with an interval, the T-score, and the probability of each finding below a threshold."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from models.prediction import Finding, Interval, InvalidOutputError, Measurement, Quality, Reading, Tensors
from models.spec import BelowThreshold, ErrorDistribution, ModelSpec, Regression, TScore

BOUNDARY = 1e-9  # a T-score this close to a threshold stands on it: 0.899 g/cm2 is -1.0, not -1.0000000000000002


def regression_answer(
    spec: ModelSpec, part: Regression, outputs: Tensors, reading: Reading
) -> tuple[list[Measurement], list[Finding], list[Quality]]:
    """The value and its T-score, the findings, and what is to be said of both.

    Raises InvalidOutputError for a value outside its plausible range, and for an artifact without an error distribution.
    """
    value = _value(part, outputs)
    errors, check = _errors(spec, part, reading)
    score, category = _t_score(part.t_score, value, reading)
    found = [_finding(part, finding, value, errors) for finding in part.findings]
    return [_measurement(part, value, errors, reading), score], found, [category, check]


def t_score(part: TScore, value: float) -> float:
    """T = (value - young mean) / young SD."""
    return (value - part.mean) / part.sd


def who_category(score: float) -> str:
    """WHO: normal from -1.0, osteoporosis from -2.5 down, boundaries included; low bone mass between."""
    if score <= -2.5 + BOUNDARY:
        return "osteoporosis"
    return "low_bone_mass" if score < -1.0 - BOUNDARY else "normal"


def boundary(part: Regression, finding: BelowThreshold) -> float:
    """The value below which a finding is true, with the tolerance that keeps a boundary value on its own side."""
    return part.t_score.mean + finding.t_score * part.t_score.sd + (BOUNDARY if finding.inclusive else -BOUNDARY)


def probability_below(finding: BelowThreshold, part: Regression, value: float, errors: ErrorDistribution) -> float:
    """P(true value beyond the threshold), from the symmetric distribution of the calibration errors.

    The distribution is centred, so that the probability passes 0.5 exactly where the estimate passes the threshold; its
    tails end at 1 / (n + 1), because n calibration cases cannot exclude more.
    """
    gap = boundary(part, finding) - value
    levels = _levels(len(errors.absolute_errors))
    within = min(float(np.interp(abs(gap), errors.absolute_errors, levels)), errors.cases / (errors.cases + 1))
    return 0.5 + 0.5 * float(np.sign(gap)) * within


@functools.cache
def _levels(count: int) -> NDArray[np.float64]:
    """The share of the errors up to each of them, in order of size."""
    return np.linspace(0.0, 1.0, count)


def _value(part: Regression, outputs: Tensors) -> float:
    value = float(str(np.float32(outputs[part.tensor].item())))  # the shortest decimal that is this float32
    if not part.low <= value <= part.high:
        raise InvalidOutputError(f"output {part.tensor} is outside {part.low:g} to {part.high:g} {part.unit}")
    return value


def _errors(spec: ModelSpec, part: Regression, reading: Reading) -> tuple[ErrorDistribution, Quality]:
    """The errors that this study's fields allow, and a reservation where they are the larger ones."""
    if spec.measured is None:
        raise InvalidOutputError(f"{spec.name}: the artifact carries no error distribution")
    absent = [name for name in part.context if reading.metadata[name].source == "missing"]
    if absent:
        detail = f"without {' and '.join(absent)} the image is read less exactly: the interval is the wider one measured without metadata"
        return _distribution_of(spec.measured.errors_without_context, part), Quality("interval_context", passed=False, detail=detail)
    return _distribution_of(spec.measured.errors, part), Quality("interval_context", passed=True, detail="what the interval needs is known")


def _distribution_of(errors: Mapping[str, ErrorDistribution], part: Regression) -> ErrorDistribution:
    if part.name not in errors:
        raise InvalidOutputError(f"{part.name}: the artifact carries no error distribution")
    return errors[part.name]


def _measurement(part: Regression, value: float, errors: ErrorDistribution, reading: Reading) -> Measurement:
    side = reading.metadata["laterality"].value if "laterality" in reading.metadata else None
    return Measurement(
        name=part.name,
        value=value,
        unit=part.unit,
        code=part.code,
        interval=Interval(errors.level, max(0.0, value - errors.half_width), value + errors.half_width),
        scale=part.scale,
        finding_site=part.finding_site,
        laterality=str(side) if side is not None else None,
    )


def _t_score(part: TScore, value: float, reading: Reading) -> tuple[Measurement, Quality]:
    score = t_score(part, value)
    age = reading.metadata[part.age_field].value
    applies = isinstance(age, float) and age >= part.category_from_age
    category = who_category(score) if applies else None
    reason = f"given: age from {part.category_from_age:g} years" if applies else _no_category(part, age)
    measurement = Measurement(part.name, score, part.unit, part.code, reference=part.reference, category=category)
    return measurement, Quality("who_category", applies, reason)


def _no_category(part: TScore, age: object) -> str:
    why = "the age is not known" if age is None else f"the patient is younger than {part.category_from_age:g}"
    return f"no WHO category: it applies from {part.category_from_age:g} years, and {why}"


def _finding(part: Regression, finding: BelowThreshold, value: float, errors: ErrorDistribution) -> Finding:
    probability = probability_below(finding, part, value, errors)
    return Finding(finding.name, probability, finding.threshold, probability >= finding.threshold, finding.code)

"""A regression against truth: the table, and whether its interval holds what it claims, whole and with fields hidden."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.spec import ModelSpec, Regression
from training.data import Cohort
from training.evaluation.served import errors_of
from training.evaluation.tables import (
    Evaluation,
    advantages,
    artifact_graphs,
    fold_spread,
    held_out,
    mean_attention,
    outputs_of,
    pooled,
    tabulated,
)
from training.fit import Task
from training.metrics import Estimate, Floats, Scored, bootstrap, conformal, coverage, r2, regression_metrics
from training.recipes import recipe


@dataclass(frozen=True)
class Missingness:
    """The model on the same cases with some fields hidden: how well it does, and whether its interval still holds."""

    hidden: str
    r2: Estimate
    half_width: float
    coverage: Estimate


@dataclass(frozen=True, kw_only=True)
class RegressionEvaluation(Evaluation):
    """An evaluation with the interval of the model, (N,) targets and estimates."""

    part: Regression
    half_width: float
    coverage: Estimate
    missingness: tuple[Missingness, ...] = ()


def evaluate_artifact(spec: ModelSpec, folder: Path, cohort: Cohort, protocol: str) -> RegressionEvaluation:
    """See `training.evaluation.evaluate_artifact`."""
    part, model = spec.regressions[0], next(iter(recipe(spec.name, "reference").variants))
    graphs = artifact_graphs(folder, model)
    outputs = {variant: outputs_of(path, cohort) for variant, path in graphs.items()}
    target = cohort.targets[:, 0]
    scored = {variant: Scored(target, output[part.tensor][:, 0].astype(np.float64)) for variant, output in outputs.items()}
    half_widths = _half_widths(spec, part, cohort.tensors[spec.table.mask])
    return RegressionEvaluation(
        spec, scored, tabulated(scored, regression_metrics(part)), protocol, advantages(scored, regression_metrics(part)),
        field_attention=mean_attention(spec, outputs[model], cohort),
        part=part,
        half_width=float(np.median(half_widths)),
        coverage=coverage(scored[model], half_widths),
        missingness=tuple(_missingness(graphs[model], spec, cohort, *hidden) for hidden in _hidings(spec)),
    )  # fmt: skip


def evaluate_run(tasks_by_variant: Mapping[str, tuple[Task, ...]], cohort: Cohort, protocol: str) -> RegressionEvaluation:
    """See `training.evaluation.evaluate_run`."""
    part = cohort.spec.regressions[0]
    folds = {variant: [_flat(held_out(task)) for task in tasks] for variant, tasks in tasks_by_variant.items()}
    filled = {variant: [fold for fold in some if len(fold.target)] for variant, some in folds.items()}
    scored = {variant: pooled(some) for variant, some in filled.items()}
    model = next(iter(scored))
    half_widths = np.concatenate([_from_the_others(filled[model], k) for k in range(len(filled[model]))])
    return RegressionEvaluation(
        cohort.spec, scored, tabulated(scored, regression_metrics(part)), protocol, advantages(scored, regression_metrics(part)),
        fold_spread=fold_spread(regression_metrics(part), filled[model]),
        part=part,
        half_width=float(np.median(half_widths)),
        coverage=coverage(scored[model], half_widths),
    )  # fmt: skip


def _flat(scored: Scored) -> Scored:
    return Scored(scored.target[:, 0], scored.estimate[:, 0])


def _half_widths(spec: ModelSpec, part: Regression, present: NDArray[np.float32]) -> Floats:
    """Half-width of each case's interval (N,): the wider one where a field of the context is missing."""
    return np.array([errors.half_width for errors in errors_of(spec, part, present)])


def _hidings(spec: ModelSpec) -> list[tuple[str, frozenset[str]]]:
    """What to hide: each field of the context with what derives from it, then everything optional."""
    fields = spec.table.network_fields
    hidings = []
    for name in spec.regressions[0].context:
        with_derived = frozenset({name, *(field.name for field in fields if name in field.derived_from)})
        hidings.append((" and ".join(sorted(with_derived)), with_derived))
    return [*hidings, ("every optional field", frozenset(field.name for field in fields if not field.required))]


def _missingness(path: Path, spec: ModelSpec, cohort: Cohort, hidden: str, names: frozenset[str]) -> Missingness:
    part, mask = spec.regressions[0], cohort.tensors[spec.table.mask]
    kept = np.array([float(field.name not in names) for field in spec.table.network_fields], np.float32)
    output = outputs_of(path, cohort, {spec.table.mask: mask * kept})[part.tensor][:, 0].astype(np.float64)
    scored = Scored(cohort.targets[:, 0], output)
    half_widths = _half_widths(spec, part, mask * kept)
    return Missingness(hidden, bootstrap(scored, {"R2": r2})["R2"], float(np.median(half_widths)), coverage(scored, half_widths))


def _from_the_others(folds: list[Scored], k: int) -> Floats:
    """The half-width that the other folds give to the cases of fold k: judged by none of its own errors."""
    others = pooled([fold for i, fold in enumerate(folds) if i != k] or folds)
    return np.full(len(folds[k].target), conformal(others.target, others.estimate).half_width)

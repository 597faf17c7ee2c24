"""Classes against truth: the table, and the model with every metadata field hidden."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.calibration import calibrated
from models.prediction import Tensors
from models.spec import Classification, ModelSpec
from training.class_metrics import class_metrics, primary
from training.data import Cohort
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
from training.metrics import Estimate, Scored, bootstrap
from training.recipes import recipe


@dataclass(frozen=True, kw_only=True)
class ClassEvaluation(Evaluation):
    """An evaluation of (N, K) targets and probabilities."""

    part: Classification
    hidden: Estimate | None = None  # the primary metric with every metadata field hidden


def evaluate_artifact(spec: ModelSpec, folder: Path, cohort: Cohort, protocol: str) -> ClassEvaluation:
    """See `training.evaluation.evaluate_artifact`; intervals are over patients."""
    part, model = spec.classifications[0], next(iter(recipe(spec.name, "reference").variants))
    graphs, groups = artifact_graphs(folder, model), _groups(cohort)
    outputs = {variant: outputs_of(path, cohort) for variant, path in graphs.items()}
    scored = {variant: _scored(part, output, cohort, spec if variant == model else None) for variant, output in outputs.items()}
    return ClassEvaluation(
        spec, scored, tabulated(scored, class_metrics(part), groups), protocol, advantages(scored, class_metrics(part), groups),
        field_attention=mean_attention(spec, outputs[model], cohort),
        part=part,
        hidden=_hidden(graphs[model], spec, cohort),
    )  # fmt: skip


def evaluate_run(tasks_by_variant: Mapping[str, tuple[Task, ...]], cohort: Cohort, protocol: str) -> ClassEvaluation:
    """See `training.evaluation.evaluate_run`; intervals are over patients."""
    part = cohort.spec.classifications[0]
    folds = {variant: [held_out(task) for task in tasks] for variant, tasks in tasks_by_variant.items()}
    filled = {variant: [fold for fold in some if len(fold.target)] for variant, some in folds.items()}
    scored = {variant: pooled(some) for variant, some in filled.items()}
    tasks = next(iter(tasks_by_variant.values()))
    groups = [_groups(cohort)[i] for task in tasks for i in task.split.held_out]
    return ClassEvaluation(
        cohort.spec, scored, tabulated(scored, class_metrics(part), groups), protocol, advantages(scored, class_metrics(part), groups),
        fold_spread=fold_spread(class_metrics(part), next(iter(filled.values()))),
        part=part,
    )  # fmt: skip


def _scored(part: Classification, outputs: Tensors, cohort: Cohort, spec: ModelSpec | None = None) -> Scored:
    """With the spec of the model that was calibrated: as its probabilities are told."""
    return Scored(cohort.targets, calibrated(part, outputs[part.tensor].astype(np.float64), spec.measured if spec else None))


def _groups(cohort: Cohort) -> list[str]:
    return [row.group or row.patient for row in cohort.rows]


def _hidden(path: Path, spec: ModelSpec, cohort: Cohort) -> Estimate | None:
    """The primary metric where every optional field is missing; None for a model without any."""
    kept = np.array([float(field.required) for field in spec.table.network_fields], np.float32)
    if kept.all():
        return None
    part, mask = spec.classifications[0], cohort.tensors[spec.table.mask]
    scored = _scored(part, outputs_of(path, cohort, {spec.table.mask: mask * kept}), cohort, spec)
    name = primary(part)
    return bootstrap(scored, {name: class_metrics(part)[name]}, groups=_groups(cohort))[name]

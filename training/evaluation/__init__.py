"""Networks against truth: `artifact` judges an exported model on a fresh cohort, `run` the held-out rows of a training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from training.data import Cohort
from training.evaluation import classes, regression
from training.evaluation.tables import Evaluation, table_lines
from training.fit import Task
from training.graphs import artifact_spec

__all__ = ["Evaluation", "evaluate_artifact", "evaluate_run", "table_lines"]


def evaluate_artifact(folder: Path, cohort: Cohort, protocol: str) -> Evaluation:
    """The exported model and the baselines beside it, on a cohort that none of them has seen."""
    spec = artifact_spec(folder / "model.onnx")
    if spec.classifications:
        return classes.evaluate_artifact(spec, folder, cohort, protocol)
    return regression.evaluate_artifact(spec, folder, cohort, protocol)


def evaluate_run(tasks_by_variant: Mapping[str, tuple[Task, ...]], cohort: Cohort, protocol: str) -> Evaluation:
    """Held-out rows of every split, pooled: out-of-fold where the recipe has folds."""
    if cohort.spec.classifications:
        return classes.evaluate_run(tasks_by_variant, cohort, protocol)
    return regression.evaluate_run(tasks_by_variant, cohort, protocol)

"""Networks against truth: a table with intervals, the model first and its baselines beside it, for whatever a model answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from models.prediction import Tensors
from models.spec import ModelSpec, answer_names
from training.data import Cohort
from training.fit import Task
from training.graphs import run_onnx
from training.metrics import Estimate, Metric, Scored, bootstrap, difference

BATCH = 50


@dataclass(frozen=True)
class Evaluation:
    """What one evaluation found: the model first, then its baselines."""

    spec: ModelSpec
    scored: Mapping[str, Scored]  # by variant
    table: Mapping[str, Mapping[str, Estimate]]  # by variant, then metric; the first metric is the one that networks are compared by
    protocol: str
    advantages: Mapping[str, Estimate]  # by baseline: how much more the model has of the primary metric, on the same cases
    field_attention: Mapping[str, float] = field(default_factory=dict)  # mean weight where the field was present
    fold_spread: Mapping[str, str] = field(default_factory=dict)  # metric -> mean and SD over folds, where there were folds

    @property
    def model(self) -> Scored:
        """The model's own targets and estimates."""
        return next(iter(self.scored.values()))

    @property
    def primary(self) -> str:
        """The metric by which networks are compared: more is better."""
        return next(iter(next(iter(self.table.values()))))

    def beats(self, baseline: str) -> bool:
        """Whether the model is better by the primary metric, on the same cases: the interval of the difference lies above zero."""
        return self.advantages[baseline].low > 0


def table_lines(evaluation: Evaluation) -> list[str]:
    """The table as Markdown: one row for each metric, one column for each variant."""
    variants = list(evaluation.table)
    metrics = list(evaluation.table[variants[0]])
    head = ["| metric | " + " | ".join(variants) + " |", "|---|" + "---|" * len(variants)]
    cells = {metric: " | ".join(str(evaluation.table[variant][metric]) for variant in variants) for metric in metrics}
    return head + [f"| {metric} | {cells[metric]} |" for metric in metrics]


Table = dict[str, dict[str, Estimate]]


def tabulated(scored: Mapping[str, Scored], metrics: Mapping[str, Metric], groups: list[str] | None = None) -> Table:
    """Every metric of every variant, with intervals over cases or over groups of them."""
    return {variant: bootstrap(some, metrics, groups=groups) for variant, some in tqdm(scored.items(), desc="bootstrap", unit="network")}


def advantages(scored: Mapping[str, Scored], metrics: Mapping[str, Metric], groups: list[str] | None = None) -> dict[str, Estimate]:
    """The model less each baseline, by the first metric, paired over cases or over groups of them."""
    metric, model = next(iter(metrics.values())), next(iter(scored))
    return {name: difference(scored[model], some, metric, groups=groups) for name, some in scored.items() if name != model}


def artifact_graphs(folder: Path, model: str) -> dict[str, Path]:
    """The model's graph under its variant's name, then its baselines'."""
    return {model: folder / "model.onnx"} | {path.stem: path for path in sorted((folder / "baselines").glob("*.onnx"))}


def outputs_of(path: Path, cohort: Cohort, changed: Tensors | None = None) -> Tensors:
    """Every output of a graph for every row; `changed` tensors take the place of the cohort's."""
    batches = np.array_split(np.arange(len(cohort.rows)), max(1, len(cohort.rows) // BATCH))
    tensors = cohort.tensors | (changed or {})
    parts = [
        run_onnx(path, {name: np.asarray(array[batch]) for name, array in tensors.items()}, answer_names(cohort.spec))
        for batch in tqdm(batches, desc=path.stem, unit="batch")
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def mean_attention(spec: ModelSpec, outputs: Tensors, cohort: Cohort) -> dict[str, float]:
    """Field -> the attention it received on average where it was present."""
    if spec.metadata_attention is None:
        return {}
    weights, present = outputs[spec.metadata_attention.tensor], cohort.tensors[spec.table.mask]
    means = (weights * present).sum(0) / np.maximum(present.sum(0), 1)
    return {part.name: float(mean) for part, mean in zip(spec.table.network_fields, means, strict=True)}


def held_out(task: Task) -> Scored:
    """What a task's network says of the rows that its split held out."""
    case = np.load(task.folder / "held_out.npz")
    return Scored(case["target"], case["estimate"].astype(np.float64))


def pooled(folds: list[Scored]) -> Scored:
    """The rows of all folds as one."""
    return Scored(np.concatenate([fold.target for fold in folds]), np.concatenate([fold.estimate for fold in folds]))


def fold_spread(metrics: Mapping[str, Metric], folds: list[Scored]) -> dict[str, str]:
    """Mean and standard deviation of each metric over folds, where there are two or more."""
    if len(folds) < 2:
        return {}
    values = {name: [metric(fold.target, fold.estimate) for fold in folds] for name, metric in metrics.items()}
    known = {name: [value for value in some if not np.isnan(value)] for name, some in values.items()}
    return {
        name: f"{np.mean(some):.3f} ± {np.std(some, ddof=1):.3f} ({len(some)} of {len(folds)} folds)"
        for name, some in known.items()
        if len(some) > 1
    }

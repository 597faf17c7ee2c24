"""Networks against truth: a table with intervals, baselines beside the model, calibration of the interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from models.prediction import Tensors
from models.spec import ModelSpec, Regression
from training.data import Cohort
from training.export import artifact_spec, run_onnx
from training.fit import Task
from training.metrics import Estimate, Scored, bootstrap, conformal, coverage, regression_metrics

BATCH = 50


@dataclass(frozen=True)
class Evaluation:
    """What one evaluation found: the model first, then its baselines."""

    spec: ModelSpec
    part: Regression
    scored: Mapping[str, Scored]  # by variant
    table: Mapping[str, Mapping[str, Estimate]]  # by variant, then metric
    half_width: float
    coverage: Estimate
    field_attention: Mapping[str, float]  # mean weight where the field was present
    protocol: str
    fold_spread: Mapping[str, str]  # metric -> mean and SD over folds, where there were folds


def evaluate_artifact(folder: Path, cohort: Cohort, protocol: str) -> Evaluation:
    """The exported model and the baselines beside it, on a cohort that none of them has seen."""
    spec = artifact_spec(folder / "model.onnx")
    part = spec.regressions[0]
    graphs = {"xattn": folder / "model.onnx"} | {path.stem: path for path in sorted((folder / "baselines").glob("*.onnx"))}
    outputs = {variant: _outputs(path, cohort) for variant, path in graphs.items()}
    target = cohort.targets[:, 0].astype(np.float64)
    scored = {variant: Scored(target, output[part.tensor][:, 0].astype(np.float64)) for variant, output in outputs.items()}
    assert spec.measured is not None  # noqa: S101  export stamps it
    half_width = spec.measured.errors[part.name].half_width
    attention = _mean_attention(spec, outputs["xattn"], cohort)
    return _evaluation(spec, scored, half_width, attention, protocol, {})


def evaluate_run(tasks_by_variant: Mapping[str, tuple[Task, ...]], protocol: str) -> Evaluation:
    """Held-out rows of every split, pooled: out-of-fold where the recipe has folds."""
    spec = next(iter(tasks_by_variant.values()))[0].spec
    folds = {variant: [_held_out(task) for task in tasks] for variant, tasks in tasks_by_variant.items()}
    filled = {variant: [fold for fold in scored if len(fold.target)] for variant, scored in folds.items()}
    scored = {variant: _pooled(some) for variant, some in filled.items()}
    model = next(iter(scored))
    half_width = conformal(scored[model].target, scored[model].estimate).half_width
    return _evaluation(spec, scored, half_width, {}, protocol, _fold_spread(spec.regressions[0], filled[model]))


def table_lines(evaluation: Evaluation) -> list[str]:
    """The table as Markdown: one row for each metric, one column for each variant."""
    variants = list(evaluation.table)
    metrics = list(evaluation.table[variants[0]])
    head = ["| metric | " + " | ".join(variants) + " |", "|---|" + "---|" * len(variants)]
    cells = {metric: " | ".join(str(evaluation.table[variant][metric]) for variant in variants) for metric in metrics}
    return head + [f"| {metric} | {cells[metric]} |" for metric in metrics]


def beats(evaluation: Evaluation, metric: str, baseline: str) -> bool:
    """Whether the model's interval lies wholly above the baseline's, for a metric of which more is better."""
    model = next(iter(evaluation.table))
    return evaluation.table[model][metric].low > evaluation.table[baseline][metric].high


def _evaluation(
    spec: ModelSpec,
    scored: Mapping[str, Scored],
    half_width: float,
    attention: Mapping[str, float],
    protocol: str,
    spread: Mapping[str, str],
) -> Evaluation:
    part = spec.regressions[0]
    metrics = regression_metrics(part)
    table = {variant: bootstrap(some, metrics) for variant, some in tqdm(scored.items(), desc="bootstrap", unit="network")}
    return Evaluation(
        spec=spec,
        part=part,
        scored=scored,
        table=table,
        half_width=half_width,
        coverage=coverage(next(iter(scored.values())), half_width),
        field_attention=attention,
        protocol=protocol,
        fold_spread=spread,
    )


def _outputs(path: Path, cohort: Cohort) -> Tensors:
    batches = np.array_split(np.arange(len(cohort.rows)), max(1, len(cohort.rows) // BATCH))
    tensors = cohort.tensors
    parts = [
        run_onnx(path, {name: np.asarray(array[batch]) for name, array in tensors.items()})
        for batch in tqdm(batches, desc=path.stem, unit="batch")
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _mean_attention(spec: ModelSpec, outputs: Tensors, cohort: Cohort) -> dict[str, float]:
    if spec.metadata_attention is None:
        return {}
    weights, present = outputs[spec.metadata_attention.tensor], cohort.tensors[spec.table.mask]
    means = (weights * present).sum(0) / np.maximum(present.sum(0), 1)
    return {field.name: float(mean) for field, mean in zip(spec.table.network_fields, means, strict=True)}


def _held_out(task: Task) -> Scored:
    case = np.load(task.folder / "held_out.npz")
    return Scored(case["target"][:, 0].astype(np.float64), case["estimate"][:, 0].astype(np.float64))


def _pooled(folds: list[Scored]) -> Scored:
    return Scored(np.concatenate([fold.target for fold in folds]), np.concatenate([fold.estimate for fold in folds]))


def _fold_spread(part: Regression, folds: list[Scored]) -> dict[str, str]:
    if len(folds) < 2:
        return {}
    values = {name: [metric(fold.target, fold.estimate) for fold in folds] for name, metric in regression_metrics(part).items()}
    return {
        name: f"{np.nanmean(some):.3f} ± {np.nanstd(some, ddof=1):.3f}" for name, some in values.items() if not np.isnan(some).all()
    }

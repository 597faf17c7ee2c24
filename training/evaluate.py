"""Networks against truth: a table with intervals, baselines beside the model, calibration of the interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from models.prediction import Tensors
from models.spec import ModelSpec, Regression
from training.data import Cohort
from training.export import artifact_spec, run_onnx
from training.fit import Task
from training.metrics import Estimate, Floats, Scored, bootstrap, conformal, coverage, r2, regression_metrics

BATCH = 50


@dataclass(frozen=True)
class Missingness:
    """The model on the same cases with some fields hidden: how well it does, and whether its interval still holds."""

    hidden: str
    r2: Estimate
    half_width: float
    coverage: Estimate


@dataclass(frozen=True)
class Evaluation:
    """What one evaluation found: the model first, then its baselines."""

    spec: ModelSpec
    part: Regression
    scored: Mapping[str, Scored]  # by variant
    table: Mapping[str, Mapping[str, Estimate]]  # by variant, then metric
    half_width: float
    coverage: Estimate
    protocol: str
    missingness: tuple[Missingness, ...] = ()
    field_attention: Mapping[str, float] = field(default_factory=dict)  # mean weight where the field was present
    fold_spread: Mapping[str, str] = field(default_factory=dict)  # metric -> mean and SD over folds, where there were folds


def evaluate_artifact(folder: Path, cohort: Cohort, protocol: str) -> Evaluation:
    """The exported model and the baselines beside it, on a cohort that none of them has seen."""
    spec = artifact_spec(folder / "model.onnx")
    part = spec.regressions[0]
    graphs = {"xattn": folder / "model.onnx"} | {path.stem: path for path in sorted((folder / "baselines").glob("*.onnx"))}
    outputs = {variant: _outputs(path, cohort) for variant, path in graphs.items()}
    target = cohort.targets[:, 0]
    scored = {variant: Scored(target, output[part.tensor][:, 0].astype(np.float64)) for variant, output in outputs.items()}
    half_widths = _half_widths(spec, part, cohort.tensors[spec.table.mask])
    attention = _mean_attention(spec, outputs["xattn"], cohort)
    missingness = tuple(_missingness(graphs["xattn"], spec, cohort, *hidden) for hidden in _hidings(spec))
    return replace(_evaluation(spec, scored, half_widths, protocol), missingness=missingness, field_attention=attention)


def evaluate_run(tasks_by_variant: Mapping[str, tuple[Task, ...]], protocol: str) -> Evaluation:
    """Held-out rows of every split, pooled: out-of-fold where the recipe has folds."""
    spec = next(iter(tasks_by_variant.values()))[0].spec
    folds = {variant: [_held_out(task) for task in tasks] for variant, tasks in tasks_by_variant.items()}
    filled = {variant: [fold for fold in scored if len(fold.target)] for variant, scored in folds.items()}
    scored = {variant: _pooled(some) for variant, some in filled.items()}
    model = next(iter(scored))
    half_widths = np.concatenate([_from_the_others(filled[model], k) for k in range(len(filled[model]))])
    return replace(_evaluation(spec, scored, half_widths, protocol), fold_spread=_fold_spread(spec.regressions[0], filled[model]))


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


def _evaluation(spec: ModelSpec, scored: Mapping[str, Scored], half_widths: Floats, protocol: str) -> Evaluation:
    part = spec.regressions[0]
    metrics = regression_metrics(part)
    table = {variant: bootstrap(some, metrics) for variant, some in tqdm(scored.items(), desc="bootstrap", unit="network")}
    held = coverage(next(iter(scored.values())), half_widths)
    return Evaluation(spec, part, scored, table, float(np.median(half_widths)), held, protocol)


def _half_widths(spec: ModelSpec, part: Regression, present: NDArray[np.float32]) -> Floats:
    """Half-width of each case's interval (N,): the wider one where a field of the context is missing."""
    assert spec.measured is not None  # noqa: S101  export stamps it
    names = [field.name for field in spec.table.network_fields]
    known = present[:, [names.index(name) for name in part.context]].all(1)
    wide, narrow = spec.measured.errors_without_context[part.name].half_width, spec.measured.errors[part.name].half_width
    return np.where(known, narrow, wide)


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
    output = _outputs(path, cohort, {spec.table.mask: mask * kept})[part.tensor][:, 0].astype(np.float64)
    scored = Scored(cohort.targets[:, 0], output)
    half_widths = _half_widths(spec, part, mask * kept)
    return Missingness(hidden, bootstrap(scored, {"R2": r2})["R2"], float(np.median(half_widths)), coverage(scored, half_widths))


def _from_the_others(folds: list[Scored], k: int) -> Floats:
    """The half-width that the other folds give to the cases of fold k: judged by none of its own errors."""
    others = _pooled([fold for i, fold in enumerate(folds) if i != k] or folds)
    return np.full(len(folds[k].target), conformal(others.target, others.estimate).half_width)


def _outputs(path: Path, cohort: Cohort, changed: Tensors | None = None) -> Tensors:
    batches = np.array_split(np.arange(len(cohort.rows)), max(1, len(cohort.rows) // BATCH))
    tensors = cohort.tensors | (changed or {})
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
    return {part.name: float(mean) for part, mean in zip(spec.table.network_fields, means, strict=True)}


def _held_out(task: Task) -> Scored:
    case = np.load(task.folder / "held_out.npz")
    return Scored(case["target"][:, 0], case["estimate"][:, 0].astype(np.float64))


def _pooled(folds: list[Scored]) -> Scored:
    return Scored(np.concatenate([fold.target for fold in folds]), np.concatenate([fold.estimate for fold in folds]))


def _fold_spread(part: Regression, folds: list[Scored]) -> dict[str, str]:
    if len(folds) < 2:
        return {}
    values = {name: [metric(fold.target, fold.estimate) for fold in folds] for name, metric in regression_metrics(part).items()}
    known = {name: [value for value in some if not np.isnan(value)] for name, some in values.items()}
    return {
        name: f"{np.mean(some):.3f} ± {np.std(some, ddof=1):.3f} ({len(some)} of {len(folds)} folds)"
        for name, some in known.items()
        if len(some) > 1
    }

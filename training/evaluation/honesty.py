"""The part of a card that says how far to trust the numbers: calibration before and after, coverage, groups of patients, and shifts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.prediction import Tensors
from models.spec import ImageInput, ModelSpec, answer_names
from training.calibration import debiased_error, expected_error, log_loss
from training.class_metrics import brier
from training.data import Cohort
from training.evaluation.served import Served, over_findings, primary, primary_metric, served
from training.evaluation.tables import outputs_of
from training.graphs import artifact_spec
from training.metrics import Estimate, Metric, Scored, bootstrap

FEWEST = 30  # cases of a group; of fewer nothing is said
AGES = (0.0, 50.0, 65.0, 75.0, 120.0)  # years
GAPS: Mapping[str, Metric] = {  # without intervals: resampling adds to a gap
    "ECE, each finding by itself": expected_error, "RMS calibration error, corrected": debiased_error,
}  # fmt: skip
LOSSES: Mapping[str, Metric] = {"Brier": brier, "log loss": log_loss}


@dataclass(frozen=True)
class Honesty:
    """What one artifact is worth on a fresh cohort."""

    spec: ModelSpec
    digest: str  # of model.onnx
    raw: Served  # what the network says, before calibration
    told: Served
    groups: Mapping[str, Served]
    shifts: Mapping[str, Served]


def honesty(artifact: Path, cohort: Cohort) -> Honesty:
    """Run an artifact over a cohort that it has not seen, as it is and under each shift."""
    path = artifact / "model.onnx"
    spec = artifact_spec(path)
    bare = spec.with_measured(spec.measured.model_copy(update={"calibration": {}})) if spec.measured else spec
    output = outputs_of(path, cohort)[answer_names(spec)[0]]
    told = served(spec, cohort, output)
    groups = {name: told.of(rows) for name, rows in _groups(cohort) if rows.sum() >= FEWEST and not rows.all()}
    shifts = {name: served(spec, cohort, *_changed(path, cohort, change)) for name, change in shifts_of(spec).items()}
    return Honesty(spec, "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest(), served(bare, cohort, output), told, groups, shifts)


def lines(found: Honesty) -> list[str]:
    """The section of a card, in Markdown."""
    return [
        "## How far to trust the numbers", "",
        *_calibration(found), *_coverage(found.told),
        *_table("Groups of patients", found, {"everybody": found.told, **found.groups}),
        _worst(found), "",
        *_table("The same cases, changed", found, {"unchanged": found.told, **found.shifts}),
    ]  # fmt: skip


def store(found: Honesty, path: Path) -> None:
    """The figures that a test holds, with the digest of what they are of."""
    coverage = found.told.coverage
    figures = {
        "digest": found.digest, "cases": len(found.told.groups),
        "ece": round(_over_findings(expected_error, found.told), 4), "ece_before": round(_over_findings(expected_error, found.raw), 4),
        "corrected": round(found.told.calibration_error, 4),
    }  # fmt: skip
    path.write_text(json.dumps(figures | ({"coverage": round(coverage.value, 4)} if coverage else {}), indent=1) + "\n")


def _calibration(found: Honesty) -> Iterator[str]:
    yield "Are probabilities what they say? Ten bins of equally many cases; the second row takes out what sampling alone would show"
    pooled = " (The ECE further below pools all decisions.)" if found.spec.classifications else ""
    yield f"(Kumar et al., NeurIPS 2019). Means over findings; 95 % over resampled patients.{pooled}"
    yield from ("", "| | as the network says it | as it is told |", "|---|---|---|")
    for name, metric in GAPS.items():
        before, after = (_over_findings(metric, some) for some in (found.raw, found.told))
        yield f"| {name} | {before:.3f} | {after:.3f} |"
    for name, metric in LOSSES.items():
        yield f"| {name} | {_mean(metric, found.raw)} | {_mean(metric, found.told)} |"
    yield ""


def _mean(metric: Metric, some: Served) -> Estimate:
    return bootstrap(Scored(some.truth, some.told), {"": over_findings(metric)}, groups=some.groups)[""]


def _over_findings(metric: Metric, some: Served) -> float:
    return over_findings(metric)(some.truth, some.told)


def _coverage(told: Served) -> list[str]:
    if told.coverage is None or told.sizes is None:
        return []
    return [f"The 90 % interval or set holds the truth in {told.coverage} of the cases; its mean size is {told.sizes.mean():.3f}.", ""]


def _table(title: str, found: Honesty, rows: Mapping[str, Served]) -> list[str]:
    name = primary_metric(found.spec)[0]
    lines = [f"### {title}", "", f"| | cases | {name} | calibration error | 90 % holds |", "|---|---|---|---|---|"]
    for label, some in rows.items():
        holds = str(some.coverage) if some.coverage else "-"
        lines.append(f"| {label} | {len(some.groups)} | {primary(found.spec, some)} | {some.calibration_error:.3f} | {holds} |")
    return [*lines, ""]


def _worst(found: Honesty) -> str:
    values = {name: primary(found.spec, some).value for name, some in found.groups.items()}
    known = {name: value for name, value in values.items() if not np.isnan(value)}
    if not known:
        return f"No group of at least {FEWEST} cases can be judged by itself."
    worst = min(known, key=lambda name: known[name])
    return f"**The worst group is {worst}**, with {primary_metric(found.spec)[0]} {primary(found.spec, found.groups[worst])}."


def _groups(cohort: Cohort) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """By what the metadata say of the patient, and by what the cohort is stratified by."""
    told = [{**{k: v for k, v in row.metadata.items() if k in {"sex", "lesion_type", "density"}}, **row.strata} for row in cohort.rows]
    for key in sorted({key for each in told for key in each}):
        values = [str(each.get(key, "not known")) for each in told]
        for value in sorted(set(values)):
            yield f"{key}: {value}", np.array([each == value for each in values])
    yield from _ages(cohort)


def _ages(cohort: Cohort) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    ages = [next((float(str(value)) for name, value in row.metadata.items() if name.startswith("age")), np.nan) for row in cohort.rows]
    for low, high in pairwise(AGES):
        yield f"age: from {low:.0f} to {high:.0f} years", np.array([low <= age < high for age in ages])


Change = Callable[[ModelSpec, Tensors], Tensors]


def shifts_of(spec: ModelSpec) -> dict[str, Change]:
    """What may be different in another hospital: exposure, noise, display curves, resolution, and which fields are known."""
    found: dict[str, Change] = {
        "darker (gamma 1.4)": _on_images(lambda grey, _: grey**1.4),
        "brighter (gamma 0.7)": _on_images(lambda grey, _: grey**0.7),
        "noise (5 % of the range)": _on_images(lambda grey, rng: grey + rng.normal(0, 0.05, grey.shape).astype(np.float32)),
        "another vendor's curve (sigmoid)": _on_images(lambda grey, _: 1 / (1 + np.exp(-6 * (grey - 0.5)))),
        "half the resolution": _on_images(lambda grey, _: _coarse(grey)),
    }
    if any(not field.required for field in spec.table.network_fields):
        found |= {"half of the optional fields hidden": _fewer(0.5), "every optional field hidden": _fewer(1.0)}
    return found


def _changed(path: Path, cohort: Cohort, change: Change) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    changed = change(cohort.spec, cohort.tensors)
    return outputs_of(path, cohort, changed)[answer_names(cohort.spec)[0]], changed.get(cohort.spec.table.mask)


def _on_images(change: Callable[[NDArray[np.float32], np.random.Generator], NDArray[np.float32]]) -> Change:
    """A change of grey values in [0, 1]; what lies outside afterwards is clipped."""

    def shifted(spec: ModelSpec, tensors: Tensors) -> Tensors:
        rng = np.random.default_rng(0)
        return {part.name: _standard(part, change(_grey(part, tensors[part.name]).clip(0, 1), rng).clip(0, 1)) for part in spec.images}

    return shifted


def _grey(part: ImageInput, images: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(images[:, :1]) * np.float32(part.std[0]) + np.float32(part.mean[0])


def _standard(part: ImageInput, grey: NDArray[np.float32]) -> NDArray[np.float32]:
    shape = (1, -1, 1, 1)
    mean, std = (np.array(values, np.float32).reshape(shape) for values in (part.mean, part.std))
    return ((grey - mean) / std).astype(np.float32)


def _coarse(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    rows, columns = grey.shape[2:]
    small = [Image.fromarray(each[0]).resize((columns // 2, rows // 2), Image.Resampling.BOX) for each in grey]
    return np.stack([np.asarray(each.resize((columns, rows), Image.Resampling.BILINEAR))[np.newaxis] for each in small])


def _fewer(share: float) -> Change:
    def hidden(spec: ModelSpec, tensors: Tensors) -> Tensors:
        optional = np.array([not field.required for field in spec.table.network_fields])
        mask = np.asarray(tensors[spec.table.mask])
        drawn = np.random.default_rng(0).random(mask.shape) < share
        return {spec.table.mask: np.where(drawn & optional, 0, mask).astype(np.float32)}

    return hidden

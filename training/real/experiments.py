"""Our networks on real data, beside the simplest baselines, on the same patients: out-of-fold on films, the official test set on tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from models.prediction import Tensors
from models.spec import features_name
from training.class_metrics import class_auc
from training.data import Cohort, Indices, Split, splits
from training.fit import Task, fit
from training.graphs import open_graph
from training.metrics import Estimate, Floats, Scored, bootstrap, difference
from training.pipeline import fit_all
from training.recipes import Recipe, recipe

FOLDS, FILM_EPOCHS, TABLE_EPOCHS = 5, 30, 60
FEWEST = 30  # films with a finding; with fewer, an AUC says nothing
COMPONENTS, THUMBNAIL = 50, 64
STRENGTH = 0.05  # inverse of the penalty of the logistic regressions on pictures: a usual value, tuned on nothing

Fitted = Callable[[Indices, Indices], Floats]  # (rows to learn from, rows to tell) -> probabilities (N, K)


@dataclass(frozen=True)
class Result:
    """One comparison of a network with baselines, finding by finding."""

    name: str
    network: str  # which of the columns is ours
    patients: int
    counts: dict[str, tuple[int, int]]  # finding -> how many have it, of how many
    auc: dict[str, dict[str, Estimate]]  # finding -> method
    gain: dict[str, dict[str, Estimate]]  # finding -> baseline: the network's AUC less the baseline's, on the same patients


def films(cohort: Cohort, artifact: Path, work: Path) -> Result:
    """Five folds by patient: M5 with MXA from nothing, and three baselines without one trained weight of their own beyond a regression."""
    chosen = film_recipe()
    parts = splits(cohort.rows, cohort.targets, chosen)[:-1]
    tasks = tuple(Task(chosen, "mxa", part, work / "mxa" / part.name) for part in parts)
    for _ in tqdm(fit_all(tasks, cohort, torch.device("cpu")), total=len(tasks), desc="networks", unit="fold"):
        pass
    told = {"network": _held_out(tasks, cohort)}
    for name, features in (
        ("header", _headers(cohort)), ("pixels", _thumbnails(cohort)), ("phantom trunk", _trunk(cohort, artifact)),
    ):  # fmt: skip
        told[name] = np.full(cohort.targets.shape, np.nan)
        for part in tqdm(parts, desc=name, unit="fold"):
            seen = np.concatenate((part.train, part.validation))
            told[name][part.held_out] = _regressed(features, cohort.targets, seen, part.held_out, pictures=name != "header")
    names = [each.name for each in cohort.spec.classifications[0].classes]
    return _compared("NIH ChestX-ray14, 5 folds by patient", cohort, np.arange(len(cohort.rows)), told, names)


def film_recipe() -> Recipe:
    """The reference network alone, with patience and enough epochs for some seven hundred films."""
    usual = replace(recipe("chest", "reference"), variants={"mxa": {}}, teachers={})
    return replace(usual, folds=FOLDS, epochs=FILM_EPOCHS, validation=0.15, patience=8)


def tables(cohort: Cohort, work: Path) -> tuple[Result, ...]:
    """The official split: the network's clinical stream, and a logistic regression on the same numbers; both kinds, then each."""
    usual = recipe("breast", "reference")
    chosen = replace(usual, variants={"clinical-only": usual.variants["clinical-only"]}, epochs=TABLE_EPOCHS, patience=10)
    tested = np.array([row.part == "test" for row in cohort.rows])
    split = official(cohort, chosen, tested)
    task = Task(chosen, "clinical-only", split, work / "clinical-only" / split.name)
    fit(task, cohort, torch.device("cpu"))
    seen, held_out = np.flatnonzero(~tested), split.held_out
    told = {"network": _held_out((task,), cohort)}
    table = cohort.tensors[cohort.spec.table.name].astype(np.float64)
    told["logistic"] = np.full(cohort.targets.shape, np.nan)
    told["logistic"][held_out] = _regressed(table, cohort.targets, seen, held_out, pictures=False)
    kinds = np.array([row.strata["lesion_type"] for row in cohort.rows])
    return tuple(
        _compared(f"CBIS-DDSM descriptors, official test set, {name}", cohort, held_out[which[held_out]], told, ["malignant"])
        for name, which in (("all", kinds != ""), ("mass", kinds == "mass"), ("calcification", kinds == "calcification"))
    )


def official(cohort: Cohort, chosen: Recipe, tested: np.ndarray) -> Split:
    """The test rows are held out; the epoch is chosen on training patients."""
    train = np.flatnonzero(~tested)
    (inner,) = splits([cohort.rows[i] for i in train], cohort.targets[train], chosen)
    return Split("official", train[np.concatenate((inner.train, inner.held_out))], train[inner.validation], np.flatnonzero(tested))


def _held_out(tasks: Sequence[Task], cohort: Cohort) -> Floats:
    told = np.full(cohort.targets.shape, np.nan)
    for task in tasks:
        case = np.load(task.folder / "held_out.npz")
        told[case["indices"]] = case["estimate"]
    return told


def _regressed(features: Floats, targets: Floats, seen: Indices, wanted: Indices, *, pictures: bool) -> Floats:
    """A logistic regression for each class, of the rows where it is known; pictures are first reduced to their main components."""
    told = np.full((len(wanted), targets.shape[1]), np.nan)
    for k in range(targets.shape[1]):
        known = seen[~np.isnan(targets[seen, k])]
        if len(np.unique(targets[known, k])) < 2:
            continue
        last = LogisticRegression(C=STRENGTH if pictures else 1.0, max_iter=2000)
        reduce = [PCA(min(COMPONENTS, len(known), features.shape[1]), random_state=0)] if pictures else []
        model = make_pipeline(StandardScaler(), *reduce, StandardScaler(), last)
        told[:, k] = model.fit(features[known], targets[known, k]).predict_proba(features[wanted])[:, 1]
    return told


def _headers(cohort: Cohort) -> Floats:
    """View, sex and age: what can be told without looking."""
    return np.array([
        [row.strata["view"] == "ap", row.strata["sex"] == "female", min(float(row.strata["age"] or 50), 100.0)] for row in cohort.rows
    ], np.float64)  # fmt: skip


def _thumbnails(cohort: Cohort) -> Floats:
    images = cohort.tensors["image"]
    small = [Image.fromarray(np.asarray(image[0])).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX) for image in images]
    return np.stack([np.asarray(each, np.float64).ravel() for each in small])


def _trunk(cohort: Cohort, artifact: Path) -> Floats:
    """Mean and largest value of each feature of the reference trunk, which has seen phantoms only."""
    graph, name = open_graph(artifact / "model.onnx"), features_name("image")
    maps = [graph(_one(cohort, row), [name])[name][0] for row in tqdm(range(len(cohort.rows)), desc="phantom trunk", unit="film")]
    return np.stack([np.concatenate((each.mean((1, 2)), each.max((1, 2)))) for each in maps]).astype(np.float64)


def _one(cohort: Cohort, row: int) -> Tensors:
    return {name: np.asarray(array[row : row + 1]) for name, array in cohort.tensors.items()}


def _compared(name: str, cohort: Cohort, rows: Indices, told: dict[str, Floats], findings: list[str]) -> Result:
    classes = [each.name for each in cohort.spec.classifications[0].classes]
    counts, aucs, gains = {}, {}, {}
    for finding in findings:
        k = classes.index(finding)
        known = rows[~np.isnan(cohort.targets[rows, k])]
        positive = int(cohort.targets[known, k].sum())
        if min(positive, len(known) - positive) < FEWEST:
            continue
        groups = [cohort.rows[i].group for i in known]
        scored = {method: Scored(cohort.targets[known, k], some[known, k]) for method, some in told.items()}
        counts[finding] = (positive, len(known))
        aucs[finding] = {method: bootstrap(each, {"AUC": class_auc}, groups=groups)["AUC"] for method, each in scored.items()}
        gains[finding] = {
            method: difference(scored["network"], each, class_auc, groups=groups) for method, each in scored.items() if method != "network"
        }
    return Result(name, "network", len({cohort.rows[i].group for i in rows}), counts, aucs, gains)

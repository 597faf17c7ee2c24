"""A cohort made ready: rows, split by patient, and their tensors from the service's own decode and preprocess."""

from __future__ import annotations

import hashlib
import importlib
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

import models
from models.decode import Limits
from models.prediction import Tensors
from models.spec import Measured, ModelSpec
from models.study import Part, Study, read_study
from training.processes import end_with_parent
from training.recipes import Recipe
from training.sources import CohortError, Problem, Row

Indices = NDArray[np.int64]
QUANTILE_BINS = 5  # a continuous target is stratified by its fifths


@dataclass(frozen=True)
class Split:
    """Which rows train, which choose the epoch, and which are held out from both."""

    name: str
    train: Indices
    validation: Indices
    held_out: Indices


@dataclass(frozen=True)
class Cohort:
    """The spec they were read with, rows, their targets (N, K), NaN where unknown, and the folder that holds their tensors."""

    spec: ModelSpec
    rows: tuple[Row, ...]
    targets: NDArray[np.float64]  # not float32: a measurement of 0.899 must not fall below a threshold of 0.899
    folder: Path

    @property
    def tensors(self) -> Tensors:
        """Each (N, ...), mapped from disk anew: a cohort handed to another process carries no pixels."""
        return {path.stem: np.load(path, mmap_mode="r") for path in sorted(self.folder.glob("*.npy"))}


def load(spec: ModelSpec, rows: tuple[Row, ...], cache: Path) -> Cohort:
    """Every row through `read_study`, once: the result is kept under `cache` and read back when nothing has changed."""
    folder = cache / _fingerprint(spec, rows)
    if not (folder / "complete").exists():
        _write_tensors(spec, rows, folder)
    return Cohort(spec, rows, np.array([[row.target[name] for name in target_names(spec)] for row in rows]), folder)


def with_panel(spec: ModelSpec, folder: Path) -> ModelSpec:
    """The spec with the panel of a cohort, where it reads genotypes and has none yet; CohortError where that cannot be read."""
    if spec.genotypes is None or (spec.measured and spec.measured.panel):
        return spec
    source = importlib.import_module(f"training.sources.{spec.name}")
    return spec.with_measured(Measured(training_data="", recipe="", seed=0, panel=source.panel(folder)))


def target_names(spec: ModelSpec) -> tuple[str, ...]:
    """What a row's truth is called: the regression, or each class."""
    if spec.regressions:
        return (spec.regressions[0].name,)
    return tuple(each.name for each in spec.classifications[0].classes)


def study_of(row: Row) -> Study:
    """A row as it would be sent; a folder is a series, sent file by file."""
    files = [(name, path) for name, where in row.images.items() for path in (sorted(where.iterdir()) if where.is_dir() else [where])]
    return Study(tuple(Part(path.read_bytes(), name) for name, path in files), dict(row.metadata))


def tensors_of(spec: ModelSpec, row: Row) -> Tensors:
    """One row, read by exactly what serves it."""
    return read_study(spec, study_of(row), Limits()).tensors


def splits(rows: Sequence[Row], targets: NDArray[np.float64], recipe: Recipe) -> tuple[Split, ...]:
    """The recipe's protocol; the last split is the one whose network is exported.

    Groups (patients) never stand on two sides. Strata are fifths of the target times the row's own strata, e.g. the sex.
    """
    rng = np.random.default_rng(recipe.seed)
    folds = _dealt(rows, targets, recipe.folds or round(1 / recipe.calibration), rng)
    everything = np.arange(len(rows))
    if not recipe.folds:
        return (_inner("main", everything[folds != 0], everything[folds == 0], rows, targets, recipe),)
    crossed = [
        _inner(f"fold-{k:02d}", everything[folds != k], everything[folds == k], rows, targets, recipe) for k in range(recipe.folds)
    ]
    return (*crossed, _inner("final", everything, everything[:0], rows, targets, recipe))


def official_split(rows: Sequence[Row], targets: NDArray[np.float64], recipe: Recipe) -> Split:
    """The rows that the cohort itself calls its test are held out; the others train and choose the epoch.

    Raises
    ------
    CohortError
        The cohort has no such rows.
    """
    tested = np.array([row.part == "test" for row in rows])
    if not tested.any():
        raise CohortError([Problem("cohort", 0, "", "has no test rows of its own: add its test tables, or choose another protocol")])
    everything = np.arange(len(rows))
    return _inner("official", everything[~tested], everything[tested], rows, targets, recipe)


def _inner(
    name: str, rest: Indices, held_out: Indices, rows: Sequence[Row], targets: NDArray[np.float64], recipe: Recipe
) -> Split:
    """Nested early stopping: the part that chooses the epoch comes out of the training part, never out of `held_out`."""
    rng = np.random.default_rng((recipe.seed, len(name), *name.encode()))
    part = _dealt([rows[i] for i in rest], targets[rest], round(1 / recipe.validation), rng)
    return Split(name, rest[part != 0], rest[part == 0], held_out)


def _dealt(rows: Sequence[Row], targets: NDArray[np.float64], folds: int, rng: np.random.Generator) -> Indices:
    """A fold number for each row: groups (patients) are shuffled, sorted by stratum, and dealt like cards."""
    bins = _bins(targets.astype(np.float32))
    stratum = {group_of(row): (sorted(row.strata.items()), int(bins[i])) for i, row in enumerate(rows)}
    groups = list(stratum)
    rng.shuffle(groups)
    groups.sort(key=lambda group: stratum[group])
    start = int(rng.integers(folds))
    fold = {group: (start + position) % folds for position, group in enumerate(groups)}
    return np.array([fold[group_of(row)] for row in rows])


def _bins(targets: NDArray[np.float32]) -> Indices:
    """What is stratified by (N,): fifths of a number, or the first class that holds."""
    if targets.shape[1] > 1:
        return np.asarray(np.nan_to_num(targets).argmax(1))
    edges = np.quantile(targets[:, 0], np.linspace(0, 1, QUANTILE_BINS + 1)[1:-1])
    return np.asarray(np.searchsorted(edges, targets[:, 0]))


def group_of(row: Row) -> str:
    """What stands on one side of a split: the patient, where nothing else is known."""
    return row.group or row.patient


def _write_tensors(spec: ModelSpec, rows: tuple[Row, ...], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    arrays: Tensors = {}
    for i, tensors in enumerate(tqdm(_all_tensors(spec, rows), total=len(rows), desc="decode and preprocess", unit="study")):
        for name, tensor in tensors.items():
            if name not in arrays:
                shape = (len(rows), *tensor.shape)
                arrays[name] = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.float32, shape)
            arrays[name][i] = tensor
    (folder / "complete").touch()


def _all_tensors(spec: ModelSpec, rows: tuple[Row, ...]) -> Iterator[Tensors]:
    context = multiprocessing.get_context("spawn")  # a fork of a process with threads, as torch has, may never wake up
    with ProcessPoolExecutor(os.cpu_count(), mp_context=context, initializer=end_with_parent) as pool:
        yield from pool.map(partial(tensors_of, spec), rows, chunksize=8)


def reading_digest(spec: ModelSpec) -> str:
    """Changes with the spec and the code that reads studies: with what makes tensors of files."""
    digest = hashlib.sha256(spec.model_dump_json().encode())
    for source in sorted(Path(models.__file__).parent.rglob("*.py")):
        if source.name != "network.py" and source.parent.name != "layers":  # what comes after the tensors
            digest.update(source.read_bytes())
    return f"sha256:{digest.hexdigest()}"


def _fingerprint(spec: ModelSpec, rows: tuple[Row, ...]) -> str:
    """Changes with the spec, the code that reads studies, the metadata, and the files' names, sizes and times."""
    digest = hashlib.sha256(reading_digest(spec).encode())
    for row in rows:
        stats = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in row.images.values()]  # of a folder: its own
        digest.update(repr((row, stats)).encode())
    return digest.hexdigest()[:16]

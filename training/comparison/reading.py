"""A run's folder as it is now, finished or not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import SPECS
from models.spec import ModelSpec
from training.curves import History, read_history
from training.data import Indices
from training.metrics import Scored
from training.records import Record, whole_record

COLUMNS = ("indices", "group", "target", "estimate")


@dataclass(frozen=True)
class HeldOut:
    """The rows that a variant's finished networks held out, in the cohort's order, with what was said of them."""

    rows: Indices  # (N,) of the cohort
    groups: tuple[str, ...] | None  # whose rows are resampled together: a patient's; None for a regression, as `evaluate` does
    scored: Scored


@dataclass(frozen=True)
class Reached:
    """How far a variant is: its epochs by split, and its held-out rows once a split is finished."""

    histories: Mapping[str, History]
    held_out: HeldOut | None

    @property
    def epochs(self) -> int:
        """Of all its networks."""
        return sum(map(len, self.histories.values()))

    @property
    def seconds(self) -> float:
        """That its epochs took, summed over its networks."""
        return sum(row["seconds"] for history in self.histories.values() for row in history)

    @cached_property
    def best(self) -> float:
        """The best epoch's validation loss, the mean over its networks."""
        return float(np.mean([min(row["validation"] for row in history) for history in self.histories.values() if history]))


@dataclass(frozen=True)
class ReadRun:
    """What a folder holds: the record, and each variant that has begun."""

    name: str
    record: Record
    reached: Mapping[str, Reached]

    @property
    def spec(self) -> ModelSpec:
        """Of the model that it trains."""
        return SPECS[self.record["recipe"]["model"]]

    @property
    def networks(self) -> int:
        """Of each variant: its splits."""
        folds: int = self.record["recipe"]["folds"]
        return folds + 1 if folds else 1

    def finished(self, variant: str) -> int:
        """How many of the variant's networks are trained to their end."""
        networks: Record = self.record["networks"]
        return sum(each["finished"] for name, each in networks.items() if name.startswith(f"{variant}/"))


def read_run(folder: Path) -> ReadRun:
    """The run in a folder, as far as it is.

    Raises
    ------
    RecordError
        The folder is no run.
    """
    record = whole_record(folder)
    pooled = _pooled_numbers if SPECS[record["recipe"]["model"]].regressions else _pooled_classes
    begun = {variant: _reached(folder / variant, pooled) for variant in record["recipe"]["variants"]}
    return ReadRun(folder.resolve().name, record, {variant: each for variant, each in begun.items() if each.histories})


def _reached(folder: Path, pooled: Callable[[Sequence[Mapping[str, NDArray[Any]]]], HeldOut]) -> Reached:
    histories = {path.parent.name: read_history(path.parent) for path in sorted(folder.glob("*/history.csv"))}
    files = [np.load(path) for path in sorted(folder.glob("*/held_out.npz"))]
    filled = [file for file in files if len(file["indices"])]
    return Reached(histories, pooled(filled) if filled else None)


def _pooled_classes(files: Sequence[Mapping[str, NDArray[Any]]]) -> HeldOut:
    """Rows of all folds in the cohort's order, whichever fold held them out."""
    rows, group, target, estimate = (np.concatenate([file[name] for file in files]) for name in COLUMNS)
    order = np.argsort(rows)
    scored = Scored(target[order].astype(np.float64), estimate[order].astype(np.float64))
    return HeldOut(rows[order], tuple(str(each) for each in group[order]), scored)


def _pooled_numbers(files: Sequence[Mapping[str, NDArray[Any]]]) -> HeldOut:
    pooled = _pooled_classes(files)
    return HeldOut(pooled.rows, None, Scored(pooled.scored.target[:, 0], pooled.scored.estimate[:, 0]))

"""Two runs against each other: tables that a terminal and a page show alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from models.spec import ModelSpec
from training.class_metrics import class_metrics
from training.comparison.reading import HeldOut, ReadRun
from training.metrics import Metric, bootstrap, difference, regression_metrics
from training.records import Record, differences
from training.storage import RecordError

NONE = "-"
DIGEST = len("sha256:") + 12  # characters that tell one digest from another


@dataclass(frozen=True)
class Line:
    """One thing of both runs, as text; `change` is the second less the first, where that can be told."""

    name: str
    one: str
    other: str
    change: str = ""


@dataclass(frozen=True)
class Compared:
    """Two runs of one model, under names that tell them apart."""

    one: ReadRun
    other: ReadRun
    names: tuple[str, str]

    @property
    def variants(self) -> tuple[str, ...]:
        """Those that have begun in either, in the order of the recipes."""
        return tuple(dict.fromkeys([*self.one.reached, *self.other.reached]))


def compared(one: ReadRun, other: ReadRun) -> Compared:
    """Two runs side by side.

    Raises
    ------
    RecordError
        They train different models.
    """
    if one.spec.name != other.spec.name:
        told = " and ".join(f"{run.name} trains {run.spec.name}" for run in (one, other))
        raise RecordError(f"{told}: only runs of one model can be compared")
    names = (one.name, other.name) if one.name != other.name else (f"{one.name} (first)", f"{other.name} (second)")
    return Compared(one, other, names)


def setting_lines(both: Compared) -> list[Line]:
    """What differs in recipe, cohort, code and environment."""
    found = differences(_settings(both.one), _settings(both.other))
    return [Line(name, _told(mine), _told(theirs)) for name, (mine, theirs) in found.items()]


def reached_lines(both: Compared, variant: str) -> Iterator[Line]:
    """How far a variant came in both, and what it says of held-out rows."""
    told = [_progress(run, variant) for run in (both.one, both.other)]
    yield from (Line(name, told[0][name], told[1][name]) for name in told[0])
    yield from _metric_lines(both, variant)


def notes(both: Compared) -> list[str]:
    """What must be known to read the tables rightly."""
    recipes = both.one.record["recipe"], both.other.record["recipe"]
    said = ["Validation losses are means over a variant's networks; its time is the sum of theirs, without epochs that were interrupted."]
    if both.one.spec.regressions and any(recipes[0][name] != recipes[1][name] for name in ("loss", "loss_options")):
        said.append("The runs have different losses, so their validation losses do not compare.")
    if not any(_same_rows(both, variant) for variant in both.variants):
        said.append("No variant held out the same rows in both runs, so no difference between their figures is given.")
    return said


def _settings(run: ReadRun) -> Record:
    """Of several sessions the last one counts; how many there were is told."""
    sessions = run.record["sessions"]
    last = {name: sessions[-1][name] for name in ("code", "environment", "pretrained")} if sessions else {}
    return {"recipe": run.record["recipe"], "cohort": run.record["cohort"], **last, "sessions": len(sessions)}


def _told(value: object) -> str:
    text = NONE if value is None else str(value)
    return text[:DIGEST] if text.startswith("sha256:") else text


def _progress(run: ReadRun, variant: str) -> dict[str, str]:
    reached = run.reached.get(variant)
    names = ("networks finished", "epochs", "best validation loss", "time")
    if reached is None:
        return dict.fromkeys(names, NONE)
    most = run.record["recipe"]["epochs"] * run.networks
    finished, epochs = f"{run.finished(variant)} of {run.networks}", f"{reached.epochs} of at most {most}"
    values = finished, epochs, f"{reached.best:.4f}", duration(reached.seconds)
    return dict(zip(names, values, strict=True))


def duration(seconds: float) -> str:
    """As a person would say it."""
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def _same_rows(both: Compared, variant: str) -> bool:
    """Whether both were asked about the same patients' rows: without that nothing is paired."""
    held_out = [run.reached[variant].held_out if variant in run.reached else None for run in (both.one, both.other)]
    if held_out[0] is None or held_out[1] is None:
        return False
    same_cohort = both.one.record["cohort"]["content"] == both.other.record["cohort"]["content"]
    return same_cohort and np.array_equal(held_out[0].rows, held_out[1].rows)


def _metric_lines(both: Compared, variant: str) -> Iterator[Line]:
    found = [run.reached[variant].held_out if variant in run.reached else None for run in (both.one, both.other)]
    if found[0] is None and found[1] is None:
        return
    metrics = metrics_of(both.one.spec)
    counts = [str(len(each.rows)) if each else NONE for each in found]
    yield Line("held-out rows", counts[0], counts[1])
    tables = [bootstrap(each.scored, metrics, groups=each.groups) if each else {} for each in found]
    paired = _same_rows(both, variant)
    for name, metric in metrics.items():
        change = _change(found[0], found[1], metric) if paired and found[0] and found[1] else ""
        told = [str(table[name]) if table else NONE for table in tables]
        yield Line(name, told[0], told[1], change)


def metrics_of(spec: ModelSpec) -> Mapping[str, Metric]:
    """What `evaluate` measures of a model."""
    return regression_metrics(spec.regressions[0]) if spec.regressions else class_metrics(spec.classifications[0])


def _change(one: HeldOut, other: HeldOut, metric: Metric) -> str:
    """The second run's less the first's, on the same resampled rows."""
    found = difference(other.scored, one.scored, metric, groups=one.groups)
    return str(found) if np.isnan(found.value) else f"{found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f})"

"""The figures of a cohort: how many, which labels in which part, what each field holds, and what the images are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.spec import Field
from training.inspection.findings import Evidence
from training.inspection.units import out_of_range

BINS = 24
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Numbers:
    """What a number holds: quartiles and a histogram of the known values; NaN where none is known."""

    low: float
    median: float
    high: float
    counts: tuple[int, ...]
    known: int
    rows: int
    outside: int  # of the declared range


@dataclass(frozen=True)
class Levels:
    """How often each level, or class, holds among the rows where it is known."""

    counts: Mapping[str, int]
    known: int
    rows: int


@dataclass(frozen=True)
class FieldSummary:
    """One field of the table, and what it holds."""

    field: Field
    holds: Numbers | Levels


def totals(evidence: Evidence) -> dict[str, int]:
    """What a person asks first."""
    return {
        "rows": len(evidence.rows),
        "patients": len({row.group or row.patient for row in evidence.rows}),
        "images": sum(len(set(seen.views) & {image.name for image in evidence.spec.images}) for seen in evidence.seen),
        "rows refused": sum(seen.refusal is not None for seen in evidence.seen),
        "left out": sum(evidence.survey.left_out.values()),
        "faults in tables": len(evidence.survey.problems),
    }


def parts(evidence: Evidence) -> dict[str, tuple[int, ...]]:
    """The rows of each part of the cohort; of one that is not divided, all of them."""
    names = sorted({row.part for row in evidence.rows})
    divided = {name: tuple(index for index, row in enumerate(evidence.rows) if row.part == name) for name in names}
    return divided if len(divided) > 1 else {"all": tuple(range(len(evidence.rows)))}


def labels(evidence: Evidence, rows: tuple[int, ...]) -> Levels | Numbers:
    """The truth of some rows."""
    if evidence.spec.regressions:
        part = evidence.spec.regressions[0]
        return numbers([evidence.rows[index].target[part.name] for index in rows], part.low, part.high)
    names = [each.name for each in evidence.spec.classifications[0].classes]
    targets = np.array([[evidence.rows[index].target[name] for name in names] for index in rows], float).reshape(-1, len(names))
    counts = {name: int((targets[:, k] > 0.5).sum()) for k, name in enumerate(names)}
    return Levels(counts, int((~np.isnan(targets)).all(1).sum()), len(rows))


def fields(evidence: Evidence) -> list[FieldSummary]:
    """Every field of the model's table."""
    return [FieldSummary(field, _field(evidence, field)) for field in evidence.spec.table.fields]


def kinds_of_image(evidence: Evidence, name: str) -> dict[str, Counter[str]]:
    """Formats, modalities and sizes of an image input, the commonest first."""
    views = [seen.views[name] for seen in evidence.seen if name in seen.views]
    read = [view for view in views if view.content]
    return {
        "suffix": Counter(_suffix(evidence, index, name) for index, seen in enumerate(evidence.seen) if name in seen.views),
        "modality": Counter(view.header.modality or "not stated" for view in views),
        "size": Counter(f"{view.rows} x {view.columns}" for view in read),
    }


def numbers(values: list[float], low: float | None, high: float | None) -> Numbers:
    """Summarise numbers; those that are NaN are not known."""
    some = np.asarray(values, float)
    known = some[np.isfinite(some)]
    outside = sum(out_of_range(value, low, high) for value in known)
    if not len(known):
        return Numbers(np.nan, np.nan, np.nan, (0,) * BINS, 0, len(some), 0)
    counts = np.histogram(known, BINS)[0]
    least, middle, most = (float(each) for each in np.percentile(known, (0, 50, 100)))
    return Numbers(least, middle, most, tuple(int(count) for count in counts), len(known), len(some), outside)


def _field(evidence: Evidence, field: Field) -> Numbers | Levels:
    given = [row.metadata.get(field.name) for row in evidence.rows]
    if field.kind == "number":
        return numbers([value if isinstance(value, float) else np.nan for value in given], field.low, field.high)
    several = [[value] if isinstance(value, str) else value for value in given if isinstance(value, str | list)]
    counts = Counter(level for levels in several for level in levels)
    known = {level: counts[level] for level in field.levels}
    other = sum(counts.values()) - sum(known.values())
    return Levels(known | ({"other": other} if other else {}), len(several), len(given))


def _suffix(evidence: Evidence, index: int, name: str) -> str:
    path = evidence.rows[index].images[name]
    return "series" if path.is_dir() else "".join(path.suffixes[-2:]).lower().removeprefix(".") or "no suffix"

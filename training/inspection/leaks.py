"""Whether something beside the picture gives the label away: a field, whether it is known at all, or how the file was made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from models.spec import Field
from training.inspection.findings import Evidence, Finding, alternatives
from training.metrics import auc

GIVEN_AWAY = 0.98  # AUC, or correlation with a number
FEWEST = 8  # of either kind: with fewer, chance alone separates them now and then
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Column:
    """Numbers of all rows, NaN where unknown, and what they are in words."""

    name: str
    values: Floats


def leaks(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each thing that knows a label."""
    targets = list(_targets(evidence))
    known: dict[str, dict[str, float]] = defaultdict(dict)
    for column in _columns(evidence):
        for target in targets:
            strength = _strength(column.values, target.values, number=bool(evidence.spec.regressions))
            if strength > GIVEN_AWAY:
                known[column.name][target.name] = max(strength, known[column.name].get(target.name, 0))
    measure = "correlation" if evidence.spec.regressions else "AUC"
    for name, labels in known.items():
        said = f"{name[:1].upper()}{name[1:]} gives {alternatives(labels)} away ({measure} {max(labels.values()):.3f})."
        remedy = "Ask where it comes from: if it is known only after the diagnosis, a model must not see it, nor anything made of it."
        yield Finding("leak", "fix", said, (), remedy)


def _targets(evidence: Evidence) -> Iterator[Column]:
    """Each number or class; of two exclusive classes the second says it all."""
    names = list(evidence.rows[0].target) if evidence.rows else []
    exclusive = any(part.exclusive for part in evidence.spec.classifications)
    for name in names[1:] if exclusive and len(names) == 2 else names:
        yield Column(name, np.array([row.target[name] for row in evidence.rows], float))


def _columns(evidence: Evidence) -> Iterator[Column]:
    for field in evidence.spec.table.fields:
        given = [row.metadata.get(field.name) for row in evidence.rows]
        yield Column(f"whether {field.name} is known", np.array([value is not None for value in given], float))
        yield from _field_columns(field, given)
    for image in evidence.spec.images:
        views = [seen.views.get(image.name) for seen in evidence.seen]
        read = [view if view is not None and view.content else None for view in views]
        for words in ("rows", "columns", "size"):
            values = [getattr(view, words) if view else np.nan for view in read]
            yield Column(f"the {'file size' if words == 'size' else f'number of {words}'} of {image.name}", np.array(values, float))
        brightness = [view.tiny.mean() if view and view.tiny is not None else np.nan for view in read]
        yield Column(f"the mean brightness of {image.name}", np.array(brightness, float))


def _field_columns(field: Field, given: list[float | str | list[str] | None]) -> Iterator[Column]:
    """A number as it is; of levels, whether each holds."""
    if field.kind == "number":
        yield Column(f"the field {field.name}", np.array([value if isinstance(value, float) else np.nan for value in given]))
    for level in field.levels:
        values = [np.nan if value is None else float(level in ([value] if isinstance(value, str) else _several(value))) for value in given]
        yield Column(f"the field {field.name}", np.array(values))


def _several(value: float | list[str]) -> list[str]:
    return value if isinstance(value, list) else []


def _strength(column: Floats, target: Floats, *, number: bool) -> float:
    """The larger of both correlations with a number, or the AUC of a class, in whichever direction; 0 where too little is known."""
    known = ~np.isnan(column) & ~np.isnan(target)
    some, truth = column[known], target[known]
    if len(some) < 2 * FEWEST or np.ptp(some) == 0 or np.ptp(truth) == 0:
        return 0.0
    if number:
        pairs = ((some, truth), (rankdata(some), rankdata(truth)))
        return max(abs(float(np.corrcoef(*pair)[0, 1])) for pair in pairs)
    positive = truth > 0.5
    if min(positive.sum(), (~positive).sum()) < FEWEST:
        return 0.0
    area = auc(positive, some)
    return max(area, 1 - area)

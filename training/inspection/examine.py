"""From a folder to what is wrong with it: survey the tables, read every file, run every check."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models import SPECS
from models.spec import ModelSpec
from training.data import with_panel
from training.inspection import images, leaks, tables
from training.inspection.findings import Evidence, Finding
from training.inspection.reading import see_all
from training.sources import CohortError, Problem, Row, Survey

SHOWN = 48  # pictures on the contact sheet
CHECKS: tuple[Callable[[Evidence], Iterator[Finding]], ...] = (
    tables.table_problems, tables.field_values, images.refusals, images.duplicates, tables.split_patients, tables.contradicting_labels,
    images.header_sides, images.header_patients, leaks.leaks, tables.one_answer, images.exposure, images.odd_pictures, tables.strange_units,
    images.reservations, tables.left_out,
)  # fmt: skip


@dataclass(frozen=True)
class Inspection:
    """A cohort as it was found."""

    evidence: Evidence
    findings: tuple[Finding, ...]
    shown: tuple[int, ...]  # rows on the contact sheet

    @property
    def to_fix(self) -> tuple[Finding, ...]:
        """What must be fixed before training."""
        return tuple(finding for finding in self.findings if finding.level == "fix")

    @property
    def to_look_at(self) -> tuple[Finding, ...]:
        """What training would not stop at."""
        return tuple(finding for finding in self.findings if finding.level == "look")


def examine(model: str, folder: Path, *, workers: int | None = None, progress: bool = True) -> Inspection:
    """Inspect a cohort; whatever is wrong with it becomes a finding, never an error.

    Parameters
    ----------
    model
        Whose cohort it is; its source tells the layout.
    folder
        The cohort.
    workers
        Processes; all cores where None.
    progress
        Show a bar with the time left.
    """
    survey: Survey = importlib.import_module(f"training.sources.{model}").survey(folder)
    spec, problems = _spec(SPECS[model], folder)
    survey = Survey(survey.rows, (*survey.problems, *problems), survey.left_out)
    shown = _spread(survey.rows)
    seen = see_all(spec, survey.rows, frozenset(shown), workers, progress=progress)
    evidence = Evidence(spec, folder, survey, tuple(seen))
    return Inspection(evidence, tuple(finding for check in CHECKS for finding in check(evidence)), shown)


def _spec(spec: ModelSpec, folder: Path) -> tuple[ModelSpec, tuple[Problem, ...]]:
    """The model's declaration with the cohort's panel; without genotypes where the panel is wrong, so that the rest is still read."""
    try:
        return with_panel(spec, folder), ()
    except CohortError as error:
        return spec.model_copy(update={"genotypes": None}), error.problems


def _spread(rows: tuple[Row, ...]) -> tuple[int, ...]:
    """Rows for the contact sheet, evenly over the table."""
    return tuple(dict.fromkeys(int(index) for index in np.linspace(0, max(len(rows) - 1, 0), min(SHOWN, len(rows)))))

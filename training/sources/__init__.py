"""Cohorts on disk -> rows. Each model's source is the only place that knows how its cohort is laid out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One study of a cohort: what the model is given, and the truth it is judged by."""

    patient: str
    images: dict[str, Path]  # name of the model's image input -> file
    metadata: Mapping[str, float | str | list[str]]  # the model's own field names and units; a missing field is left out
    target: dict[str, float]  # name of the output -> truth, in the output's unit
    strata: dict[str, str] = field(default_factory=dict)  # what a split should balance, and results may be broken down by
    group: str = ""  # rows of one group never stand on both sides of a split; the patient where nothing else is known
    place: str = field(default="", repr=False, compare=False)  # where it stands: cohort.csv:12; no part of what it says
    part: str = field(default="", repr=False, compare=False)  # train or test, where the cohort itself is divided
    side: str = field(default="", repr=False, compare=False)  # left or right, where the table tells and the model reads no laterality


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong with a cohort and where it stands; names files, lines and columns, never a patient's values."""

    file: str
    line: int
    column: str
    text: str

    def __str__(self) -> str:
        """``cohort.csv:12: weight_kg: not a number``; line 0 is the file as a whole."""
        line = f":{self.line}" if self.line else ""
        column = f" {self.column}:" if self.column else ""
        return f"{self.file}{line}:{column} {self.text}"


class CohortError(Exception):
    """A cohort that cannot be read as it stands. All problems are listed, not just the first."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(map(str, self.problems)))


@dataclass(frozen=True)
class Survey:
    """A cohort as it stands: the rows that can be made, everything that is wrong with its tables, and why others are left out."""

    rows: tuple[Row, ...]  # those of faulty lines included, where their images are there
    problems: tuple[Problem, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)  # reason -> how many

    def checked(self) -> tuple[Row, ...]:
        """The rows, where nothing is wrong; CohortError with every problem otherwise."""
        if self.problems:
            raise CohortError(self.problems)
        return self.rows

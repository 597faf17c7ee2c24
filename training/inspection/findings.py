"""What an inspection finds: one sentence for each kind of mistake, with where it stands, and what a check looks at to find it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from models.spec import ModelSpec
from training.inspection.reading import Seen
from training.sources import Row, Survey

Level = Literal["fix", "look"]  # must be fixed before training; worth a look
CHECKS = {  # kind of finding -> what holds where there is none
    "table": "Every line of the tables can be read, and every file that they name is there.",
    "unit": "No number looks as if it were in another unit.",
    "field": "Every value is one that its field allows.",
    "left_out": "Nobody is left out for lack of data or for contradicting diagnoses.",
    "unreadable": "Every file opens and decodes to its end.",
    "unsuitable": "Every image is of the modality, the view and the size that the model reads.",
    "blank": "No image is constant, almost black or saturated.",
    "odd": "No picture is a negative, turned, or unlike all the others.",
    "header": "Headers and tables agree in sex, age and side, and the fields of a row with each other.",
    "patient": "No header names one patient for two patients of the tables.",
    "duplicate": "No image stands twice, byte for byte or pixel for pixel.",
    "split": "No patient stands in two parts of the cohort.",
    "contradiction": "No label contradicts another.",
    "labels": "There is more than one answer to learn.",
    "leak": "Nothing beside the picture gives the label away.",
}


@dataclass(frozen=True)
class Finding:
    """One kind of mistake. `places` names each case by its row or file, `rows` by its index, for a picture of it."""

    kind: str
    level: Level
    text: str
    places: tuple[str, ...]
    remedy: str = ""
    rows: tuple[int, ...] = ()


@dataclass(frozen=True)
class Evidence:
    """A cohort with what was seen of each of its rows, in their order."""

    spec: ModelSpec
    folder: Path
    survey: Survey
    seen: tuple[Seen, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows that could be made."""
        return self.survey.rows

    @property
    def faulty_places(self) -> frozenset[str]:
        """Rows with whose line the source itself finds fault: their values are judged there and not a second time."""
        return frozenset(f"{problem.file}:{problem.line}" for problem in self.survey.problems)

    def file(self, index: int, name: str) -> str:
        """Where an image of a row stands, with its file below the cohort's folder."""
        path = self.rows[index].images[name]
        inside = path.relative_to(self.folder) if path.is_relative_to(self.folder) else Path(path.name)
        return f"{self.rows[index].place} · {inside.as_posix()}"

    def label(self, index: int) -> tuple[str, ...]:
        """A row's truth in words: the classes that hold, or the number."""
        target = self.rows[index].target
        if self.spec.regressions:
            return tuple(f"{value:g}" for value in target.values())
        return tuple(name for name, value in target.items() if value > 0.5)


def counted(number: int, noun: str, verb: str = "") -> str:
    """``1 row``, ``2,000 rows``; with a verb in its plural ``1 row stands``, ``2 rows stand``."""
    noun = noun if number == 1 else f"{noun}s"
    said = {"are": "is", "have": "has"}.get(verb, f"{verb}s") if number == 1 else verb
    return f"{number:,} {noun} {said}" if verb else f"{number:,} {noun}"


def alternatives(words: Iterable[str], last: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    some: Sequence[str] = list(words)
    return f" {last} ".join([*([", ".join(some[:-1])] if len(some) > 1 else []), *some[-1:]])

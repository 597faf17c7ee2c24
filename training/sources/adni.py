"""ADNI's tables as they are downloaded (adni.loni.usc.edu): four CSVs -> typed records, and every line that cannot be one.

Their traps: a diagnosis stands in another column in each phase of the study; -4 means that nothing was entered; subjects are numbered
(RID) in one table and named (PTID) in the next; columns and files changed their names over the years; dates come in two forms.
"""

from __future__ import annotations

import csv
import datetime
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from training.sources import CohortError, Problem

T = TypeVar("T")
Record = Mapping[str, str]

DEMOGRAPHY, DIAGNOSES, COGNITION, IMAGES = "PTDEMOG", "DXSUM", "ADSP_PHC_COGN", "the image list"
IMAGE_ID = "Image Data ID"  # the first column of the list that the Image and Data Archive makes of a collection
MISSING = {"", "-4", "NA", "NaN", "nan"}
STEPS = {"1": "cn", "2": "mci", "3": "ad"}
CHANGES = {**STEPS, "4": "mci", "5": "ad", "6": "ad", "7": "cn", "8": "mci", "9": "cn"}  # of DXCHANGE: conversions and reversions
GROUPS = {"CN": "cn", "SMC": "cn", "MCI": "mci", "EMCI": "mci", "LMCI": "mci", "AD": "ad"}
SEXES = {"1": "male", "2": "female", "M": "male", "F": "female", "Male": "male", "Female": "female"}
MODALITIES = {"MRI": "mri", "MR": "mri", "PET": "pet", "PT": "pet"}
SCORES = ("PHC_MEM", "PHC_EXF", "PHC_LAN", "PHC_VSP")
# name of a column -> the names it has had
ALIASES: Mapping[str, tuple[str, ...]] = {
    "DX": ("DX", "PHC_Diagnosis", "PHC_DIAGNOSIS"), "RID": ("RID",), "PTID": ("PTID",), "EXAMDATE": ("EXAMDATE", "VISDATE"),
}  # fmt: skip
REQUIRED: Mapping[str, tuple[str, ...]] = {
    DEMOGRAPHY: ("RID", "PTGENDER", "PTEDUCAT"),
    DIAGNOSES: ("RID", "PTID", "EXAMDATE"),
    COGNITION: ("RID", "EXAMDATE", *SCORES),
    IMAGES: (IMAGE_ID, "Subject", "Group", "Sex", "Age", "Modality", "Description", "Acq Date"),
}


@dataclass(frozen=True)
class Demography:
    """One line of PTDEMOG."""

    rid: int
    sex: str | None
    education_years: float | None


@dataclass(frozen=True)
class Diagnosis:
    """One line of DXSUM: what the clinicians concluded at a visit."""

    rid: int
    subject: str
    day: datetime.date
    diagnosis: str | None


@dataclass(frozen=True)
class Cognition:
    """One line of ADSP_PHC_COGN: the harmonised scores of a visit, and the diagnosis that stands beside them."""

    rid: int
    day: datetime.date
    diagnosis: str | None
    scores: Mapping[str, float]  # by column; a missing one is left out


@dataclass(frozen=True)
class Image:
    """One line of the image list."""

    line: int
    identifier: str
    subject: str
    group: str | None
    sex: str | None
    age_years: float | None
    kind: str | None  # mri, pet, or another modality
    description: str
    day: datetime.date


@dataclass
class Tables:
    """All four, and the name of each file."""

    files: dict[str, str] = field(default_factory=dict)
    demography: list[Demography] = field(default_factory=list)
    diagnoses: list[Diagnosis] = field(default_factory=list)
    cognition: list[Cognition] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)


def gather_tables(folder: Path) -> tuple[Tables, list[Problem]]:
    """Every line of the four tables that can be read, and what is wrong with the others.

    That is missing or ambiguous files and columns, lines that are cut, numbers, dates and codes that are none of ADNI's.
    """
    tables, problems = Tables(), []
    makers: tuple[tuple[str, list[object], Callable[[_Line], object]], ...] = (
        (DEMOGRAPHY, tables.demography, _demography), (DIAGNOSES, tables.diagnoses, _diagnosis),  # type: ignore[assignment]
        (COGNITION, tables.cognition, _cognition), (IMAGES, tables.images, _image),
    )  # fmt: skip
    for name, records, make in makers:
        try:
            path = _found(folder, name)
            tables.files[name] = path.name
            for line in _lines(path, REQUIRED[name]):
                made = make(line)
                problems += line.problems
                if not line.problems:
                    records.append(made)
        except CohortError as error:
            problems += error.problems
    return tables, problems


class _Line:
    """One line of a table: its cells by column, and what is wrong with them."""

    def __init__(self, file: str, number: int, cells: Record) -> None:
        self.file, self.number, self._cells = file, number, cells
        self.problems: list[Problem] = []

    def text(self, column: str) -> str:
        """A cell; empty where nothing was entered."""
        found = next((name for name in ALIASES.get(column, (column,)) if name in self._cells), column)
        value = self._cells.get(found, "").strip()
        return "" if value in MISSING else value

    def number_of(self, column: str, low: float, high: float) -> float | None:
        """A number within limits, or None where nothing was entered."""
        text = self.text(column)
        if not text:
            return None
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            self._complain(column, f"is not a number in [{low:g}, {high:g}]")
            return None
        return value

    def code(self, column: str, meanings: Mapping[str, T]) -> T | None:
        """What a code means, or None where nothing was entered."""
        text = self.text(column).removesuffix(".0")
        if text and text not in meanings:
            self._complain(column, f"is none of the codes {', '.join(meanings)}")
        return meanings.get(text)

    def day(self, column: str) -> datetime.date:
        """A date, which must stand: 2012-05-31 or 5/31/2012."""
        text = self.text(column)
        for form in ("%Y-%m-%d", "%m/%d/%Y", "%m/%d/%y"):
            try:
                return datetime.datetime.strptime(text, form).date()  # noqa: DTZ007  days of visits have no time zone
            except ValueError:
                continue
        self._complain(column, "is no date of the form 2012-05-31 or 5/31/2012")
        return datetime.date.min

    def required(self, column: str) -> str:
        """A cell that must stand."""
        text = self.text(column)
        if not text:
            self._complain(column, "is required and empty")
        return text

    def rid(self) -> int:
        """The subject's number."""
        self.required("RID")
        return int(self.number_of("RID", 0, 1e7) or 0)

    def _complain(self, column: str, text: str) -> None:
        self.problems.append(Problem(self.file, self.number, column, text))


def _found(folder: Path, name: str) -> Path:
    """The file of a table, whatever follows its name; the image list by its first column."""
    files = sorted(folder.glob("*.csv"))
    fits = [path for path in files if (_first_column(path) == IMAGE_ID if name == IMAGES else path.name.upper().startswith(name))]
    if len(fits) != 1:
        text = "is missing; docs/cohorts/alzheimer.md describes the layout" if not fits else f"stands {len(fits)} times"
        raise CohortError([Problem(name, 0, "", text)])
    return fits[0]


def _first_column(path: Path) -> str:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        return file.readline().split(",")[0].strip().strip('"')


def _lines(path: Path, required: Iterable[str]) -> Iterator[_Line]:
    """The lines of a table whose header has the required columns."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, restval="", strict=True)
        try:
            columns = set(reader.fieldnames or ())
            absent = [name for name in required if not columns & set(ALIASES.get(name, (name,)))]
            if absent:
                raise CohortError(Problem(path.name, 1, name, "column is missing") for name in absent)
            for cells in reader:
                if None in cells:
                    raise CohortError([Problem(path.name, reader.line_num, "", "has more cells than the header has columns")])
                yield _Line(path.name, reader.line_num, cells)
        except (csv.Error, UnicodeDecodeError):
            raise CohortError([Problem(path.name, reader.line_num + 1, "", "is not comma-separated UTF-8")]) from None


def _demography(line: _Line) -> Demography:
    return Demography(line.rid(), line.code("PTGENDER", SEXES), line.number_of("PTEDUCAT", 0, 30))


def _diagnosis(line: _Line) -> Diagnosis:
    """The diagnosis of the phase: DIAGNOSIS in ADNI3 and in newer downloads of all, DXCHANGE in ADNIGO and 2, DXCURREN in ADNI1."""
    stated = line.code("DIAGNOSIS", STEPS) or line.code("DXCHANGE", CHANGES) or line.code("DXCURREN", STEPS)
    return Diagnosis(line.rid(), line.required("PTID"), line.day("EXAMDATE"), stated)


def _cognition(line: _Line) -> Cognition:
    scores = {name: value for name in SCORES if (value := line.number_of(name, -5, 5)) is not None}
    return Cognition(line.rid(), line.day("EXAMDATE"), line.code("DX", STEPS), scores)


def _image(line: _Line) -> Image:
    return Image(
        line=line.number,
        identifier=line.required(IMAGE_ID),
        subject=line.required("Subject"),
        group=GROUPS.get(line.text("Group")),  # "Patient" and other words say nothing of the three
        sex=line.code("Sex", SEXES),
        age_years=line.number_of("Age", 0, 120),
        kind=MODALITIES.get(line.required("Modality")),
        description=line.text("Description"),
        day=line.day("Acq Date"),
    )

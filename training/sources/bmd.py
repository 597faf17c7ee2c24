"""The hip cohort on disk: `cohort.csv` and the images it names. Layout: docs/cohorts/bmd.md.

Phantoms and hospitals use the same layout, and this is the only way in.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path

from models.bmd import BMD, SPEC
from training.sources import CohortError, Problem, Row, Survey

TABLE = "cohort.csv"
IMAGES = "images"
TARGET = "femoral_neck_bmd_g_cm2"
SCALE = "bmd_scale"
FIELDS = {field.name: field for field in SPEC.table.fields}
REQUIRED = ("patient_id", "image", TARGET, SCALE, *(name for name, field in FIELDS.items() if field.required or not field.network))
COLUMNS = ("patient_id", "image", TARGET, SCALE, *FIELDS)  # in the order in which phantoms are written
KNOWN = (*COLUMNS, "group")
EXCESS = ""  # under this name the reader keeps cells beyond the last column
Record = dict[str, str]

HOLOGIC = (
    "Hologic values are not GE-Lunar values; convert them first (Lu et al., Osteoporos Int 2001;12:438: "
    "Lunar = (1.087 * Hologic + 0.042) / 0.939, standard error 4-7 %), and say GE-Lunar then"
)


def read(folder: Path) -> tuple[Row, ...]:
    """Read a hip cohort.

    Parameters
    ----------
    folder
        Holds `cohort.csv` (UTF-8, comma-separated, one header line) and the image files it names, relative to the folder.

    Returns
    -------
    tuple[Row, ...]
        In the order of the table; `target` in g/cm2 on the GE-Lunar scale.

    Raises
    ------
    CohortError
        With every problem of the table: missing files and columns, unreadable or out-of-range numbers, unknown levels,
        patients that stand twice, contradictions, and any scale but GE-Lunar.
    """
    return survey(folder).checked()


def survey(folder: Path) -> Survey:
    """Read a hip cohort with its mistakes: every problem, and a row for each line whose image is there."""
    try:
        columns, records = _records(folder / TABLE)
    except CohortError as error:
        return Survey((), error.problems)
    problems = list(_header(columns))
    if problems:
        return Survey((), tuple(problems))
    problems += _repeated(records)
    for line, record in records:
        problems += _check(folder, line, record)
    return Survey(tuple(_row(folder, line, record) for line, record in records if _has_image(folder, record)), tuple(problems))


def _records(table: Path) -> tuple[list[str], list[tuple[int, Record]]]:
    """The header, and every record with its line number."""
    if not table.is_file():
        raise CohortError([Problem(TABLE, 0, "", "is missing; docs/cohorts/bmd.md describes the layout")])
    with table.open(newline="", encoding="utf-8-sig") as stream:  # -sig: spreadsheets write a byte order mark
        lines = csv.DictReader(stream, restkey=EXCESS, restval="", strict=True)
        try:
            columns = list(lines.fieldnames or ())
            records = [(lines.line_num, {name: str(value).strip() for name, value in record.items()}) for record in lines]
        except (csv.Error, UnicodeDecodeError) as error:
            raise CohortError([Problem(TABLE, lines.line_num + 1, "", "is not comma-separated UTF-8")]) from error
    return columns, records


def _header(columns: list[str]) -> Iterator[Problem]:
    """What is wrong with the names of the columns."""
    for name in REQUIRED:
        if name not in columns:
            yield Problem(TABLE, 1, name, "column is missing")
    for name in dict.fromkeys(columns):
        if name not in KNOWN:  # refused, not ignored: a misspelt optional column would silently be lost
            yield Problem(TABLE, 1, name, f"unknown column; the columns are {', '.join(KNOWN)}")
        elif columns.count(name) > 1:
            yield Problem(TABLE, 1, name, "column stands twice")


def _repeated(records: list[tuple[int, Record]]) -> Iterator[Problem]:
    """Patients that stand in more than one line, and tables without any."""
    if not records:
        yield Problem(TABLE, 0, "", "has no rows")
    first: dict[str, int] = {}
    for line, record in records:
        patient = record["patient_id"]
        if patient and first.setdefault(patient, line) != line:
            yield Problem(TABLE, line, "patient_id", f"the patient already stands in line {first[patient]}; give one hip per patient")


def _check(folder: Path, line: int, record: Record) -> Iterator[Problem]:
    """What is wrong with one record."""
    if EXCESS in record:
        yield Problem(TABLE, line, "", "has more cells than the header has columns")
    for name in REQUIRED:
        if not record[name]:
            yield Problem(TABLE, line, name, "is required and empty")
    if record["image"] and not _has_image(folder, record):
        yield Problem(TABLE, line, "image", "names a file that does not exist; paths are relative to the cohort's folder")
    yield from _scale(line, record[SCALE])
    yield from _number(line, TARGET, record[TARGET], BMD.low, BMD.high)
    for name, field in FIELDS.items():
        text = record.get(name, "")
        yield from _number(line, name, text, field.low, field.high) if field.kind == "number" else _level(line, name, text)
    yield from _contradiction(line, record)


def _has_image(folder: Path, record: Record) -> bool:
    return (folder / record["image"]).is_file()


def _scale(line: int, text: str) -> Iterator[Problem]:
    """Any scale but ours: values of another maker are never converted silently."""
    if text.lower() == "hologic":
        yield Problem(TABLE, line, SCALE, HOLOGIC)
    elif text and text != BMD.scale:
        yield Problem(TABLE, line, SCALE, f"unknown scale; only {BMD.scale} is read")


def _level(line: int, name: str, text: str) -> Iterator[Problem]:
    """A category that the model does not know."""
    if text and text not in FIELDS[name].levels:
        yield Problem(TABLE, line, name, f"unknown level; the levels are {', '.join(FIELDS[name].levels)}")


def _number(line: int, name: str, text: str, low: float | None, high: float | None) -> Iterator[Problem]:
    """A cell that is no finite number within its limits."""
    value = _float(text)
    if not text:
        return
    if value is None:
        yield Problem(TABLE, line, name, "is not a number; write 12.5, and leave the cell empty where nothing is known")
    elif (low is not None and value < low) or (high is not None and value > high):
        yield Problem(TABLE, line, name, f"lies outside [{low:g}, {high:g}]")


def _float(text: str) -> float | None:
    """The finite number that a cell holds, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _contradiction(line: int, record: Record) -> Iterator[Problem]:
    """A body mass index that its height and weight do not give: one of the three is wrong."""
    height, weight, bmi = (_float(record.get(name, "")) for name in ("height_cm", "weight_kg", "bmi"))
    tolerance = FIELDS["bmi"].derived_tolerance
    if height and weight and bmi and tolerance is not None and abs(weight / (height / 100) ** 2 - bmi) > tolerance:
        yield Problem(TABLE, line, "bmi", f"differs by more than {tolerance:g} from weight_kg / (height_cm / 100)^2")


def _row(folder: Path, line: int, record: Record) -> Row:
    """A record as a row; a number that is none is left out."""
    known = {name: _float(record[name]) if field.kind == "number" else record[name] for name, field in FIELDS.items() if record.get(name)}
    metadata: dict[str, float | str] = {name: value for name, value in known.items() if value is not None}
    target = _float(record[TARGET])
    return Row(
        patient=record["patient_id"],
        images={SPEC.images[0].name: folder / record["image"]},
        metadata=metadata,
        target={BMD.name: math.nan if target is None else target},
        strata={"sex": record["sex"], "laterality": record["laterality"]},
        group=record.get("group") or record["patient_id"],
        place=f"{TABLE}:{line}",
    )

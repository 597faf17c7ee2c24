"""A chest cohort on disk, in CheXpert's own layout: `train.csv`, `valid.csv` and the films they name. Layout: docs/cohorts/chest.md.

Columns, values and their meaning: Irvin et al., arXiv:1901.07031, and the README of CheXpert-v1.0.
"""

from __future__ import annotations

import csv
import itertools
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

from training.sources import CohortError, Problem, Row, Survey

Policy = Literal["ones", "zeros", "ignore"]
Views = Literal["frontal", "lateral", "all"]
Record = dict[str, str]
Line = tuple[str, int, Record]  # table, number of the line, its cells

TABLES = ("train.csv", "valid.csv")
PATH, SEX, AGE, VIEW, PROJECTION = "Path", "Sex", "Age", "Frontal/Lateral", "AP/PA"
FINDINGS = {  # column -> class, in the order of the table and of the model's answer
    "No Finding": "no_finding", "Enlarged Cardiomediastinum": "enlarged_cardiomediastinum", "Cardiomegaly": "cardiomegaly",
    "Lung Opacity": "lung_opacity", "Lung Lesion": "lung_lesion", "Edema": "edema", "Consolidation": "consolidation",
    "Pneumonia": "pneumonia", "Atelectasis": "atelectasis", "Pneumothorax": "pneumothorax", "Pleural Effusion": "pleural_effusion",
    "Pleural Other": "pleural_other", "Fracture": "fracture", "Support Devices": "support_devices",
}  # fmt: skip
COLUMNS = (PATH, SEX, AGE, VIEW, PROJECTION, *FINDINGS)
SEXES = {"Female": "female", "Male": "male", "Unknown": "unknown"}
LEVELS = {SEX: tuple(SEXES), VIEW: ("Frontal", "Lateral"), PROJECTION: ("AP", "PA", "LL", "RL", "")}  # LL, RL: a handful of real films
OLDEST = 120.0  # years; CheXpert itself says 90 for everyone older
UNCERTAIN = -1.0
# The first folder says which release it is, and is whatever the archive was called: the small one, the full one, or phantoms.
WHERE = re.compile(r"CheXpert-v1\.0[\w.-]*/(?P<file>(?:[\w-]+/)*(?P<patient>patient\d+)/study\d+/[\w-]+\.(?:jpg|jpeg|png))")


def read(folder: Path, policy: Policy = "ones", views: Views = "frontal") -> tuple[Row, ...]:
    """Read a cohort in CheXpert's layout.

    Parameters
    ----------
    folder
        Holds `train.csv`, `valid.csv` or both, and `train/` and `valid/` with the films: the unpacked `CheXpert-v1.0-small`.
    policy
        What an uncertain label (-1) becomes: `ones` 1, `zeros` 0, `ignore` NaN, which no loss and no metric counts.
        A blank cell is 0 under all of them: the report does not mention the finding.
    views
        Which films to keep. Problems are looked for in all of them.

    Returns
    -------
    tuple[Row, ...]
        In the order of the tables, `train.csv` first; `target` has 1, 0 or NaN for each of the 14 classes.

    Raises
    ------
    CohortError
        With every problem of the tables: missing files and columns, cells that are none of the values above, films named twice.
    """
    return survey(folder, policy, views).checked()


def survey(folder: Path, policy: Policy = "ones", views: Views = "frontal") -> Survey:
    """Read a cohort with its mistakes, as `read` does: every problem, and a row for each line whose film is there."""
    if policy not in get_args(Policy) or views not in get_args(Views):
        raise ValueError(f"policy is one of {get_args(Policy)}, views one of {get_args(Views)}")
    tables = [name for name in TABLES if (folder / name).is_file()]
    if not tables:
        return Survey((), (Problem(TABLES[0], 0, "", "is missing; docs/cohorts/chest.md describes the layout"),))
    seen: dict[str, str] = {}
    problems, lines = zip(*(_read(folder, name, seen) for name in tables), strict=True)
    found = tuple(itertools.chain(*problems))
    if not any(lines) and not found:
        found = (Problem(tables[0], 0, "", "has no rows"),)
    wanted = [each for each in itertools.chain(*lines) if views in ("all", each[2][VIEW].lower())]
    rows = (_row(folder, table, line, record, policy) for table, line, record in wanted if _file(folder, record[PATH]))
    return Survey(tuple(rows), found)


def _read(folder: Path, table: str, seen: dict[str, str]) -> tuple[list[Problem], list[Line]]:
    """The problems of one table, and its records where its header is right."""
    try:
        columns, lines = _records(folder, table)
    except CohortError as error:
        return list(error.problems), []
    problems = list(_header(table, columns))
    if problems:
        return problems, []
    problems = [found for line, record in lines for found in _check(folder, table, line, record, seen)]
    return problems, [(table, line, record) for line, record in lines]


def _records(folder: Path, table: str) -> tuple[list[str], list[tuple[int, Record]]]:
    """The header, and every record with its line number."""
    with (folder / table).open(newline="", encoding="utf-8-sig") as stream:
        lines = csv.reader(stream, strict=True)
        try:
            columns = next(lines, [])
            cells = [(lines.line_num, [cell.strip() for cell in line]) for line in lines if line]
        except (csv.Error, UnicodeDecodeError) as error:
            raise CohortError([Problem(table, lines.line_num + 1, "", "is not comma-separated UTF-8")]) from error
    ragged = [line for line, values in cells if len(values) != len(columns)]
    if ragged:
        raise CohortError(Problem(table, line, "", f"has not {len(columns)} cells as the header has") for line in ragged)
    return columns, [(line, dict(zip(columns, values, strict=True))) for line, values in cells]


def _header(table: str, columns: list[str]) -> Iterator[Problem]:
    """What is wrong with the names of the columns: there are exactly nineteen, in this order."""
    for name in COLUMNS:
        if name not in columns:
            near = [other for other in columns if re.sub(r"\W|_", "", other).lower() == re.sub(r"\W|_", "", name).lower()]
            yield Problem(table, 1, name, f"column is missing; rename {near[0]}" if near else "column is missing")
    for name in dict.fromkeys(columns):
        if name not in COLUMNS:
            yield Problem(table, 1, name, "unknown column; CheXpert has 19, and none of this name")
        elif columns.count(name) > 1:
            yield Problem(table, 1, name, "column stands twice")
    if sorted(columns) == sorted(COLUMNS) and tuple(columns) != COLUMNS:
        yield Problem(table, 1, "", f"columns stand in another order than CheXpert's: {', '.join(COLUMNS)}")


def _check(folder: Path, table: str, line: int, record: Record, seen: dict[str, str]) -> Iterator[Problem]:
    """What is wrong with one record. `seen` holds every film met so far, and where."""
    path = _path(folder, f"{table}:{line}", record[PATH], seen)
    if path:
        yield Problem(table, line, PATH, path)
    if _number(record[AGE]) is None or not 0 <= float(record[AGE]) <= OLDEST:
        yield Problem(table, line, AGE, f"is no number of years from 0 (unknown) to {OLDEST:g}")
    for name, known in LEVELS.items():
        if record[name] not in known:
            yield Problem(table, line, name, f"is none of {', '.join(filter(None, known))}{' or blank' if '' in known else ''}")
    for name in FINDINGS:  # compared as numbers: "-1" and "-1.0" are the same answer
        if record[name] and _number(record[name]) not in (1.0, 0.0, UNCERTAIN):
            yield Problem(table, line, name, "is none of 1.0, 0.0, -1.0 (uncertain) or blank (not mentioned)")


def _path(folder: Path, here: str, text: str, seen: dict[str, str]) -> str:
    """What is wrong with the path of a film; empty where nothing is."""
    where = WHERE.fullmatch(text)
    if where is None:
        return "is not CheXpert-v1.0.../train/patient00001/study1/view1_frontal.jpg"
    if seen.setdefault(where["file"], here) != here:
        return f"the film already stands in {seen[where['file']]}"
    return "" if _file(folder, text) else "names a file that does not exist below the cohort's folder"


def _file(folder: Path, text: str) -> Path | None:
    """The film that a path names, where there is one."""
    where = WHERE.fullmatch(text)
    return path if where and (path := folder / where["file"]).is_file() else None


def _number(text: str) -> float | None:
    """The finite number that a cell holds, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _row(folder: Path, table: str, line: int, record: Record, policy: Policy) -> Row:
    """A record whose film is there, as a row; what is no number is not known."""
    where = WHERE.fullmatch(record[PATH])
    assert where is not None  # noqa: S101 - the film is there
    age, sex = _number(record[AGE]) or 0.0, SEXES.get(record[SEX], "unknown")
    metadata: dict[str, float | str] = {"age_years": age} if age > 0 else {}  # 0 is CheXpert's word for unknown
    if sex != "unknown":
        metadata["sex"] = sex
    frontal = record[PROJECTION].lower() if record[PROJECTION] in ("AP", "PA") else "other"
    return Row(
        patient=where["patient"],
        images={"image": folder / where["file"]},
        metadata=metadata,
        target={name: _target(record[column], policy) for column, name in FINDINGS.items()},
        strata={"view": frontal if record[VIEW] == "Frontal" else "lateral", "sex": sex},
        group=where["patient"],
        place=f"{table}:{line}",
        part=table.removesuffix(".csv"),
    )


def _target(text: str, policy: Policy) -> float:
    """A label as the truth that a model is judged by."""
    value = _number(text or "0")
    if value is None:
        return math.nan
    return {"ones": 1.0, "zeros": 0.0, "ignore": math.nan}[policy] if value == UNCERTAIN else value

"""CBIS-DDSM as it lies on disk (Sawyer-Lee et al., 2017): four tables, and DICOM crops under the folders they name. docs/cohorts/breast.md.

Its traps: one table says breast_density and another breast density; quoted paths hold line breaks; N/A is written NA too; some rows name
the mask where the crop should stand, and the other way round; descriptors may be several at once; and 31 patients stand in a training
table and in the test table of the other kind of lesion.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import pydicom

from models.breast import CALCIFICATION, DESCRIPTORS, MASS, SPEC
from training.sources import CohortError, Problem, Row, Survey

TABLES = {
    f"{kind}_case_description_{part}_set.csv": (lesion, part)
    for kind, lesion in (("mass", MASS), ("calc", CALCIFICATION))
    for part in ("train", "test")
}
IMAGES = "CBIS-DDSM"  # the folder that the tables' paths start in, where there is one
# column of a table -> field; what a table does not have is not known
COLUMNS = {
    "density": ("breast_density", "breast density"), "shape": ("mass shape",), "margins": ("mass margins",),
    "calc_type": ("calc type",), "calc_distribution": ("calc distribution",),
}  # fmt: skip
PATHS = ("cropped image file path", "ROI mask file path")
REQUIRED = ("patient_id", "left or right breast", "image view", "abnormality id", "pathology", *PATHS)
PATHOLOGIES = {"MALIGNANT": 1.0, "BENIGN": 0.0, "BENIGN_WITHOUT_CALLBACK": 0.0}
MISSING = {"", "N/A", "NA"}
IN_BOTH = "training rows of patients who stand in a test table too"
LEVELS = {field.name: field.levels for field in DESCRIPTORS.network_fields}
Record = dict[str, str]


def read(folder: Path) -> tuple[Row, ...]:
    """Every lesion in every view of the tables that are there; training rows of patients who stand in a test table are left out.

    Raises
    ------
    CohortError
        With every problem: no table, missing columns and files, pathologies and descriptors that are none of CBIS-DDSM's.
    """
    return survey(folder).checked()


def survey(folder: Path) -> Survey:
    """Every lesion of a cohort with its mistakes: every problem, and a row for each line whose crop or mask is there."""
    try:
        records = list(tabulated(folder))
    except CohortError as error:
        return Survey((), error.problems)
    problems = [problem for table, line, record in records for problem in _check(folder, table, line, record)]
    tested = {record["patient_id"] for table, _, record in records if TABLES[table][1] == "test"}
    taken = [each for each in records if TABLES[each[0]][1] == "test" or each[2]["patient_id"] not in tested]
    rows = tuple(_row(folder, table, line, record) for table, line, record in taken if _has_image(folder, record))
    left_out = {IN_BOTH: len(records) - len(taken)} if len(taken) < len(records) else {}
    return Survey(rows, tuple(problems), left_out)


def tabulated(folder: Path) -> Iterator[tuple[str, int, Record]]:
    """(table, line, record) of every table in the folder; cells are stripped of the line breaks that some hold."""
    found = [name for name in TABLES if (folder / name).is_file()]
    if not found:
        text = "none of the four tables is there; docs/cohorts/breast.md describes the layout"
        raise CohortError([Problem(name, 0, "", text) for name in TABLES])
    for name in found:
        with (folder / name).open(newline="", encoding="utf-8-sig") as stream:
            lines = csv.DictReader(stream)
            absent = [column for column in REQUIRED if column not in (lines.fieldnames or ())]
            if absent:
                raise CohortError([Problem(name, 1, column, "column is missing") for column in absent])
            for record in lines:
                yield name, lines.line_num, {key: (value or "").strip() for key, value in record.items() if key}


def descriptors(record: Mapping[str, str]) -> dict[str, str | list[str]]:
    """The fields of one row as a request would send them: 'OVAL-LYMPH_NODE' is two shapes; density 0 and N/A are not known."""
    fields: dict[str, str | list[str]] = {}
    for field, columns in COLUMNS.items():
        text = next((record[column] for column in columns if column in record), "").strip().upper()
        if text in MISSING or (field, text) == ("density", "0"):
            continue
        fields[field] = text if field == "density" else sorted({part.strip() for part in text.split("-")})
    return fields


def _check(folder: Path, table: str, line: int, record: Record) -> Iterator[Problem]:
    if record["pathology"] not in PATHOLOGIES:
        yield Problem(table, line, "pathology", f"is none of {', '.join(PATHOLOGIES)}")
    for field, value in descriptors(record).items():
        unknown = set([value] if isinstance(value, str) else value) - set(LEVELS[field])
        if unknown:
            yield Problem(table, line, COLUMNS[field][0], f"is none of {', '.join(LEVELS[field])}")
    if not _has_image(folder, record):
        yield Problem(table, line, PATHS[0], "names a file that does not exist, and so does the mask's")


def _has_image(folder: Path, record: Record) -> bool:
    return any(_file(folder, record[column]) for column in PATHS)


def _row(folder: Path, table: str, line: int, record: Record) -> Row:
    lesion, part = TABLES[table]
    malignant = PATHOLOGIES.get(record["pathology"], math.nan)
    metadata: dict[str, float | str | list[str]] = {**descriptors(record), "lesion_type": lesion}
    return Row(
        patient=" ".join((*(record[column] for column in REQUIRED[:4]), lesion, str(line))),
        images={SPEC.images[0].name: crop_of(folder, record)},
        metadata=metadata,
        target={"benign": 1 - malignant, "malignant": malignant},
        strata={"lesion_type": lesion, "part": part},
        group=record["patient_id"],
        place=f"{table}:{line}",
        part=part,
        side=record["left or right breast"].lower(),
    )


def crop_of(folder: Path, record: Record) -> Path:
    """The crop, wherever it stands: in some rows the two paths are swapped, which the series description tells, or the values."""
    named = [path for column in PATHS if (path := _file(folder, record[column]))]
    return named[0] if len(named) == 1 else next((path for path in named if not _is_mask(path)), named[0])


def _is_mask(path: Path) -> bool:
    """A mask says so, or else holds two values only."""
    header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SeriesDescription", "BitsStored"])
    description = str(header.get("SeriesDescription", "")).lower()
    if "mask" in description or "cropped" in description:
        return "mask" in description
    pixels = pydicom.dcmread(path).pixel_array
    return bool(((pixels == pixels.min()) | (pixels == pixels.max())).all())


def _file(folder: Path, named: str) -> Path | None:
    """The file that a table names, below the folder or its image folder; whatever tries to leave them is not there."""
    parts = [part for part in named.replace("\\", "/").split("/") if part.strip()]
    if not parts or ".." in parts:
        return None
    places = (folder.joinpath(*parts), folder.joinpath(IMAGES, *parts))
    return next((place for place in places if place.is_file()), None)

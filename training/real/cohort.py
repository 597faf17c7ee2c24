"""The public films and tables as cohorts: NIH ChestX-ray14 (Wang et al., CVPR 2017) and CBIS-DDSM's tables (Sawyer-Lee et al., 2017)."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from models import SPECS
from models.metadata import validate
from models.prediction import FieldValue, Tensors
from models.preprocess import table_tensors
from training.data import Cohort, load
from training.sources import CohortError, Problem, Row
from training.sources.breast import PATHOLOGIES, TABLES, descriptors, tabulated
from training.sources.chest import FINDINGS

NIH = Path("chest_xray/nih_labels.csv")
CBIS = Path("mammography/cbis_ddsm_csv")
SEXES = {"F": "female", "M": "male"}


def nih_films(data: Path, cache: Path) -> Cohort:
    """The upright films, decoded and preprocessed as the service does it; a finding without a label is not known.

    Raises
    ------
    CohortError
        The table is not there.
    """
    if not (data / NIH).is_file():
        raise CohortError([Problem(str(NIH), 0, "", "is missing below the folder of --data")])
    with (data / NIH).open(newline="") as file:
        records = [record for record in csv.DictReader(file) if record["rotated90"] != "1"]
    return load(SPECS["chest"], tuple(_film(data, record) for record in records), cache)


def _film(data: Path, record: Mapping[str, str]) -> Row:
    sex = SEXES.get(record["sex"], "unknown")
    return Row(
        patient=record["image_id"],
        images={"image": data / record["file"]},
        metadata={},
        target={name: float(record[column]) if record[column] else math.nan for column, name in FINDINGS.items()},
        strata={"view": record["view"].lower(), "sex": sex, "age": record["age"]},
        group=record["patient_id"],
    )


def cbis_descriptors(data: Path, cache: Path) -> Cohort:
    """Every lesion of the four tables, with an empty picture: the films themselves are not here.

    As in `training.sources.breast`, training rows of patients who stand in a test table are left out.
    """
    spec, records = SPECS["breast"], list(tabulated(data / CBIS))
    tested = {record["patient_id"] for table, _, record in records if TABLES[table][1] == "test"}
    taken = [each for each in records if TABLES[each[0]][1] == "test" or each[2]["patient_id"] not in tested]
    rows = tuple(_lesion(*each) for each in taken)
    folder = cache / "cbis"
    folder.mkdir(parents=True, exist_ok=True)
    tables = [_numbers(row.metadata) for row in rows]
    for name in (spec.table.name, spec.table.mask):
        np.save(folder / f"{name}.npy", np.stack([table[name] for table in tables]))
    np.save(folder / f"{spec.images[0].name}.npy", np.zeros((len(rows), spec.images[0].shape[0], 32, 32), np.float32))
    targets = np.array([[row.target["benign"], row.target["malignant"]] for row in rows])
    return Cohort(spec, rows, targets, folder)


def _lesion(table: str, line: int, record: Mapping[str, str]) -> Row:
    lesion, part = TABLES[table]
    malignant = PATHOLOGIES[record["pathology"]]
    return Row(
        patient=f"{table}:{line}",
        images={},
        metadata={**descriptors(record), "lesion_type": lesion},
        target={"benign": 1 - malignant, "malignant": malignant},
        strata={"lesion_type": lesion, "part": part},
        group=record["patient_id"],
        part=part,
    )


def _numbers(metadata: Mapping[str, object]) -> Tensors:
    table = SPECS["breast"].table
    given = validate(table, metadata)
    return table_tensors(table, {field.name: FieldValue(given.get(field.name), "request") for field in table.fields})

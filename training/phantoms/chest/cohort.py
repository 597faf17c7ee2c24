"""A cohort of chests on disk, as CheXpert lies there: train.csv and JPEG films; the truth beside them. docs/cohorts/chest.md."""

from __future__ import annotations

import csv
import io
import os
import shutil
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage
from tqdm import tqdm

from training.phantoms.chest.anatomy import Floats
from training.phantoms.chest.disease import Box
from training.phantoms.chest.film import film
from training.phantoms.chest.patient import Patient, draw, stream
from training.phantoms.workers import mapped
from training.sources.chest import COLUMNS, FINDINGS

TABLE, TRUTH, FILMS = "train.csv", "truth.csv", "train"
RELEASE = "CheXpert-v1.0-phantoms"
UNCERTAIN = 0.04  # of what is planted or not, a report leaves open so much
MENTIONED = 0.3  # of what is absent, a report says so
Line = dict[str, str]


def write(folder: Path, cases: int, seed: int, *, rows: int = 256, progress: bool = True, workers: int | None = None) -> None:
    """Write patients 0 to `cases` - 1 of a seed, one frontal film each, `rows` pixels high, and a lateral one of every twentieth.

    Patient i depends on `seed`, i and `rows` alone. The tables are written last. A lateral film here is a frontal one seen through a
    narrow body: it is there to be left out.

    Raises FileExistsError where the folder holds anything but a cohort of phantoms.
    """
    _clear(folder)
    folder.mkdir(parents=True, exist_ok=True)
    one = partial(_write_case, folder, seed, rows)
    lines: list[Line] = []
    truths: list[Line] = []
    with tqdm(total=cases, unit="case", desc="phantoms", disable=not progress) as bar:
        for case, truth in mapped(one, cases, workers or os.cpu_count() or 1):
            lines += case
            truths += truth
            bar.update()
    for name, columns, records in ((TABLE, COLUMNS, lines), (TRUTH, ("patient", "finding", "plain", "x0", "y0", "x1", "y1"), truths)):
        with (folder / name).open("w", newline="", encoding="utf-8") as stream_:
            table = csv.DictWriter(stream_, columns, restval="", lineterminator="\n")
            table.writeheader()
            table.writerows(records)


def jpeg(picture: Floats) -> bytes:
    """8 bits, as CheXpert's small release."""
    out = io.BytesIO()
    PillowImage.fromarray((255 * picture).round().astype(np.uint8)).save(out, "JPEG", quality=92)
    return out.getvalue()


def _write_case(folder: Path, seed: int, side: int, index: int) -> tuple[list[Line], list[Line]]:
    """Draw one patient, write the films, and return their lines of the table and the truth."""
    patient = draw(seed, index)
    picture, boxes = film(patient, side)
    place = folder / FILMS / patient.name / "study1"
    place.mkdir(parents=True)
    (place / "view1_frontal.jpg").write_bytes(jpeg(picture))
    lines = [_line(patient, "view1_frontal.jpg", "Frontal", "AP" if patient.build.ap else "PA")]
    if index % 20 == 7:
        (place / "view2_lateral.jpg").write_bytes(jpeg(picture[:, side // 4 : -side // 4]))
        lines.append(_line(patient, "view2_lateral.jpg", "Lateral", ""))
    return lines, [_truth(patient, name, box) for name, box in boxes.items()]


def _line(patient: Patient, file: str, view: str, projection: str) -> Line:
    """What the report says: absent findings are mostly not mentioned, and a few of either kind are left open."""
    rng, said = stream(patient.seed, patient.index, 2), {}
    for column, name in FINDINGS.items():
        value = patient.labels[name]
        text = "1.0" if value else "0.0" if rng.random() < MENTIONED else ""
        said[column] = "-1.0" if name != "no_finding" and value and rng.random() < UNCERTAIN else text
    sex, age = "Female" if patient.female else "Male", str(patient.age_years)
    path = f"{RELEASE}/{FILMS}/{patient.name}/study1/{file}"
    return {"Path": path, "Sex": sex, "Age": age, "Frontal/Lateral": view, "AP/PA": projection, **said}


def _truth(patient: Patient, name: str, box: Box) -> Line:
    edges = {edge: f"{value:.4f}" for edge, value in zip(("x0", "y0", "x1", "y1"), box, strict=True)}
    return {"patient": patient.name, "finding": name, "plain": f"{patient.planted[name]:.3f}", **edges}



def _clear(folder: Path) -> None:
    """Remove an earlier cohort of phantoms, and nothing else."""
    if not folder.exists():
        return
    known = {TABLE, TRUTH, FILMS}
    if not folder.is_dir() or {path.name for path in folder.iterdir()} - known or ((folder / TABLE).exists() and not _is_phantoms(folder)):
        raise FileExistsError(f"{folder} holds other files than a cohort of phantoms; choose an empty folder")
    shutil.rmtree(folder)


def _is_phantoms(folder: Path) -> bool:
    with (folder / TABLE).open(newline="", encoding="utf-8", errors="replace") as stream_:
        return all((row.get("Path") or "").startswith(RELEASE) for row in csv.DictReader(stream_))

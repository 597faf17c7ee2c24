"""A cohort of phantoms on disk, in the layout that any hospital can follow: docs/cohorts/bmd.md."""

from __future__ import annotations

import csv
import os
from functools import partial
from pathlib import Path

from tqdm import tqdm

from models.bmd import BMD
from training.phantoms.bmd.dicom import encode
from training.phantoms.bmd.patient import PREFIX, render
from training.phantoms.workers import mapped
from training.sources.bmd import COLUMNS, IMAGES, SCALE, TABLE, TARGET


def write(folder: Path, cases: int, seed: int, *, rows: int = 512, progress: bool = True, workers: int | None = None) -> None:
    """Write phantoms 0 to `cases` - 1 of a seed as DICOM files and a table.

    Case i depends on `seed`, i and `rows` alone: neither on `cases` nor on `workers`. The table is written last, so an
    interrupted run leaves no cohort that could be mistaken for a whole one.

    Parameters
    ----------
    folder
        Created where it does not exist. An earlier cohort of phantoms in it is replaced.
    cases
        How many patients.
    seed
        Non-negative.
    rows
        Height of a film in pixels; its detector field is 360 mm high.
    progress
        Show a bar with the time left.
    workers
        Processes; all cores where None.

    Raises
    ------
    FileExistsError
        The folder holds anything but a cohort of phantoms.
    """
    _clear(folder)
    images = folder / IMAGES
    images.mkdir(parents=True, exist_ok=True)
    one = partial(_write_case, images, seed, rows)
    with tqdm(total=cases, unit="case", desc="phantoms", disable=not progress) as bar:
        records = []
        for record in mapped(one, cases, workers or os.cpu_count() or 1):
            records.append(record)
            bar.update()
    with (folder / TABLE).open("w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, COLUMNS, restval="", lineterminator="\n")
        table.writeheader()
        table.writerows(records)


def _write_case(images: Path, seed: int, rows: int, index: int) -> dict[str, str | float]:
    """Render one phantom, write its image, and return its line of the table."""
    phantom = render(seed, index, rows)
    path = images / f"{phantom.patient_id}.dcm"
    path.write_bytes(encode(phantom))
    return {
        "patient_id": phantom.patient_id,
        "image": f"{IMAGES}/{path.name}",
        TARGET: phantom.person.bmd,
        SCALE: BMD.scale,
        **phantom.fields,
    }


def _clear(folder: Path) -> None:
    """Remove an earlier cohort of phantoms, and nothing else."""
    images = folder / IMAGES
    stale = [*images.glob(f"{PREFIX}*.dcm")] if images.is_dir() else []
    table = folder / TABLE
    found = {*folder.rglob("*")} if folder.is_dir() else set()
    if found - {images, table, *stale} or (table.is_file() and not _is_phantoms(table)) or folder.is_file():
        raise FileExistsError(f"{folder} holds other files than a cohort of phantoms; choose an empty folder")
    for path in (table, *stale):
        path.unlink(missing_ok=True)


def _is_phantoms(table: Path) -> bool:
    """Whether every patient of a table is a phantom."""
    with table.open(newline="", encoding="utf-8", errors="replace") as stream:
        return all((row.get("patient_id") or "").startswith(PREFIX) for row in csv.DictReader(stream))

"""A cohort of phantoms on disk, in the layout of an ADNI download: docs/cohorts/alzheimer.md."""

from __future__ import annotations

import csv
import os
import shutil
from functools import partial
from pathlib import Path

from tqdm import tqdm

from training.phantoms.alzheimer import genome, tables
from training.phantoms.alzheimer.dicom import series
from training.phantoms.alzheimer.nifti import ORIENTATIONS, nifti
from training.phantoms.alzheimer.patient import SITE, Phantom, draw, stream
from training.phantoms.alzheimer.tables import COLUMNS, Record
from training.phantoms.workers import mapped

SCANS, GENOTYPES, PANEL, TRUTH = "ADNI", "genotypes", "panel.csv", "truth.csv"
PANEL_COLUMNS = ("build", "chromosome", "position", "reference", "alternate")
AS_DICOM = 1 / 12  # share of phantoms whose scans are DICOM series
Lines = dict[str, list[Record]]


def write(folder: Path, cases: int, seed: int, *, rows: int = 160, progress: bool = True, workers: int | None = None) -> None:
    """Write phantoms 0 to `cases` - 1 of a seed: scans, genotypes, tables, and what was planted (`truth.csv`).

    Case i depends on `seed`, i and `rows` alone: neither on `cases` nor on `workers`. The truth is written last, so an interrupted run
    leaves no cohort that could be mistaken for a whole one.

    Parameters
    ----------
    folder
        Created where it does not exist. An earlier cohort of phantoms in it is replaced.
    cases
        How many patients.
    seed
        Non-negative.
    rows
        Of the MRI's sagittal planes; above 164 they do not become finer.
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
    (folder / GENOTYPES).mkdir(parents=True, exist_ok=True)
    _write_panel(folder / GENOTYPES / PANEL)
    one = partial(_write_case, folder, seed, rows)
    gathered: Lines = {name: [] for name in (*COLUMNS, TRUTH)}
    with tqdm(total=cases, unit="case", desc="phantoms", disable=not progress) as bar:
        for lines in mapped(one, cases, workers or os.cpu_count() or 1):
            for name, some in lines.items():
                gathered[name] += some
            bar.update()
    for name, records in gathered.items():
        _write_table(folder / name, COLUMNS.get(name, tuple(records[0]) if records else ()), records)


def _write_case(folder: Path, seed: int, rows: int, index: int) -> Lines:
    """Scan one phantom, write its files, and return its lines of every table."""
    phantom = draw(seed, index)
    rng = stream(seed, index, 8)
    as_dicom = bool(rng.random() < AS_DICOM)
    orientations = [ORIENTATIONS[int(number)] for number in rng.integers(len(ORIENTATIONS), size=2)]
    for name, orientation in zip(("mri", "pet"), orientations, strict=True):
        scan = phantom.mri(rows) if name == "mri" else phantom.pet()
        place = _place(folder, phantom, name)
        place.mkdir(parents=True, exist_ok=True)
        if as_dicom:
            for number, data in enumerate(series(phantom, name, scan, tables.day_of(phantom, name))):
                (place / f"{phantom.patient_id}_{name}_{number:03d}.dcm").write_bytes(data)
        else:
            (place / f"{phantom.patient_id}_{name}.nii.gz").write_bytes(nifti(scan, orientation))
    (folder / GENOTYPES / f"{phantom.patient_id}.vcf.gz").write_bytes(genome.vcf(phantom.calls, phantom.patient_id))
    form = "DCM" if as_dicom else "NiFTI"
    truth: Record = {"PTID": phantom.patient_id, **phantom.truth()}
    return {**tables.records(phantom, {"mri": form, "pet": form}), TRUTH: [truth]}


def _place(folder: Path, phantom: Phantom, name: str) -> Path:
    """As the Image and Data Archive unpacks: subject, description, date, image."""
    day = tables.day_of(phantom, name)
    description = tables.DESCRIPTIONS[name].replace(" ", "_")
    return folder / SCANS / phantom.patient_id / description / f"{day.isoformat()}_12_00_00.0" / tables.image_id(phantom, name)


def _write_panel(path: Path) -> None:
    panel = genome.panel()
    places: list[Record] = [
        {"build": panel.build, "chromosome": each.chromosome, "position": each.position, "reference": each.reference,
         "alternate": each.alternate} for each in panel.variants
    ]  # fmt: skip
    _write_table(path, PANEL_COLUMNS, places)


def _write_table(path: Path, columns: tuple[str, ...], records: list[Record]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        table.writeheader()
        table.writerows(records)


def _clear(folder: Path) -> None:
    """Remove an earlier cohort of phantoms, and nothing else."""
    ours = {SCANS, GENOTYPES, TRUTH, *COLUMNS}
    found = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    people = [path for name in (SCANS, GENOTYPES) if (folder / name).is_dir() for path in (folder / name).iterdir()]
    if folder.is_file() or found - ours or not all(_is_phantom(path.name) for path in people if path.name != PANEL):
        raise FileExistsError(f"{folder} holds other files than a cohort of phantoms; choose an empty folder")
    for name in found:
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _is_phantom(name: str) -> bool:
    """Whether a subject's site is one that ADNI does not have."""
    site, _, rest = name.partition("_S_")
    return site.isdigit() and int(site) >= SITE and rest[:5].isdigit()

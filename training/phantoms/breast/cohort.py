"""A cohort of lesions on disk, as CBIS-DDSM lies there, its quirks included: docs/cohorts/breast.md."""

from __future__ import annotations

import csv
import os
import shutil
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from models.breast import MASS
from training.phantoms.breast.dicom import crop, mask
from training.phantoms.breast.film import film
from training.phantoms.breast.lesion import PREFIX, Lesion, draw, stream
from training.phantoms.breast.truth import box_of
from training.phantoms.workers import mapped

TRUTH = "truth.csv"
SHARED = ("left or right breast", "image view", "abnormality id", "abnormality type")
ENDS = ("assessment", "pathology", "subtlety", "image file path", "cropped image file path", "ROI mask file path")
TABLES = {  # the mass table alone writes breast_density
    "mass_case_description_train_set.csv": ("patient_id", "breast_density", *SHARED, "mass shape", "mass margins", *ENDS),
    "calc_case_description_train_set.csv": ("patient_id", "breast density", *SHARED, "calc type", "calc distribution", *ENDS),
}
SWAPPED = 0.03  # how often crop and mask stand in each other's place
Record = dict[str, str]


def write(folder: Path, cases: int, seed: int, *, rows: int = 256, progress: bool = True, workers: int | None = None) -> None:
    """Write lesions 0 to `cases` - 1 of a seed: the two training tables, crops and masks, and truth.csv, which is none of CBIS-DDSM's.

    Lesion i depends on `seed`, i and `rows` (the side of a crop in pixels) alone. The tables are written last.

    Raises FileExistsError where the folder holds anything but a cohort of phantoms.
    """
    _clear(folder)
    folder.mkdir(parents=True, exist_ok=True)
    one = partial(_write_case, folder, seed, rows)
    with tqdm(total=cases, unit="case", desc="phantoms", disable=not progress) as bar:
        written = []
        for case in mapped(one, cases, workers or os.cpu_count() or 1):
            written.append(case)
            bar.update()
    for table, columns in TABLES.items():
        with (folder / table).open("w", newline="", encoding="utf-8") as stream_:
            writer = csv.DictWriter(stream_, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(record for name, record, _ in written if name == table)
    with (folder / TRUTH).open("w", newline="", encoding="utf-8") as stream_:
        writer = csv.DictWriter(stream_, list(written[0][2]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(truth for _, _, truth in written)


def _write_case(folder: Path, seed: int, side: int, index: int) -> tuple[str, Record, Record]:
    """Draw one lesion, write its crop and mask, and return its table, its line, and its truth."""
    lesion, rng = draw(seed, index), stream(seed, index, 2)
    picture, cover = film(lesion, side)
    name = f"{'Mass' if lesion.kind == MASS else 'Calc'}-Training_{lesion.patient_id}_{'LEFT' if index % 2 else 'RIGHT'}_CC_1"
    paths = [f"{name}/1.1/1.1/{number:06d}.dcm" for number in range(2)]
    (folder / paths[0]).parent.mkdir(parents=True)
    (folder / paths[0]).write_bytes(crop(lesion, picture))
    (folder / paths[1]).write_bytes(mask(lesion, cover > 0.5))
    if rng.random() < SWAPPED:
        paths.reverse()
    table = next(each for each in TABLES if each.startswith(name[:4].lower()))
    return table, _record(lesion, table, name, paths), _truth(lesion, cover)


def _record(lesion: Lesion, table: str, name: str, paths: list[str]) -> Record:
    said = {field: "N/A" if field in lesion.missing else "-".join(values) for field, values in lesion.described.items()}
    density = "0" if said["density"] == "N/A" else said["density"]
    first, second = ("shape", "margins") if lesion.kind == MASS else ("calc_type", "calc_distribution")
    side, view = name.split("_")[-3:-1]
    values = (
        lesion.patient_id, density, side, view, "1", lesion.kind, said[first], said[second], "4",
        "MALIGNANT" if lesion.malignant else "BENIGN" if lesion.index % 4 else "BENIGN_WITHOUT_CALLBACK", "3",
        f"{name[:-2]}/1.1/1.1/000000.dcm", paths[0] + "\n", paths[1],
    )  # fmt: skip
    return dict(zip(TABLES[table], values, strict=True))


def _truth(lesion: Lesion, cover: np.ndarray) -> Record:
    """Where the lesion lies, as shares of the crop, and what made it malignant."""
    edges = {name: f"{edge:.4f}" for name, edge in zip(("x0", "y0", "x1", "y1"), box_of(cover), strict=True)}
    shown = {f"drawn_{name}": value for name, value in lesion.drawn.items() if name != "density"}
    places = dict(zip(("drawn_first", "drawn_second"), shown.values(), strict=True))
    causes = {"suspicion": f"{lesion.suspicion:.4f}", "grade": f"{lesion.grade:.4f}", "malignant": str(int(lesion.malignant))}
    return {"patient_id": lesion.patient_id, "lesion_type": lesion.kind, **edges, **places, **causes}


def _clear(folder: Path) -> None:
    """Remove an earlier cohort of phantoms, and nothing else."""
    if not folder.exists():
        return
    stale = [path for path in folder.iterdir() if PREFIX in path.name or path.name in {*TABLES, TRUTH}]
    if not folder.is_dir() or set(folder.iterdir()) - set(stale):
        raise FileExistsError(f"{folder} holds other files than a cohort of phantoms; choose an empty folder")
    for path in stale:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()

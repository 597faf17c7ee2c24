"""Made chests: the same for the same seed, every finding where the truth says, and a table that CheXpert's reader reads."""

import csv
import hashlib
from dataclasses import replace

import numpy as np
import pytest

from training.phantoms.chest import draw, write
from training.phantoms.chest.disease import PLANTED
from training.phantoms.chest.film import film
from training.phantoms.chest.patient import FINDINGS
from training.sources.chest import read

SIDE = 128
BUILT_IN = {"cardiomegaly", "enlarged_cardiomediastinum"}  # in how the chest is built, not drawn over it


def fingerprint(folder):
    return {path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob("*.jpg"))}


def test_a_cohort_is_a_function_of_its_seed_and_a_film_of_its_number(tmp_path):
    for name, cases, workers in (("one", 4, 1), ("other", 4, 2), ("longer", 6, 1)):
        write(tmp_path / name, cases, 5, rows=SIDE, progress=False, workers=workers)
    one, other, longer = (fingerprint(tmp_path / name) for name in ("one", "other", "longer"))
    assert one == other
    assert longer.items() >= one.items()


def test_it_is_read_as_chexpert_is_without_its_lateral_films(tmp_path):
    write(tmp_path / "cohort", 10, 6, rows=SIDE, progress=False, workers=1)
    rows = read(tmp_path / "cohort")
    assert len(rows) == 10 < len(read(tmp_path / "cohort", views="all"))
    assert all(set(row.target) == set(FINDINGS) for row in rows)


def test_a_chest_with_the_lowest_lungs_still_has_room_for_every_finding():
    patient = draw(5, 0)
    low = replace(patient, build=replace(patient.build, base=min(draw(1, index).build.base for index in range(4000))))
    film(replace(low, planted=dict.fromkeys(PLANTED, 1.0)), SIDE)


def test_another_folder_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(FileExistsError):
        write(tmp_path, 2, 5, rows=SIDE, progress=False)


@pytest.mark.parametrize("name", sorted(set(PLANTED) - BUILT_IN))
def test_a_planted_finding_changes_the_film_where_the_truth_says(name):
    patient = replace(draw(3, 1), planted={name: 0.9})
    shown, boxes = film(patient, SIDE)
    healthy, _ = film(replace(patient, planted={}), SIDE)
    x0, y0, x1, y1 = (round(edge * SIDE) for edge in boxes[name])
    inside = np.zeros((SIDE, SIDE), bool)
    inside[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)] = True
    change = np.abs(shown - healthy)
    assert change[inside].mean() > 3 * change[~inside].mean()


def test_a_large_heart_is_larger_and_lies_in_its_box():
    patient = next(patient for index in range(99) if "cardiomegaly" in (patient := draw(4, index)).planted)
    assert patient.build.heart > 0.53
    x0, _, x1, _ = film(patient, SIDE)[1]["cardiomegaly"]
    assert x1 - x0 == pytest.approx(2 * patient.build.heart * patient.build.width, abs=0.01)


def test_labels_follow_from_each_other():
    for index in range(300):
        labels = draw(5, index).labels
        assert labels["lung_opacity"] >= max(labels[name] for name in ("edema", "consolidation", "pneumonia", "atelectasis", "lung_lesion"))
        assert labels["no_finding"] == float(not any(labels[name] for name in set(FINDINGS) - {"no_finding", "support_devices"}))


def test_the_truth_names_every_planted_finding(tmp_path):
    write(tmp_path / "cohort", 5, 7, rows=SIDE, progress=False, workers=1)
    with (tmp_path / "cohort" / "truth.csv").open(newline="") as stream:
        told = [(record["patient"], record["finding"]) for record in csv.DictReader(stream)]
    assert len(told) == sum(len(draw(7, index).planted) for index in range(5))

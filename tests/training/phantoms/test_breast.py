"""Made lesions: the same for the same seed, drawn after their descriptors, and malignant for reasons that no one source holds whole."""

import csv
import hashlib
from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from training.phantoms.breast import draw, write
from training.phantoms.breast.film import film


def fingerprint(folder):
    return {path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_cohort_is_a_function_of_its_seed_and_a_case_of_its_number(tmp_path):
    for name, cases, workers in (("one", 6, 1), ("other", 6, 2), ("longer", 8, 1)):
        write(tmp_path / name, cases, 5, rows=64, progress=False, workers=workers)
    one, other, longer = (fingerprint(tmp_path / name) for name in ("one", "other", "longer"))
    assert one == other
    crops = {path for path in one if path.suffix == ".dcm"}
    assert all(longer[path] == one[path] for path in crops)


def test_another_folder_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(FileExistsError):
        write(tmp_path, 2, 5, rows=64, progress=False)


def test_the_box_of_the_truth_holds_the_lesion(tmp_path):
    write(tmp_path / "cohort", 12, 6, rows=96, progress=False, workers=1)
    with (tmp_path / "cohort" / "truth.csv").open(newline="") as stream:
        for record in csv.DictReader(stream):
            assert 0 <= float(record["x0"]) < float(record["x1"]) <= 1
            assert 0 <= float(record["y0"]) < float(record["y1"]) <= 1


def test_descriptors_and_film_together_tell_more_than_each_alone():
    lesions = [draw(1, index) for index in range(3000)]
    malignant = np.array([lesion.malignant for lesion in lesions])
    evidence = {"said": [[lesion.suspicion] for lesion in lesions], "shown": [[lesion.grade] for lesion in lesions]}
    evidence["both"] = np.hstack([evidence["said"], evidence["shown"]])
    reached = {}
    for name, x in evidence.items():
        fitted = LogisticRegression().fit(x[:2000], malignant[:2000])
        reached[name] = roc_auc_score(malignant[2000:], fitted.decision_function(x[2000:]))
    assert 0.75 < reached["said"] < 0.87
    assert 0.72 < reached["shown"] < 0.86
    assert reached["both"] > max(reached["said"], reached["shown"]) + 0.06


def test_a_higher_grade_shows_on_the_film():
    lesion = next(draw(2, index) for index in range(99) if draw(2, index).kind == "mass")
    low, high = (film(replace(lesion, grade=grade), 128) for grade in (-1.5, 1.5))
    assert high[1].sum() > 1.2 * low[1].sum()

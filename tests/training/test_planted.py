"""Maps and rankings against planted truth: places lie where they were planted, and chance is chance."""

import csv
import importlib

import numpy as np
import pytest

from models.bmd import HIP
from models.prediction import Geometry, Plane, Resize, UsedImage
from training.__main__ import main
from training.evaluation.planted import box_in_view
from training.phantoms import bmd
from training.phantoms.planted import Place

RESIZE = Resize(224, 224, "", 0.5, 99.5)


def used(geometry, rows=100, columns=80, plane=None):
    return UsedImage("image", "", "", "", "", rows, columns, "", 0, "", geometry, RESIZE, "", plane=plane)


@pytest.mark.parametrize(("model", "patient"), [("breast", "patient_id"), ("chest", "patient")])
def test_places_are_those_of_the_cohort_on_disk(model, patient, tmp_path):
    phantoms = importlib.import_module(f"training.phantoms.{model}")
    phantoms.write(tmp_path / "cohort", 4, 9, rows=256, progress=False, workers=1)
    with (tmp_path / "cohort" / "truth.csv").open(newline="") as file:
        written = [(line[patient], *(float(line[edge]) for edge in ("x0", "y0", "x1", "y1"))) for line in csv.DictReader(file)]
    planted = [phantoms.planted(9, index) for index in range(4)]
    told = [(each.patient, *(round(edge, 4) for edge in place.box)) for each in planted for place in each.places]
    assert told == written


def test_the_neck_of_a_hip_lies_beside_its_head_on_the_stated_side():
    for index in range(6):
        (place,) = bmd.planted(4, index).places
        x0, y0, x1, y1 = place.box
        assert place.input == HIP.name
        assert 0 <= x0 < x1 <= 1
        assert 0 <= y0 < y1 <= 1
        assert (x1 - x0) * (y1 - y0) < 0.15


def test_a_box_is_mirrored_with_its_picture_and_moved_by_its_padding():
    place = Place("image", "x", box=(0.0, 0.5, 0.25, 1.0))
    plain = Geometry(0, 0, 100, 80, 100, 0, 10, mirrored=False)
    assert box_in_view(place, used(plain)) == pytest.approx((0.1, 0.5, 0.3, 1.0))
    mirrored = Geometry(0, 0, 100, 80, 100, 0, 10, mirrored=True)
    assert box_in_view(place, used(mirrored)) == pytest.approx((0.7, 0.5, 0.9, 1.0))


def test_a_disc_in_the_patient_is_found_in_the_plane():
    plane = Plane("mid_sagittal", (0.0, -100.0, 100.0), 2.0, (1, 100, 100))
    place = Place("image", "x", disc_mm=(0.0, 50.0, 20 / np.sqrt(np.pi)))
    seen = Geometry(0, 0, 100, 100, 100, 0, 0, mirrored=False)
    assert box_in_view(place, used(seen, columns=100, plane=plane)) == pytest.approx((0.45, 0.2, 0.55, 0.3))


@pytest.mark.slow
def test_one_command_prints_both_tables_and_writes_the_page(tmp_path, capsys):
    assert main(["explain", "bmd", "--cases", "12", "--seed", "9", "--card", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "| gradcam | image | femoral_neck_bmd | 12 |" in printed
    assert "| shapley | 12 |" in printed
    assert (tmp_path / "explanations.md").read_text() in printed

"""Phantom hips: determined by their seed, valid as DICOM, and true to the BMD that was planted."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread

from models.bmd import SPEC
from training.phantoms.bmd import draw, encode, projection, render, write, write_example
from training.phantoms.bmd.clinical import MISSING, fields, person
from training.phantoms.bmd.femur import femur, neck_region, outline
from training.phantoms.bmd.femur import mineral as femoral_mineral
from training.phantoms.bmd.patient import stream
from training.sources.bmd import read

ROWS = 192  # the smallest film on which the neck is still some ten pixels wide


def digests(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


def grey(phantom) -> np.ndarray:
    """As a viewer shows it: window applied, bright = dense, stretched between the percentiles the network's input uses."""
    film = phantom.film
    low = film.window_center - film.window_width / 2
    shown = np.clip((film.pixels - low) / film.window_width, 0, 1)
    shown = 1 - shown if film.photometric_interpretation == "MONOCHROME1" else shown
    dark, bright = np.percentile(shown, (0.5, 99.5))
    return np.clip((shown - dark) / (bright - dark), 0, 1)


def contrast(phantom) -> float:
    """How much brighter the neck is than the soft tissue above and below it. The femur is the first thing drawn from its stream."""
    bone = femur(phantom.person, stream(phantom.seed, phantom.index, 3))
    x, y = projection.plane(phantom.view)
    u = x if phantom.person.side == "left" else -x
    inside = outline(bone, u, y)[0]
    strip = neck_region(replace(bone, neck_radius=bone.neck_radius * 1.4), u, y)
    return float(grey(phantom)[strip & (inside > 2)].mean() - grey(phantom)[strip & (inside < -2) & (inside > -10)].mean())


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cohort")
    write(folder, 24, 11, rows=ROWS, progress=False, workers=1)
    return folder


def test_the_same_seed_gives_the_same_bytes_however_many_workers_write_them(cohort, tmp_path):
    write(tmp_path, 24, 11, rows=ROWS, progress=False, workers=2)
    assert digests(tmp_path) == digests(cohort)


def test_a_case_does_not_depend_on_how_many_there_are(cohort, tmp_path):
    write(tmp_path, 2, 11, rows=ROWS, progress=False, workers=1)
    few, many = digests(tmp_path), digests(cohort)
    assert all(many[name] == digest for name, digest in few.items() if name != "cohort.csv")


def test_another_seed_gives_other_patients():
    assert draw(1, 0) != draw(2, 0)
    assert not np.array_equal(render(1, 0, ROWS).film.pixels[:9, :9], render(2, 0, ROWS).film.pixels[:9, :9])


def test_the_loader_reads_the_cohort_and_gives_back_the_planted_truth(cohort):
    rows = read(cohort)
    assert [row.patient for row in rows] == [f"phantom-11-{index:06d}" for index in range(24)]
    for index, row in enumerate(rows):
        assert row.target["femoral_neck_bmd"] == draw(11, index).bmd
        assert row.metadata == render(11, index, ROWS).fields


def test_every_file_decodes_to_the_rendered_pixels_and_says_who_it_shows(cohort):
    for index, row in enumerate(read(cohort)):
        phantom, dataset = render(11, index, ROWS), dcmread(row.images["image"])
        assert np.array_equal(dataset.pixel_array, phantom.film.pixels)
        assert dataset.PatientSex == {"female": "F", "male": "M"}[phantom.person.sex]
        assert abs(int(dataset.PatientAge[:3]) - phantom.person.age_at_xray_years) < 1
        assert ("PatientSize" in dataset) == ("height_cm" in phantom.fields)
        assert ("PatientWeight" in dataset) == ("weight_kg" in phantom.fields)
        assert dataset.ImageLaterality == ("B" if phantom.view.two_sided else phantom.person.side[0].upper())
        assert (dataset.BitsAllocated, dataset.BitsStored, dataset.SpecificCharacterSet) == (16, 12, "ISO_IR 100")


def test_a_cohort_mixes_polarities_syntaxes_classes_and_views():
    files = [dcmread(BytesIO(encode(render(4, index, 96))), stop_before_pixels=True) for index in range(40)]
    assert {file.PhotometricInterpretation for file in files} == {"MONOCHROME1", "MONOCHROME2"}
    assert len({file.file_meta.TransferSyntaxUID for file in files}) == 4
    assert {file.Modality for file in files} == {"CR", "DX"}
    assert {file.BodyPartExamined for file in files} == {"HIP", "PELVIS"}
    assert len({file.SOPInstanceUID for file in files}) == 40


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (Debian package dicom3tools) is not installed")
def test_dciodvfy_finds_no_error(cohort):
    for path in sorted((cohort / "images").iterdir()):
        checked = subprocess.run(["dciodvfy", "-new", path], capture_output=True, text=True, check=False)
        assert "Error" not in checked.stdout + checked.stderr


@pytest.mark.parametrize("bmd", [0.6, 0.9, 1.2])
def test_the_mineral_of_the_neck_is_the_bmd_that_was_planted(bmd):
    who = replace(draw(3, 1), bmd=bmd)
    bone = femur(who, stream(3, 1, 3))
    u, v = np.meshgrid(np.linspace(0, 200, 400, dtype=np.float32), np.linspace(-60, 140, 400, dtype=np.float32))
    areal = femoral_mineral(bone, bmd, u, v, np.zeros_like(u))
    assert areal[neck_region(bone, u, v) & (outline(bone, u, v)[0] > 0)].mean() == pytest.approx(bmd, rel=1e-3)


def test_more_mineral_makes_the_neck_of_the_same_film_denser():
    for index in range(6):
        thin, dense = (render(7, index, ROWS, person=replace(draw(7, index), bmd=bmd)) for bmd in (0.65, 1.15))
        assert contrast(dense) > contrast(thin) + 0.03


def test_the_same_bone_in_a_heavier_body_is_another_picture_with_less_contrast():
    for index in range(6):
        who = replace(draw(7, index), height_cm=168.0, bmd=0.9)
        light, heavy = (render(7, index, ROWS, person=replace(who, weight_kg=weight)) for weight in (52.0, 105.0))
        assert not np.array_equal(light.film.pixels, heavy.film.pixels)
        assert contrast(heavy) < contrast(light)


def test_mean_brightness_alone_does_not_tell_the_bmd():
    phantoms = [render(21, index, 128) for index in range(60)]
    bmd = [phantom.person.bmd for phantom in phantoms]
    assert abs(np.corrcoef([grey(phantom).mean() for phantom in phantoms], bmd)[0, 1]) < 0.35
    assert abs(np.corrcoef([phantom.film.pixels.mean() for phantom in phantoms], bmd)[0, 1]) < 0.35


def test_the_population_is_the_one_that_was_meant():
    rng = np.random.default_rng(0)
    people = [person(rng) for _ in range(4000)]
    bmd, age = (np.array([getattr(one, name) for one in people]) for name in ("bmd", "age_at_xray_years"))
    assert 0.87 < bmd.mean() < 0.93
    assert 0.125 < bmd.std() < 0.16
    assert 0.3 < (bmd < 0.899).mean() < 0.65
    assert 0.03 < (bmd <= 0.6905).mean() < 0.15
    assert age.min() >= 50
    assert age.max() <= 90
    assert 70 < age.mean() < 74
    assert 0.47 < np.mean([one.sex == "female" for one in people]) < 0.53


def test_fields_are_missing_as_often_as_stated_and_sex_and_age_never():
    rng = np.random.default_rng(1)
    known = [fields(person(rng), rng) for _ in range(3000)]
    for name, share in MISSING.items():
        assert np.mean([name not in one for one in known]) == pytest.approx(share, abs=0.035)
    assert all({"sex", "age_at_xray_years", "laterality"} <= one.keys() for one in known)
    assert all(("bmi" in one) == ({"height_cm", "weight_kg"} <= one.keys()) for one in known)


def test_a_cohort_of_phantoms_is_replaced_by_the_next(tmp_path):
    write(tmp_path, 3, 1, rows=64, progress=False, workers=1)
    write(tmp_path, 1, 2, rows=64, progress=False, workers=1)
    assert [row.patient for row in read(tmp_path)] == ["phantom-2-000000"]
    assert len([*(tmp_path / "images").iterdir()]) == 1


def test_a_folder_with_anything_else_in_it_is_left_alone(tmp_path):
    write(tmp_path, 1, 1, rows=64, progress=False, workers=1)
    (tmp_path / "images" / "mine.dcm").touch()
    before = digests(tmp_path)
    with pytest.raises(FileExistsError):
        write(tmp_path, 1, 2, rows=64, progress=False, workers=1)
    assert digests(tmp_path) == before


def test_a_hospital_s_own_cohort_is_never_overwritten(tmp_path):
    write(tmp_path, 1, 1, rows=64, progress=False, workers=1)
    table = tmp_path / "cohort.csv"
    table.write_text(table.read_text().replace("phantom-1-000000,", "hip-1,"))
    with pytest.raises(FileExistsError):
        write(tmp_path, 1, 2, rows=64, progress=False, workers=1)


def test_the_example_shows_the_same_film_twice_and_states_what_its_header_states(tmp_path):
    write_example(tmp_path, 5)
    dataset, picture = dcmread(tmp_path / "image.dcm"), Image.open(tmp_path / "image.png")
    film = dataset.pixel_array.astype(np.float32) * (-1 if dataset.PhotometricInterpretation == "MONOCHROME1" else 1)
    smaller = np.asarray(Image.fromarray(film).resize(picture.size, Image.Resampling.BILINEAR))
    assert np.corrcoef(smaller.ravel(), np.asarray(picture, np.float32).ravel())[0, 1] > 0.97
    metadata = json.loads((tmp_path / "metadata.json").read_text())
    assert metadata.keys() <= {field.name for field in SPEC.table.fields}
    assert metadata["sex"][0].upper() == dataset.PatientSex
    assert metadata["laterality"][0].upper() == dataset.ImageLaterality
    assert metadata["weight_kg"] == pytest.approx(float(dataset.PatientWeight))

"""Phantom heads: determined by their seed, valid as NIfTI and DICOM, true to what was planted, and of use only together."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import nibabel
import numpy as np
import pytest
from pydicom import dcmread

from models.alzheimer import SPEC
from models.decode import VOLUME_LIMITS, Limits, read_volume
from models.decode.planes import mid_sagittal
from models.spec import Measured
from models.study import Part, Study, read_study
from training.data import tensors_of
from training.phantoms.alzheimer import draw, genome, write, write_example
from training.phantoms.alzheimer.brain import BACK, FRONT
from training.phantoms.alzheimer.dicom import series
from training.phantoms.alzheimer.nifti import ORIENTATIONS, nifti
from training.phantoms.alzheimer.outlines import OUTLINES, template
from training.phantoms.alzheimer.person import CLASSES, MISSING, SHARES
from training.phantoms.alzheimer.tables import day_of
from training.sources.alzheimer import excluded, panel, read

ROWS, CASES = 80, 14


def digests(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


def section(data: list[bytes]):
    return mid_sagittal(read_volume(data, VOLUME_LIMITS))


def around(picture, place: tuple[float, float], radius: float):
    """The values of a section within a radius (mm) of a place (y, z)."""
    rows, columns = np.indices(picture.values.shape)
    y = picture.affine[1, 3] + picture.affine[1, 2] * columns
    z = picture.affine[2, 3] + picture.affine[2, 1] * rows
    return picture.values[np.hypot(y - place[0], z - place[1]) < radius]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cohort")
    write(folder, CASES, 11, rows=ROWS, progress=False, workers=1)
    return folder


def spec_of(folder: Path):
    return SPEC.with_measured(Measured(training_data="", recipe="", seed=0, panel=panel(folder)))


def test_the_same_seed_gives_the_same_bytes_however_many_workers_write_them(cohort, tmp_path):
    write(tmp_path, CASES, 11, rows=ROWS, progress=False, workers=2)
    assert digests(tmp_path) == digests(cohort)


def test_a_case_does_not_depend_on_how_many_there_are(cohort, tmp_path):
    write(tmp_path, 2, 11, rows=ROWS, progress=False, workers=1)
    few, many = digests(tmp_path), digests(cohort)
    assert all(many[name] == digest for name, digest in few.items() if not name.endswith(".csv"))


def test_the_loader_reads_the_cohort_and_gives_back_what_the_tables_know(cohort):
    rows = read(cohort)
    assert [row.patient for row in rows] == [f"911_S_{index + 1:05d}" for index in range(CASES)]
    assert not excluded(cohort)
    for index, row in enumerate(rows):
        phantom = draw(11, index)
        assert row.target[phantom.person.diagnosis] == 1
        assert row.metadata == phantom.fields


def test_every_study_of_a_cohort_is_read_by_what_serves_it(cohort):
    spec = spec_of(cohort)
    kinds = set()
    for index, row in enumerate(read(cohort)):
        tensors = tensors_of(spec, row)
        assert np.array_equal(tensors["genotypes"], draw(11, index).calls)
        assert tensors["mri"].shape == tensors["pet"].shape == (3, 224, 224)
        kinds.add(row.images["mri"].is_dir())
    assert kinds == {True, False}


def test_the_truth_stands_beside_the_cohort(cohort):
    with (cohort / "truth.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    for index, line in enumerate(lines):
        planted = draw(11, index).truth()
        assert {name: line[name] for name in planted} == {name: str(value) for name, value in planted.items()}


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_nifti_of_any_orientation_is_the_same_head_to_us_and_to_nibabel(orientation):
    scan = draw(2, 0).pet()
    data, plain = nifti(scan, orientation), nifti(scan)
    image = nibabel.Nifti1Image.from_bytes(gzip.decompress(data))
    assert "".join(nibabel.aff2axcodes(image.affine)) == orientation
    assert np.allclose(section([data]).values, section([plain]).values, atol=1e-3)


def test_a_series_shows_what_nifti_shows_and_says_whose_it_is():
    phantom = draw(2, 1)
    for name, scan in (("mri", phantom.mri(ROWS)), ("pet", phantom.pet())):
        files = series(phantom, name, scan, day_of(phantom, name))
        one, other = section(files), section([nifti(scan)])
        assert one.values.shape == other.values.shape
        assert np.abs(one.values - other.values).max() < 0.005 * other.values.max()
        dataset = dcmread(BytesIO(files[0]))
        assert dataset.PatientID == phantom.patient_id
        assert dataset.PatientSex == phantom.person.sex[0].upper()
        assert dataset.Modality == {"mri": "MR", "pet": "PT"}[name]
        assert abs(int(dataset.PatientAge[:3]) - phantom.person.age_years) < 1


def test_the_section_is_the_drawn_middle_with_the_face_to_the_left():
    phantom = draw(2, 2)
    head = section([nifti(phantom.mri(160), "RAS")])
    pose, size = phantom.mri_pose, phantom.shape.size

    def shown(u, v):
        return np.median(around(head, pose.in_patient(u * size[0], v * size[1]), 2.5))

    callosum, pons, cerebellum, fluid, sinus = shown(-16, 27), shown(14, -22), shown(55, -28), shown(0, 18), shown(-36, -38)
    assert callosum > pons > 2 * fluid
    assert cerebellum > 2 * fluid
    assert sinus < 0.5 * fluid


def test_disease_is_planted_where_the_truth_says_and_only_there():
    for index in range(3):
        base = draw(7, index)
        who = replace(base.person, mri_front=0.1, mri_back=0.1, pet_front=0.02, pet_back=0.02)
        healthy = draw(7, index, truth=who)
        for region, centre, other in (("front", FRONT, BACK), ("back", BACK, FRONT)):
            sick = draw(7, index, truth=replace(who, **{f"mri_{region}": 1.3, f"pet_{region}": 0.4}))
            for name, scans in (("mri", [each.mri(120) for each in (healthy, sick)]), ("pet", [each.pet() for each in (healthy, sick)])):
                pose = healthy.mri_pose if name == "mri" else healthy.pet_pose
                before, after = (section([nifti(scan)]) for scan in scans)
                here, there = (pose.in_patient(*(np.array(place) * healthy.shape.size)) for place in (centre, other))
                lost = 1 - around(after, here, 15).mean() / around(before, here, 15).mean()
                assert lost > (0.04 if name == "mri" else 0.2)
                assert abs(1 - around(after, there, 12).mean() / around(before, there, 12).mean()) < 0.35 * lost


def test_larger_ventricles_are_darker_under_the_callosum():
    base = draw(7, 5)
    small, large = (section([nifti(draw(7, 5, truth=replace(base.person, ventricles=size)).mri(120))]) for size in (0.0, 4.0))
    place = base.mri_pose.in_patient(2.0, 6.0)
    assert around(large, place, 12).mean() < 0.8 * around(small, place, 12).mean()


def test_the_place_of_the_disease_is_in_the_genotype_and_in_cognition_not_in_the_picture():
    people = [draw(3, index).person for index in range(600)]
    ill = [who for who in people if who.diagnosis == "ad"]
    carriers = [who for who in ill if who.e4_alleles]
    assert np.mean([who.pet_back for who in carriers]) > 1.4 * np.mean([who.pet_front for who in carriers])
    led = [who for who in ill if who.memory_led]
    assert np.mean([who.mri_back for who in led]) > 1.4 * np.mean([who.mri_front for who in led])
    sides = [(who.phc_mem < who.phc_exf) == who.memory_led for who in people]
    assert np.mean(sides) > 0.9
    healthy = [who for who in people if who.diagnosis == "cn"]
    assert np.mean([max(who.pet_front, who.pet_back) for who in healthy]) > 0.1  # what chance does


def test_the_population_is_the_one_that_was_meant():
    phantoms = [draw(4, index) for index in range(1500)]
    people = [phantom.person for phantom in phantoms]
    for name, share in zip(CLASSES, SHARES, strict=True):
        mine = [who for who in people if who.diagnosis == name]
        assert len(mine) / len(people) == pytest.approx(share, abs=0.04)
    assert 70 < np.mean([who.age_years for who in people]) < 76
    assert all(40 <= who.age_years <= 110 for who in people)
    means = [np.mean([who.phc_mem for who in people if who.diagnosis == name]) for name in CLASSES]
    assert means[0] > means[1] + 0.3 > means[2] + 0.6
    for name, share in MISSING.items():
        assert np.mean([name not in phantom.fields for phantom in phantoms]) == pytest.approx(share, abs=0.03)


def test_genomes_have_the_frequencies_of_their_diagnosis_and_blocks_that_go_together():
    rng = np.random.default_rng(0)
    calls = {name: np.stack([genome.calls(rng, name) for _ in range(700)]).astype(float) for name in CLASSES}
    e4 = genome.panel().variants.index(genome.E4)
    for name in CLASSES:
        assert calls[name][:, e4].mean() / 2 == pytest.approx(genome.E4_FREQUENCY[name], abs=0.03)
    assert (calls["cn"] < 0).mean() == pytest.approx(genome.UNCALLED, abs=0.003)
    blocks = np.array([block for _, block in genome.placed()])
    known = np.ma.masked_less(calls["cn"], 0)
    first, second = (np.flatnonzero(blocks == block)[:2] for block in (0, 1))
    together, apart = (abs(np.ma.corrcoef(known[:, list(pair)], rowvar=False)[0, 1]) for pair in (first, (first[0], second[0])))
    assert together > 0.25 > apart


def test_the_panel_has_apoe_and_no_pair_of_complements():
    variants = genome.panel().variants
    assert len(variants) == 416
    assert len({(each.chromosome, each.position) for each in variants}) == 416
    assert {("19", 45411941, "T", "C"), ("19", 45412079, "C", "T")} <= {
        (each.chromosome, each.position, each.reference, each.alternate) for each in variants
    }
    assert not any({each.reference, each.alternate} in ({"A", "T"}, {"C", "G"}) for each in variants)


def test_every_outline_lies_in_the_head():
    head = OUTLINES["head"]
    for name, outline in OUTLINES.items():
        inside = [template().at("head", np.float32([u]), np.float32([v]))[0] for u, v in outline if v > -140]
        assert max(inside) < 2.0, name
    assert len(head) > 20


def test_a_cohort_of_phantoms_is_replaced_by_the_next(tmp_path):
    write(tmp_path, 2, 1, rows=ROWS, progress=False, workers=1)
    write(tmp_path, 1, 2, rows=ROWS, progress=False, workers=1)
    assert [row.patient for row in read(tmp_path)] == ["902_S_00001"]


@pytest.mark.parametrize("stranger", ["notes.txt", "ADNI/002_S_0295/MPRAGE/x", "genotypes/002_S_0295.vcf.gz"])
def test_a_folder_with_anything_else_in_it_is_left_alone(tmp_path, stranger):
    write(tmp_path, 1, 1, rows=ROWS, progress=False, workers=1)
    (tmp_path / stranger).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / stranger).touch()
    before = digests(tmp_path)
    with pytest.raises(FileExistsError):
        write(tmp_path, 1, 2, rows=ROWS, progress=False, workers=1)
    assert digests(tmp_path) == before


def test_the_example_is_a_study_that_is_read(tmp_path):
    write_example(tmp_path, 5)
    files = {path.name.split(".")[0]: path for path in tmp_path.iterdir()}
    assert set(files) == {"mri", "pet", "genotypes", "metadata"}
    assert sum(path.stat().st_size for path in files.values()) < 600_000
    metadata = json.loads(files.pop("metadata").read_text())
    spec = SPEC.with_measured(Measured(training_data="", recipe="", seed=0, panel=genome.panel()))
    reading = read_study(spec, Study(tuple(Part(path.read_bytes(), name) for name, path in files.items()), metadata), Limits())
    assert reading.genotypes.called > 0.97 * reading.genotypes.variants
    assert {check.check for check in reading.quality if not check.passed} <= {"body_part", "genotypes_called"}

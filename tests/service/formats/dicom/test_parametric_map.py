"""Attention on the original's geometry: a spot in the picture, seen by the network, comes back to where it was; and whose the map is."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from models.decode import Limits
from models.decode.geometry import plane
from models.postprocess import postprocess
from models.prediction import AttentionMap, Geometry, Prediction
from models.study import Part, Study, read_study
from service.formats import terms
from service.formats.dicom import render_dicom
from service.formats.dicom.cells import LONGEST, laid_over, matrix_of
from service.formats.dicom.space import Space
from tests.service.formats.dicom.reading import opened
from tests.service.formats.dicom.test_dicom import AT, IDENTITY, SPEC, UIDS
from tests.service.studies import CANARY, METADATA, hip_dicom

SPACING = [0.15, 0.15]


def hip(rows: int, columns: int, spot: tuple[float, float] = (0.4, 0.4), **changed: Any) -> bytes:
    """A hip of any shape with one bright spot, at a row and a column in parts of its sides."""
    down, right = np.mgrid[0:rows, 0:columns]
    distance = np.hypot(down - spot[0] * rows, right - spot[1] * columns)
    noise = np.random.default_rng(0).normal(0, 20, (rows, columns))
    stored = (400 + noise + 3000 * np.exp(-((distance / 6) ** 2))).clip(0, 4095).astype(np.uint16)
    told = {"Rows": rows, "Columns": columns, "PixelData": stored.tobytes(), "ImagerPixelSpacing": SPACING}
    return hip_dicom(**(UIDS | told | changed))


def seen(data: bytes, weights: np.ndarray | None = None, **metadata: object) -> tuple[Study, Prediction]:
    """What the network saw of a file, with these weights, or with all of its attention in the cell of the brightest pixels."""
    study = Study((Part(data),), METADATA | metadata)
    reading = read_study(SPEC, study, Limits())
    if weights is None:
        view = reading.tensors["image"][0]
        row, column = np.argwhere(view == view.max()).mean(axis=0) * 7 // view.shape[0]  # the brightest pixels are as bright as can be
        weights = np.zeros((7, 7), np.float32)
        weights[int(row), int(column)] = 1
    context = reading.tensors["present"] / reading.tensors["present"].sum()
    return study, postprocess(SPEC, {"bmd": np.float32([0.7]), "metadata_attention": context, "image_attention": weights}, reading)


def mapped(study: Study, prediction: Prediction, **changed: Any) -> Dataset:
    (data,) = render_dicom(changed.get("identity", IDENTITY), study, prediction, changed.get("at", AT), ("map",))
    assert len(data) < 1 << 20
    return opened(data)


def values(dataset: Dataset) -> np.ndarray:
    return np.frombuffer(dataset.FloatPixelData, "<f4").reshape(dataset.Rows, dataset.Columns)


def random_weights() -> np.ndarray:
    weights = np.random.default_rng(1).random((7, 7)).astype(np.float32)
    return weights / weights.sum()


BOTH = {"BodyPartExamined": "PELVIS", "ImageLaterality": "B"}
CASES = {  # a file, the side that is asked about, and where the spot is
    "square": (hip(256, 256), "left", (0.4, 0.4)),
    "mirrored": (hip(256, 256, ImageLaterality="R"), "right", (0.4, 0.4)),
    "tall, padded at the sides": (hip(420, 200), "left", (0.4, 0.4)),
    "tall, padded and mirrored": (hip(420, 200, (0.7, 0.3), ImageLaterality="R"), "right", (0.7, 0.3)),
    "wide, padded above": (hip(200, 333, (0.2, 0.8)), "left", (0.2, 0.8)),
    "left of both": (hip(220, 501, (0.3, 0.85), **BOTH), "left", (0.3, 0.85)),
    "right of both": (hip(220, 501, (0.6, 0.1), **BOTH), "right", (0.6, 0.1)),
}


@pytest.mark.parametrize("case", CASES)
def test_a_spot_that_the_network_saw_lies_where_it_is_in_the_file(case):
    data, side, (row, column) = CASES[case]
    study, prediction = seen(data, laterality=side)
    weights = values(mapped(study, prediction))
    geometry = prediction.image_attention[0].geometry
    assert geometry.mirrored == (side == "right")
    down, right = np.nonzero(weights)
    cell = geometry.side / 7 / np.array([opened(data).Rows, opened(data).Columns])  # in parts of the sides
    assert abs((down.mean() + 0.5) / weights.shape[0] - row) <= cell[0] / 2 + 0.01
    assert abs((right.mean() + 0.5) / weights.shape[1] - column) <= cell[1] / 2 + 0.01
    assert np.ptp(right) < cell[1] * weights.shape[1] + 1


@pytest.mark.parametrize("case", CASES)
def test_the_numbers_are_those_of_the_answer_at_the_centre_of_each_cell_and_nothing_beside_the_crop(case):
    data, side, _ = CASES[case]
    study, prediction = seen(data, random_weights(), laterality=side)
    (attention,), weights, file = prediction.image_attention, values(mapped(study, prediction)), opened(data)
    left, compared = attention.geometry.left, 0
    for row in range(7):
        for column in range(7):
            x, y = attention.geometry.original((column + 0.5) / 7, (row + 0.5) / 7)
            if left <= x < left + attention.geometry.width and 0 <= y < file.Rows:
                found = weights[int(y * weights.shape[0] / file.Rows), int(x * weights.shape[1] / file.Columns)]
                assert found == np.float32(attention.values[row][column])
                compared += 1
    assert compared >= 21
    centres = (np.arange(weights.shape[1]) + 0.5) * file.Columns / weights.shape[1] - left
    assert not weights[:, (centres < 0) | (centres > attention.geometry.width)].any()
    assert set(np.unique(weights)) <= {np.float32(0), *np.float32(attention.values).ravel()}


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_borders_of_cells_lie_on_those_of_pixels_where_they_can(mirrored):
    values = random_weights()
    lies = Geometry(0, 0, 14, 14, 14, 0, 0, mirrored)
    attention = AttentionMap("image", 7, 7, tuple(map(tuple, values.tolist())), lies)
    assert (laid_over(attention, (14, 14)) == np.kron(values[:, ::-1] if mirrored else values, np.ones((2, 2)))).all()


def test_the_matrix_has_the_outer_edges_of_the_file_and_says_how_large_its_pixels_are():
    result = mapped(*seen(hip(420, 200)))
    assert (result.Rows, result.Columns) == matrix_of(420, 200) == (256, 122)
    measured = [float(each) for each in result.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing]
    assert measured == pytest.approx([SPACING[0] * 420 / 256, SPACING[1] * 200 / 122])
    assert matrix_of(90, 60) == (90, 60)
    assert max(matrix_of(4096, 3328)) == LONGEST
    assert matrix_of(4096, 2) == (LONGEST, 1)


def test_calibrated_spacing_comes_before_that_at_the_detector_and_none_is_made_up():
    calibrated = mapped(*seen(hip(256, 256, PixelSpacing=[0.1, 0.1])))
    assert list(calibrated.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing) == [0.1, 0.1]
    for changed in ({"ImagerPixelSpacing": None}, {"ImagerPixelSpacing": ["1e200", "1e200"]}):
        unknown = mapped(*seen(hip(256, 256, **changed)))
        assert len(unknown.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]) == 0


def test_a_plane_in_the_patient_keeps_its_outer_edges_too():
    lies = plane((10, 20, 30), (0, 1, 0, 0, 0, -1), (2, 1))
    coarse = Space("1.2", 100, 300, (2, 1), lies).of_matrix(50, 100)
    assert coarse.spacing_mm == (4, 3)
    corner = lambda each: each.position - each.along_column * each.row_spacing / 2 - each.along_row * each.column_spacing / 2  # noqa: E731
    assert corner(coarse.plane) == pytest.approx(corner(lies))
    assert (coarse.plane.row_spacing, coarse.plane.column_spacing) == (4, 3)


def test_a_radiograph_claims_no_place_in_the_patient_and_shares_a_frame_of_reference_only_where_the_file_has_one():
    alone, other, stated = (
        mapped(*seen(hip(256, 256, **changed)))
        for changed in ({}, {"SOPInstanceUID": "1.2.9"}, {"FrameOfReferenceUID": "1.2.6", "PatientOrientation": ["L", "F"]})
    )
    for each in (alone, other, stated):
        assert len(each.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0]) == 0
        assert len(each.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0]) == 0
    assert stated.FrameOfReferenceUID == "1.2.6"
    assert (list(stated.PatientOrientation), alone.PatientOrientation) == (["L", "F"], "")
    assert len({each.FrameOfReferenceUID for each in (alone, other, stated)}) == 3
    assert len({each.SeriesInstanceUID for each in (alone, other, stated)}) == 3  # a series has one frame of reference


def test_whose_it_is_what_it_is_and_what_it_was_made_from():
    result = mapped(*seen(hip(256, 256)))
    assert (str(result.PatientName), result.StudyInstanceUID, result.SOPClassUID) == (CANARY, "1.2.4", "1.2.840.10008.5.1.4.1.1.30")
    shared, frame = result.SharedFunctionalGroupsSequence[0], result.PerFrameFunctionalGroupsSequence[0]
    (source,) = frame.DerivationImageSequence[0].SourceImageSequence
    assert (source.ReferencedSOPInstanceUID, source.SpatialLocationsPreserved) == ("1.2.3", "YES")
    assert result.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0].ReferencedSOPInstanceUID == "1.2.3"
    (mapping,) = shared.RealWorldValueMappingSequence
    unit, quantity = mapping.MeasurementUnitsCodeSequence[0], mapping.QuantityDefinitionSequence[0].ConceptCodeSequence[0]
    assert (unit.CodeValue, unit.CodingSchemeDesignator, unit.CodeMeaning) == ("1", "UCUM", "no units")
    assert (quantity.CodeValue, quantity.CodingSchemeDesignator) == (terms.ATTENTION.value, "99CHIASM")
    assert (mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept) == (1, 0)
    (window,) = shared.FrameVOILUTSequence
    assert (float(window.WindowCenter), float(window.WindowWidth), window.VOILUTFunction) == (0.5, 1, "LINEAR_EXACT")
    assert shared.FrameAnatomySequence[0].AnatomicRegionSequence[0].CodeValue == terms.REGIONS["HIP"].value
    equipment = result.ContributingEquipmentSequence[0]
    assert (equipment.SoftwareVersions, equipment.ManufacturerModelName) == (SPEC.version, "Chiasm bmd")


@pytest.mark.parametrize(
    ("changed", "side", "told"),
    [({}, "left", "L"), ({"ImageLaterality": "R"}, "right", "R"), ({"ImageLaterality": "B", "BodyPartExamined": "PELVIS"}, "left", "B")],
)
def test_the_side_is_that_of_the_whole_picture(changed, side, told):
    shared = mapped(*seen(hip(200, 300, **changed), laterality=side)).SharedFunctionalGroupsSequence[0]
    assert shared.FrameAnatomySequence[0].FrameLaterality == told


def test_a_picture_that_lost_something_says_so_in_the_map():
    lossy = {"LossyImageCompression": "01", "LossyImageCompressionRatio": "12.5", "LossyImageCompressionMethod": "ISO_15444_1"}
    result = mapped(*seen(hip(256, 256, **lossy)))
    assert {keyword: str(result[keyword].value) for keyword in lossy} == lossy
    assert mapped(*seen(hip(256, 256))).LossyImageCompression == "00"
    broken = mapped(*seen(hip(256, 256, **lossy).replace(b"12.5", b"much")))
    assert (broken.LossyImageCompression, broken.LossyImageCompressionRatio) == ("01", None)


def test_the_same_study_is_the_same_map_and_only_times_differ_later():
    study, prediction = seen(hip(256, 256))
    first, again = (render_dicom(IDENTITY, study, prediction, AT, ("map",)) for _ in range(2))
    assert first == again
    later = mapped(study, prediction, at=AT + timedelta(hours=30))
    changed = {element.keyword for element in opened(first[0]) if element != later[element.tag]}
    assert changed == {"ContentDate", "ContentTime", "InstanceCreationDate", "InstanceCreationTime"}
    other = mapped(study, prediction, identity=replace(IDENTITY, digest="sha256:" + "1f" * 32))
    assert other.SOPInstanceUID != later.SOPInstanceUID


def test_nobody_may_act_on_a_map_of_a_synthetic_network():
    clinical = SPEC.with_measured(SPEC.measured.model_copy(update={"training_data": "a cohort"}))
    for identity, warns in ((IDENTITY, True), (replace(IDENTITY, spec=clinical), False)):
        result = mapped(*seen(hip(256, 256)), identity=identity)
        assert ("NOT FOR CLINICAL USE" in result.SeriesDescription, "NOT FOR CLINICAL USE" in result.ContentDescription) == (warns, warns)


def test_a_map_that_comes_with_a_study_is_passed_over():
    study, prediction = seen(hip(256, 256))
    (attention,) = render_dicom(IDENTITY, study, prediction, AT, ("map",))
    reading = read_study(SPEC, Study((*study.parts, Part(attention)), study.metadata), Limits())
    assert reading.images == prediction.reading.images
    assert len(reading.unused_images) == 1


def test_objects_come_in_the_order_in_which_they_are_asked_for_and_none_is_made_that_is_not():
    study, prediction = seen(hip(256, 256))
    kinds = [opened(each).Modality for each in render_dicom(IDENTITY, study, prediction, AT, ("map", "report"))]
    assert kinds == ["OT", "SR"]
    assert render_dicom(IDENTITY, study, replace(prediction, image_attention=()), AT, ("map",)) == ()


@pytest.mark.parametrize("case", CASES)
def test_a_validator_finds_no_fault(case, tmp_path):
    data, side, _ = CASES[case]
    study, prediction = seen(data, laterality=side)
    (tmp_path / "map.dcm").write_bytes(render_dicom(IDENTITY, study, prediction, AT, ("map",))[0])
    judged = subprocess.run(["dciodvfy", "-new", tmp_path / "map.dcm"], capture_output=True, text=True, check=False).stderr
    assert "ParametricMap" in judged
    assert "Error" not in judged, judged

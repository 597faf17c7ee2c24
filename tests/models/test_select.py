"""Which instance is read, why the others are not, and that the order of the files does not matter."""

from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest

from models.bmd import HIP
from models.decode import Limits, Patient, read_header
from models.decode.image import Header
from models.errors import MetadataConflictError, MissingImageError, StudyError, UnsuitableImageError
from models.select import select
from tests.models.decode.real import DATA, needs_data

DX, CR, DX_PROCESSING = "1.2.840.10008.5.1.4.1.1.1.1", "1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1.1"
GOOD = Header(
    format="dicom", rows=2000, columns=1600, photometric_interpretation="MONOCHROME2", sop_class_uid=DX, sop_instance_uid="2.25.1",
    study_instance_uid="2.25.9", modality="DX", body_part="HIP", view_position="AP", image_type=("ORIGINAL", "PRIMARY"),
    presentation_intent="FOR PRESENTATION", laterality="left", patient=Patient(), patient_digest="aa",
)  # fmt: skip
PICTURE = Header(format="png", rows=2000, columns=1600, photometric_interpretation="MONOCHROME2")


def but(**changes):
    return replace(GOOD, **changes)


def test_the_only_instance_that_fits_is_chosen_and_says_why():
    chosen = select(HIP, [GOOD], None)
    assert (chosen.index, chosen.rejected) == (0, ())
    assert chosen.reason == "modality DX, body part HIP, view AP, side left fit"


def test_what_a_header_leaves_open_is_said():
    reason = select(HIP, [but(body_part="", view_position="", laterality=None)], None).reason
    assert reason == "modality DX fit; the header does not state body part and view and side"


@pytest.mark.parametrize(("header", "reason"), [
    (but(modality="CT"), "modality is not CR or DX"),
    (but(modality=""), "modality is not CR or DX"),
    (but(sop_class_uid="1.2.3"), "SOP class is not one that this input reads"),
    (but(sop_class_uid=DX_PROCESSING, presentation_intent="FOR PROCESSING"), "the image is FOR PROCESSING"),
    (but(body_part="CHEST"), "body part is not HIP or PELVIS"),
    (but(body_part="Müller"), "body part is not HIP or PELVIS"),
    (but(view_position="LATERAL"), "view is not AP"),
    (but(view_position="LL"), "view is not AP"),
    (but(view_position="OTHER"), "view is not AP"),
    (but(orientation=("R", "F")), "the image is turned or mirrored: its patient orientation is not the usual one"),
    (but(orientation=("P", "F")), "the image is turned or mirrored: its patient orientation is not the usual one"),
    (but(image_type=("ORIGINAL", "PRIMARY", "LOCALIZER")), "image type is LOCALIZER"),
    (but(photometric_interpretation="RGB"), "the image is in colour"),
    (but(rows=127), "the shorter side has fewer than 128 pixels"),
    (replace(PICTURE, columns=100), "the shorter side has fewer than 128 pixels"),
])  # fmt: skip
def test_an_instance_that_does_not_fit_is_rejected_in_plain_words(header, reason):
    with pytest.raises(UnsuitableImageError) as refusal:
        select(HIP, [header], None)
    assert [(detail.pointer, detail.detail) for detail in refusal.value.details] == [("/images/image/0", reason)]
    chosen = select(HIP, [header, GOOD], None)
    assert (chosen.index, [(other.index, other.reason) for other in chosen.rejected]) == (1, [(0, reason)])


def test_for_presentation_radiographs_of_either_class_fit():
    assert select(HIP, [but(sop_class_uid=CR, modality="CR", presentation_intent="")], None).index == 0


def test_a_photometric_interpretation_of_either_polarity_fits():
    assert select(HIP, [but(photometric_interpretation="MONOCHROME1")], None).index == 0


def test_the_stated_side_is_chosen_and_the_other_rejected():
    chosen = select(HIP, [but(laterality="right", sop_instance_uid="2.25.0"), GOOD], "left")
    assert (chosen.index, chosen.rejected[0].reason) == (1, "the image shows the other side than the request states")


def test_a_request_for_the_other_side_than_the_image_contradicts_it():
    with pytest.raises(MetadataConflictError, match="side"):
        select(HIP, [but(laterality="right"), but(modality="CT")], "left")


@pytest.mark.parametrize(("side", "laterality"), [("left", None), (None, "right"), ("left", "left")])
def test_a_pelvis_fits_where_a_side_is_stated(side, laterality):
    assert select(HIP, [but(body_part="PELVIS", laterality=laterality)], side).index == 0


def test_a_pelvis_without_a_side_asks_for_one():
    with pytest.raises(UnsuitableImageError, match="two sides") as refusal:
        select(HIP, [but(body_part="PELVIS", laterality=None)], None)
    assert "laterality" in refusal.value.hint


def test_a_film_that_says_it_shows_both_sides_asks_for_one_too():
    with pytest.raises(UnsuitableImageError, match="two sides"):
        select(HIP, [but(two_sided=True, laterality=None)], None)
    assert select(HIP, [but(two_sided=True, laterality=None)], "left").index == 0


def test_films_of_both_hips_are_not_chosen_between():
    with pytest.raises(UnsuitableImageError, match="both sides") as refusal:
        select(HIP, [GOOD, but(laterality="right", rows=4000)], None)
    assert "laterality" in refusal.value.hint
    assert select(HIP, [GOOD, but(laterality="right", rows=4000)], "left").index == 0


@pytest.mark.parametrize(
    "patients", [(Patient(sex="male"), Patient(sex="female")), (Patient(age_years=70.0), Patient(age_years=72.0))], ids=["sex", "age"]
)
def test_headers_that_contradict_each_other_are_how_swapped_patients_look(patients):
    first, second = (but(patient=patient) for patient in patients)
    with pytest.raises(MetadataConflictError):
        select(HIP, [first, second], None)


def test_the_usual_orientation_fits():
    assert select(HIP, [but(orientation=("L", "F"))], None).index == 0


def test_a_pelvis_that_fails_otherwise_does_not_ask_for_a_side():
    with pytest.raises(UnsuitableImageError) as refusal:
        select(HIP, [but(body_part="PELVIS", laterality=None, modality="CT")], None)
    assert "State the side" not in refusal.value.hint


def test_every_instance_gets_its_reason_when_none_fits():
    with pytest.raises(UnsuitableImageError) as refusal:
        select(HIP, [but(modality="CT"), but(body_part="SKULL"), but(rows=4)], "left")
    assert [detail.pointer for detail in refusal.value.details] == ["/images/image/0", "/images/image/1", "/images/image/2"]


RANKED = [
    GOOD,
    but(sop_instance_uid="2.25.2"),
    but(rows=1500, sop_instance_uid="2.25.0"),
    but(rows=4000, image_type=("DERIVED", "PRIMARY"), sop_instance_uid="2.25.0"),
    but(rows=4000, laterality=None, sop_instance_uid="2.25.0"),
    PICTURE,
]


@pytest.mark.parametrize("first", range(len(RANKED)))
@pytest.mark.parametrize("side", ["left", None])
def test_the_choice_among_many_does_not_depend_on_their_order(first, side):
    candidates = RANKED[first:][:4]
    for order in permutations(candidates):
        chosen = select(HIP, order, side)
        assert order[chosen.index] == candidates[0]
        assert len(chosen.rejected) == len(candidates) - 1


def test_one_picture_passes_and_says_that_it_has_no_header():
    assert select(HIP, [PICTURE], "left").reason == "a PNG has no header to check"


def test_two_pictures_are_ambiguous():
    with pytest.raises(UnsuitableImageError, match="Several pictures"):
        select(HIP, [PICTURE, replace(PICTURE, format="jpeg")], None)


def test_no_image_is_missing():
    with pytest.raises(MissingImageError):
        select(HIP, [], None)


@pytest.mark.parametrize(("other", "word"), [(but(patient_digest="bb"), "patient"), (but(study_instance_uid="2.25.8"), "study")])
def test_two_patients_or_studies_are_never_mixed(other, word):
    with pytest.raises(MetadataConflictError, match=word):
        select(HIP, [GOOD, other], None)


def test_an_absent_patient_id_is_not_another_patient():
    assert select(HIP, [GOOD, but(patient_digest="", study_instance_uid="", rows=300)], None).index == 0


@needs_data
@pytest.mark.parametrize("pattern", [
    "hip/ddh_pelvis_dicom/*.dcm", "chest_xray/dicom/*.dcm", "mammography/dicom/*.dcm", "alzheimer/pet_dicom/*.dcm",
    "dicom_conformance/highdicom/dx_image.dcm", "dicom_conformance/pydicom/test_files/CT_small.dcm", "dicom_conformance/fo_dicom/*.dcm",
])  # fmt: skip
def test_no_real_file_of_another_kind_is_taken_for_an_adult_hip(pattern):
    paths = sorted(Path(DATA).glob(pattern))
    assert paths
    for path in paths:
        with pytest.raises(StudyError):
            select(HIP, [read_header(path.read_bytes(), Limits())], "left")

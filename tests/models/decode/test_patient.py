"""What the header says of the patient, and what it cannot be believed."""

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from models.decode import Patient, read_header
from tests.models.decode.synthetic import IMPLICIT, LIMITS, dicom


def header(**attributes):
    return read_header(dicom(**attributes), LIMITS)


def region(value, designator="SCT"):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, designator, "a place"
    return item


def test_a_header_that_says_nothing_says_nothing():
    silent = header()
    assert silent.patient == Patient()
    assert (silent.patient_digest, silent.body_part, silent.view_position, silent.laterality) == ("", "", "", None)


def test_body_part_and_view_may_be_written_in_small_letters():
    data = dicom(BodyPartExamined="HIP ", ViewPosition="AP").replace(b"HIP ", b" hip").replace(b"CS\x02\x00AP", b"CS\x02\x00ap")
    told = read_header(data, LIMITS)
    assert (told.body_part, told.view_position) == ("HIP", "AP")


@pytest.mark.parametrize(("text", "sex"), [("F", "female"), ("M", "male"), ("O", None), ("", None)])
def test_sex_is_female_male_or_unknown(text, sex):
    assert header(PatientSex=text).patient.sex == sex


@pytest.mark.parametrize(("age", "years"), [
    ("074Y", 74.0), ("018M", 1.5), ("026W", 26 * 7 / 365.25), ("010D", 10 / 365.25), ("000Y", 0.0), ("999Y", None), ("", None),
])  # fmt: skip
def test_the_age_is_told_in_years(age, years):
    assert header(PatientAge=age).patient.age_years == (None if years is None else pytest.approx(years))


@pytest.mark.parametrize(("attributes", "years"), [
    ({"StudyDate": "20240301", "PatientBirthDate": "19500301"}, 74.0),
    ({"AcquisitionDate": "20240301", "PatientBirthDate": "19490831"}, 74.5),
    ({"StudyDate": "20240301", "PatientBirthDate": "19500301", "PatientAge": "073Y"}, 73.0),
    ({"StudyDate": "20240301", "PatientBirthDate": "19500301", "PatientAge": "999Y"}, 74.0),
    ({"StudyDate": "20240301", "PatientBirthDate": "20300101"}, None),
    ({"StudyDate": "20240301", "PatientBirthDate": "18000101"}, None),
    ({"PatientBirthDate": "19500301"}, None),
    ({"StudyDate": "20240301", "PatientBirthDate": "19500299"}, None),
])  # fmt: skip
def test_without_an_age_the_dates_tell_it(attributes, years):
    if attributes.get("PatientBirthDate") == "19500299":
        data = dicom(StudyDate="20240301", PatientBirthDate="19500201").replace(b"19500201", b"19500299")
        assert read_header(data, LIMITS).patient.age_years is None
    else:
        assert header(**attributes).patient.age_years == (pytest.approx(years, abs=0.01) if years else None)


@pytest.mark.parametrize(("metres", "centimetres"), [("1.62", 162.0), ("1.625", 162.5), ("0", None), ("-1.6", None), ("", None)])
def test_height_is_exact_in_centimetres(metres, centimetres):
    assert header(PatientSize=metres).patient.height_cm == centimetres


@pytest.mark.parametrize(("text", "kilograms"), [("64.5", 64.5), ("0.0", None), ("", None)])
def test_weight_is_in_kilograms(text, kilograms):
    assert header(PatientWeight=text).patient.weight_kg == kilograms


@pytest.mark.parametrize(("attributes", "side"), [
    ({"ImageLaterality": "L"}, "left"), ({"ImageLaterality": "R"}, "right"), ({"Laterality": "R"}, "right"),
    ({"ImageLaterality": "L", "Laterality": "R"}, "left"), ({"ImageLaterality": "B", "Laterality": "R"}, None),
    ({"ImageLaterality": "U"}, None),
    ({"ImageLaterality": "", "Laterality": "L"}, "left"),
])  # fmt: skip
def test_the_side_of_the_image_wins_over_the_side_of_its_series(attributes, side):
    assert header(**attributes).laterality == side


@pytest.mark.parametrize(("letter", "both"), [("B", True), ("L", False), ("U", False), ("", False)])
def test_a_film_of_both_sides_says_so(letter, both):
    assert header(ImageLaterality=letter).two_sided == both


@pytest.mark.parametrize(("attributes", "view"), [
    ({"ViewPosition": "AP"}, "AP"),
    ({"ViewCodeSequence": Sequence([region("399348003")])}, "AP"),
    ({"ViewCodeSequence": Sequence([region("R-10206", "SRT")])}, "AP"),
    ({"ViewCodeSequence": Sequence([region("399067008")])}, "OTHER"),
    ({}, ""),
])  # fmt: skip
def test_the_view_is_stated_or_coded_and_another_one_is_not_an_absent_one(attributes, view):
    assert header(**{"ViewPosition": "", **attributes}).view_position == view


def test_the_orientation_is_read_as_it_stands():
    assert header(PatientOrientation=["R", "F"]).orientation == ("R", "F")


@pytest.mark.parametrize(("attributes", "part"), [
    ({"BodyPartExamined": "HIP"}, "HIP"),
    ({"BodyPartExamined": "KNEE", "AnatomicRegionSequence": Sequence([region("24136001")])}, "KNEE"),
    ({"AnatomicRegionSequence": Sequence([region("24136001")])}, "HIP"),
    ({"AnatomicRegionSequence": Sequence([region("T-15710", "SRT")])}, "HIP"),
    ({"AnatomicRegionSequence": Sequence([region("816092008")])}, "PELVIS"),
    ({"AnatomicRegionSequence": Sequence([region("12921003")])}, "PELVIS"),
    ({"AnatomicRegionSequence": Sequence([region("51185008")])}, "CHEST"),
    ({"AnatomicRegionSequence": Sequence([region("76752008")])}, "BREAST"),
    ({"AnatomicRegionSequence": Sequence([region("69536005")])}, "HEAD"),
    ({"AnatomicRegionSequence": Sequence([region("24136001", "99HOSPITAL")])}, "OTHER"),
    ({"AnatomicRegionSequence": Sequence([region("24136001"), region("51185008")])}, "OTHER"),
    ({"AnatomicRegionSequence": Sequence([region("72696002")])}, "OTHER"),
    ({}, ""),
])  # fmt: skip
@pytest.mark.parametrize("implicit", [False, True])
def test_the_body_part_is_stated_or_clearly_coded(attributes, part, implicit):
    data = dicom(**attributes, **({"syntax": IMPLICIT} if implicit else {}))
    assert read_header(data, LIMITS).body_part == part


def test_two_patients_have_two_digests_that_do_not_hold_their_ids():
    one, same, other = header(PatientID="4711"), header(PatientID="4711 "), header(PatientID="4712")
    issued = header(PatientID="4711", IssuerOfPatientID="elsewhere")
    assert one.patient_digest == same.patient_digest
    assert len({one.patient_digest, other.patient_digest, issued.patient_digest}) == 3
    assert "4711" not in one.patient_digest


def test_names_in_any_character_set_are_not_read():
    data = dicom(PatientName="Muster", SpecificCharacterSet="ISO_IR 100")
    hostile = data.replace(b"ISO_IR 100", b"ISO 2022\\\xff").replace(b"Muster", b"\x1b$B\xff\xfe\x80")
    assert hostile != data
    assert read_header(hostile, LIMITS).rows == 70


def test_the_identity_and_kind_of_an_instance_are_read():
    told = header(
        Modality="DX", ViewPosition="AP", ImageType=["ORIGINAL", "PRIMARY"], PresentationIntentType="FOR PRESENTATION",
        StudyInstanceUID="2.25.7", SeriesInstanceUID="2.25.8",
    )  # fmt: skip
    assert (told.modality, told.view_position, told.image_type) == ("DX", "AP", ("ORIGINAL", "PRIMARY"))
    assert (told.presentation_intent, told.sop_instance_uid) == ("FOR PRESENTATION", "2.25.1")
    assert (told.study_instance_uid, told.series_instance_uid) == ("2.25.7", "2.25.8")

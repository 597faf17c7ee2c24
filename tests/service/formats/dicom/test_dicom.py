"""The report and the page of a hip, read back; what is refused; what never changes and what always does."""

from __future__ import annotations

import warnings
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from models import SPECS
from models.decode import Limits
from models.postprocess import postprocess
from models.prediction import Prediction
from models.spec import Code
from models.study import Part, Study, read_study
from service.errors import NotAcceptableError
from service.formats import terms
from service.formats.dicom import render_dicom
from service.predictor import Identity
from tests.service.artifact import measured
from tests.service.formats.dicom.reading import groups, name, opened, walk
from tests.service.studies import CANARY, CANARY_ID, METADATA, hip_dicom, hip_png

DECLARED = SPECS["bmd"]
SPEC = DECLARED.with_measured(measured(DECLARED))
IDENTITY = Identity(SPEC, "sha256:" + "0f" * 32, "CPUExecutionProvider")
AT = datetime(2026, 3, 4, 5, 6, 7, 8, tzinfo=UTC)
UIDS = {"SOPInstanceUID": "1.2.3", "StudyInstanceUID": "1.2.4", "SeriesInstanceUID": "1.2.5"}


def answered(data: bytes, bmd: float = 0.7, **metadata: object) -> tuple[Study, Prediction]:
    study = Study((Part(data),), METADATA | metadata)
    reading = read_study(SPEC, study, Limits())
    weights = reading.tensors["present"] / reading.tensors["present"].sum()
    outputs = {"bmd": np.float32([bmd]), "metadata_attention": weights, "image_attention": np.full((7, 7), 1 / 49, np.float32)}
    return study, postprocess(SPEC, outputs, reading)


def rendered(data: bytes, at: datetime = AT, identity: Identity = IDENTITY, **metadata: object) -> tuple[bytes, bytes]:
    return render_dicom(identity, *answered(data, **metadata), at)


def test_the_report_says_number_for_number_what_the_prediction_says():
    study, prediction = answered(hip_dicom())
    read = groups(opened(render_dicom(IDENTITY, study, prediction, AT)[0]))
    bmd, t_score = prediction.measurements
    assert read["femoral_neck_bmd"].numbers[bmd.code.value] == bmd.value
    assert read["femoral_neck_bmd"].units[bmd.code.value] == "g/cm2"
    low, high, level = (read["femoral_neck_bmd"].numbers[code.value] for code in (terms.INTERVAL_LOW, terms.INTERVAL_HIGH, terms.LEVEL))
    assert (low, high, level) == (bmd.interval.low, bmd.interval.high, 100 * bmd.interval.level)
    assert read["t_score"].numbers[t_score.code.value] == t_score.value
    assert read["t_score"].judged[terms.CATEGORY.value] == terms.CATEGORIES[t_score.category].value
    for finding in prediction.findings:
        assert read[finding.name].numbers[terms.CERTAINTY.value] == 100 * finding.probability
        assert read[finding.name].numbers[terms.THRESHOLD.value] == 100 * finding.threshold
        assert read[finding.name].finding == finding.code.value
        assert read[finding.name].judged[terms.POSITIVE.value] == (terms.PRESENT if finding.positive else terms.ABSENT).value


def test_a_finding_that_nobody_should_act_on_is_indeterminate():
    study, prediction = answered(hip_dicom())
    reserved = tuple(replace(finding, reservation="not shown") for finding in prediction.findings)
    read = groups(opened(render_dicom(IDENTITY, study, replace(prediction, findings=reserved), AT)[0]))
    assert {read[finding.name].judged[terms.POSITIVE.value] for finding in reserved} == {terms.INDETERMINATE.value}
    assert "osteoporosis: not shown" in read["femoral_neck_bmd"].comments


def test_the_site_has_a_side_and_the_groups_name_the_image():
    read = groups(opened(rendered(hip_dicom(**UIDS))[0]))
    assert (read["femoral_neck_bmd"].site, read["femoral_neck_bmd"].side) == ("29627003", terms.LEFT.value)
    assert all(group.images == ["1.2.3"] for group in read.values())


def test_every_group_that_could_be_lifted_out_says_that_it_is_not_for_clinical_use():
    read = groups(opened(rendered(hip_dicom())[0]))
    assert all(any("Not for clinical use" in comment for comment in group.comments) for group in read.values())
    clinical = SPEC.with_measured(SPEC.measured.model_copy(update={"training_data": "a cohort"}))
    told = groups(opened(rendered(hip_dicom(), identity=replace(IDENTITY, spec=clinical))[0]))
    assert not any("Not for clinical use" in comment for group in told.values() for comment in group.comments)


def test_patient_and_study_are_those_of_the_file_and_nobody_has_verified_it():
    sent = hip_dicom(**UIDS, AccessionNumber="A1", IssuerOfPatientID="HOSPITAL", StudyDescription="hip", StudyID="7")
    for data in rendered(sent):
        result = opened(data)
        assert (str(result.PatientName), result.PatientID, result.IssuerOfPatientID) == (CANARY, CANARY_ID, "HOSPITAL")
        assert (result.StudyInstanceUID, result.AccessionNumber, result.StudyID, result.StudyDate) == ("1.2.4", "A1", "7", "20240102")
        assert result.SeriesInstanceUID != "1.2.5"
    report = opened(rendered(sent)[0])
    assert (report.CompletionFlag, report.VerificationFlag) == ("COMPLETE", "UNVERIFIED")
    evidence = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    assert (evidence.SeriesInstanceUID, evidence.ReferencedSOPSequence[0].ReferencedSOPInstanceUID) == ("1.2.5", "1.2.3")


@pytest.mark.parametrize(
    ("charset", "written"),
    [
        ("ISO_IR 100", "Müller^Jörg"),
        ("ISO_IR 192", "山田^太郎"),
        ("GB18030", "王^小东"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎"),
    ],
)
def test_a_name_in_any_character_set_arrives_in_utf_8(charset, written):
    result = opened(rendered(hip_dicom(SpecificCharacterSet=charset, PatientName=written))[0])
    assert (str(result.PatientName), result.SpecificCharacterSet) == (written, "ISO_IR 192")


def test_a_character_set_that_nobody_knows_loses_no_byte():
    sent = hip_dicom(SpecificCharacterSet="ISO_IR 100", PatientName="Müller").replace(b"ISO_IR 100", b"ISO_IR 999")
    assert str(opened(rendered(sent)[0]).PatientName) == "Müller"


def test_the_same_study_is_the_same_object_and_another_model_input_or_metadata_another():
    sent = hip_dicom(**UIDS)
    first = [opened(data).SOPInstanceUID for data in rendered(sent)]
    assert first == [opened(data).SOPInstanceUID for data in rendered(sent, at=AT + timedelta(days=1))]
    assert len(set(first)) == 2
    others = [
        rendered(sent, identity=replace(IDENTITY, digest="sha256:" + "1f" * 32)),
        rendered(sent, weight_kg=62.0),
        rendered(hip_dicom(**UIDS, StudyDescription="other bytes")),
    ]
    assert len({*first, *(opened(data).SOPInstanceUID for other in others for data in other)}) == 8


def test_a_rendering_differs_from_itself_in_nothing_but_its_time():
    sent = hip_dicom(**UIDS)
    assert rendered(sent) == rendered(sent)
    changed = [
        {element.keyword for element in one if element != other[element.tag]}
        for one, other in zip(map(opened, rendered(sent)), map(opened, rendered(sent, at=AT + timedelta(hours=30))), strict=True)
    ]
    assert all(keyword.endswith(("Date", "Time", "SecondaryCapture")) for keyword in set.union(*changed))


def test_times_are_in_the_time_zone_that_the_file_states():
    result = opened(rendered(hip_dicom(TimezoneOffsetFromUTC="-0530"))[0])
    assert (result.ContentDate, str(result.ContentTime)[:6], result.TimezoneOffsetFromUTC) == ("20260303", "233607", "-0530")


def test_a_network_that_was_trained_again_is_another_device():
    sent = hip_dicom()
    again = replace(IDENTITY, digest="sha256:" + "1f" * 32)
    devices = {opened(rendered(sent, identity=each)[0]).ContributingEquipmentSequence[-1].DeviceUID for each in (IDENTITY, again)}
    assert len(devices) == 2


def test_the_page_is_the_picture_and_names_nobody():
    page = opened(rendered(hip_dicom())[1])
    pixels = page.pixel_array
    assert (page.PhotometricInterpretation, page.BurnedInAnnotation, pixels.dtype) == ("RGB", "NO", np.uint8)
    assert (pixels[..., 0].astype(int) - pixels[..., 2]).max() > 60  # attention is coloured
    assert page.SeriesDescription.endswith("NOT FOR CLINICAL USE")


def test_a_picture_without_a_header_has_no_study_that_a_result_could_belong_to():
    study, prediction = answered(hip_png())
    with pytest.raises(NotAcceptableError, match="no header"):
        render_dicom(IDENTITY, study, prediction, AT)


@pytest.mark.parametrize("missing", ["StudyInstanceUID", "SeriesInstanceUID"])
def test_a_file_that_names_no_study_gets_no_result_in_dicom(missing):
    with pytest.raises(NotAcceptableError, match="does not name its study"):
        rendered(hip_dicom(**{missing: None}))


@pytest.mark.filterwarnings("ignore:Invalid value")  # pydicom's, about what this file is made of
def test_values_that_are_no_dates_are_carried_without_a_warning_that_would_hold_them():
    sent = hip_dicom(PatientBirthDate="yesterday", StudyTime="noon")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = rendered(sent)[0]
    assert b"yesterday" in result


def test_a_weight_that_is_no_number_is_not_carried():
    sent = hip_dicom(PatientWeight="71.5", PatientSize="1.6")
    assert (opened(rendered(sent)[0]).PatientWeight, opened(rendered(sent)[0]).PatientSize) == (71.5, 1.6)
    result = opened(rendered(sent.replace(b"71.5", b"abcd"), weight_kg=61.0)[0])
    assert ("PatientWeight" in result, result.PatientSize) == (False, 1.6)


def test_every_code_fits_into_what_old_archives_read():
    codes = [code for spec in SPECS.values() for code in _codes(spec.model_dump())]
    codes += [(code.value, code.meaning) for code in vars(terms).values() if isinstance(code, Code)]
    codes += [(code.value, code.meaning) for code in terms.CATEGORIES.values()]
    assert len(codes) > 40
    assert all(len(value) <= 16 and len(terms.SHORTER.get(value, meaning)) <= 64 for value, meaning in codes)


def _codes(value: object) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        here = [(value["value"], value["meaning"])] if {"value", "scheme_designator", "meaning"} <= set(value) else []
        return here + [code for each in value.values() for code in _codes(each)]
    return [code for each in value for code in _codes(each)] if isinstance(value, list | tuple) else []


def test_the_document_is_tid_1500():
    report = opened(rendered(hip_dicom())[0])
    template = report.ContentTemplateSequence[0]
    assert (template.TemplateIdentifier, template.MappingResource) == ("1500", "DCMR")
    assert report.SOPClassUID == "1.2.840.10008.5.1.4.1.1.88.34"
    assert {"126010", "125007", "121005"} <= {name(item) for item in walk(report) if "ConceptNameCodeSequence" in item}

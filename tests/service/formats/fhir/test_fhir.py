"""The FHIR that is written is read back number for number, is R4, and says of itself what it is."""

import json
from dataclasses import replace

import pytest
from fhir.resources.R4B.bundle import Bundle
from hypothesis import given, settings

from models import SPECS
from models.prediction import ClassSet, Finding, Measurement, Quality
from models.spec import Code
from service.api.schemas import PredictionOut
from service.formats.fhir import render_fhir
from tests.models.terminology import PINNED
from tests.service.formats.fhir.fhir_reader import (
    LOCAL,
    answer,
    codings,
    components,
    groups,
    kind_of,
    prediction_sets,
    resources,
)
from tests.service.formats.fhir.predictions import PREDICTIONS, exclusive, identity, prediction, studied
from tests.service.formats.fhir.r4 import complaints

BMD, BREAST, CHEST, ALZHEIMER = (identity(name) for name in ("bmd", "breast", "chest", "alzheimer"))
PNEUMONIA = Code(value="233604007", scheme_designator="SCT", meaning="Pneumonia")
FINDING = Finding("pneumonia", 0.7, 0.5, positive=True, code=PNEUMONIA)
RESERVED = replace(FINDING, reservation="not shown to be told well enough")
MEASUREMENT = Measurement("femoral_neck_bmd", 0.8, "g/cm2", SPECS["bmd"].regressions[0].code)
REFUSED_CHECK = Quality("view", passed=False, detail="nothing shows that the view is AP")


def in_json(who, told):
    """What the JSON answer says of the same Prediction."""
    said = json.loads(PredictionOut.of(who, told).to_json())
    return {name: said.get(name, []) for name in ("measurements", "findings", "prediction_sets")}


def observations(bundle):
    return resources(bundle, "Observation")


@settings(deadline=None)
@given(told=PREDICTIONS)
def test_whatever_is_predicted_is_read_back_as_it_is_and_is_valid(told):
    bundle = render_fhir(BMD, told)
    assert answer(bundle) == in_json(BMD, told)
    assert list(complaints(json.loads(bundle))) == []
    Bundle.model_validate_json(bundle)
    assert render_fhir(BMD, told) == bundle


@pytest.mark.parametrize("winner", range(3))
def test_classes_that_exclude_each_other_are_one_group(winner):
    values = [0.2, 0.3, 0.1]
    values[winner] = 1 - sum(values) + values[winner]
    told = prediction(*exclusive(ALZHEIMER.spec, *values))
    bundle = render_fhir(ALZHEIMER, told)
    assert groups(bundle) == [{"members": ["cn", "mci", "ad"], "told": {"MOST-LIKELY": ["cn", "mci", "ad"][winner]}}]
    assert len(resources(bundle, "DiagnosticReport")[0]["result"]) == 1
    assert answer(bundle) == in_json(ALZHEIMER, told)


@pytest.mark.parametrize("among", [("mci",), ("cn", "mci"), ("cn", "mci", "ad")])
def test_the_classes_that_may_be_the_true_one_are_told_with_how_probable_that_is(among):
    told = replace(prediction(*exclusive(ALZHEIMER.spec, 0.3, 0.5, 0.2)), prediction_sets=(ClassSet(0.9, among),))
    bundle = render_fhir(ALZHEIMER, told)
    assert prediction_sets(bundle) == [{"level": 0.9, "findings": list(among)}]
    assert answer(bundle) == in_json(ALZHEIMER, told)
    assert list(complaints(json.loads(bundle))) == []
    Bundle.model_validate_json(bundle)


def test_a_class_that_a_threshold_chose_is_not_called_the_likeliest():
    benign, malignant = exclusive(BREAST.spec, 0.6, 0.4)
    told = prediction(replace(benign, positive=False), replace(malignant, threshold=0.2, positive=True))
    assert groups(render_fhir(BREAST, told))[0]["told"] == {"BY-THRESHOLD": "malignant"}


def test_no_class_is_told_where_none_is_positive():
    benign, malignant = exclusive(BREAST.spec, 0.6, 0.4)
    assert groups(render_fhir(BREAST, prediction(replace(benign, positive=False), malignant)))[0]["told"] == {}


def test_a_probability_is_never_called_a_diagnosis_or_a_condition():
    bundle = render_fhir(ALZHEIMER, prediction(*exclusive(ALZHEIMER.spec, 0.1, 0.2, 0.7)))
    assert {entry["resource"]["resourceType"] for entry in json.loads(bundle)["entry"]} == {"DiagnosticReport", "Device", "Observation"}
    assert all(each["code"]["coding"][0]["system"] == LOCAL for each in observations(bundle))
    members = [each for each in observations(bundle) if kind_of(each) == "CLASS-PROB"]
    assert all(each["code"]["text"].startswith("Image- and marker-based class probability: ") for each in members)
    assert all("Not a diagnosis" in each["note"][1]["text"] for each in members)


@pytest.mark.parametrize(("positive", "told"), [(True, "POS"), (False, "NEG")])
def test_the_interpretation_follows_the_verdict(positive, told):
    (observation,) = observations(render_fhir(CHEST, prediction(replace(FINDING, positive=positive))))
    assert [each["coding"][0]["code"] for each in observation["interpretation"]] == [told]


def test_a_finding_that_nobody_should_act_on_is_indeterminate_and_says_why():
    (observation,) = observations(render_fhir(CHEST, prediction(RESERVED)))
    assert observation["interpretation"][0]["coding"][0]["code"] == "IND"
    assert components(observation)["POSITIVE"] is True
    assert f"Reservation: {RESERVED.reservation}" in [note["text"] for note in observation["note"]]


def test_a_group_repeats_the_reservations_of_its_members():
    benign, malignant = exclusive(BREAST.spec, 0.6, 0.4)
    bundle = render_fhir(BREAST, prediction(replace(benign, reservation="why"), malignant))
    (group,) = [each for each in observations(bundle) if kind_of(each) == "CLASSES"]
    assert "Reservation (benign): why" in [note["text"] for note in group["note"]]


def test_what_did_not_pass_stands_on_every_result_and_in_the_conclusion():
    bundle = render_fhir(CHEST, prediction(FINDING, measurements=(MEASUREMENT,), quality=(REFUSED_CHECK,)))
    reservation = f"Reservation (view): {REFUSED_CHECK.detail}"
    assert all(reservation in [note["text"] for note in each["note"]] for each in observations(bundle))
    assert reservation in resources(bundle, "DiagnosticReport")[0]["conclusion"]


def test_what_is_not_known_is_absent_and_no_reason_is_made_up():
    bundle = render_fhir(BMD, prediction(measurements=(MEASUREMENT,)))
    invented = (b"dataAbsentReason", b"subject", b"effective", b"issued", b"performer", b"referenceRange", b"derivedFrom", b"Patient/")
    assert [name for name in invented if name in bundle] == []
    assert "component" not in observations(bundle)[0]


@pytest.mark.parametrize("name", SPECS)
def test_every_resource_of_a_synthetic_artifact_says_that_it_is_not_for_clinical_use(name):
    who = identity(name)
    bundle = json.loads(render_fhir(who, prediction(FINDING, measurements=(MEASUREMENT,))))
    for resource in (bundle, *(entry["resource"] for entry in bundle["entry"])):
        assert [tag["code"] for tag in resource["meta"]["tag"]] == ["NOT-CLINICAL"]
    for entry in bundle["entry"]:
        words = entry["resource"].get("conclusion") or entry["resource"]["note"][0]["text"]
        assert words.startswith("Not for clinical use: trained on synthetic phantoms.")


def test_a_clinical_artifact_is_not_warned_of():
    bundle = render_fhir(identity("chest", "a hospital's own films"), prediction(FINDING))
    assert b"ot for clinical use" not in bundle
    assert b"NOT-CLINICAL" not in bundle


def test_every_result_is_preliminary_and_labelled_as_asserted_by_a_machine():
    bundle = render_fhir(CHEST, prediction(FINDING, measurements=(MEASUREMENT,)))
    for resource in (*resources(bundle, "DiagnosticReport"), *observations(bundle)):
        assert resource["status"] == "preliminary"
        assert [label["code"] for label in resource["meta"]["security"]] == ["AIAST"]


def test_the_device_is_the_artifact():
    (device,) = resources(render_fhir(BMD, prediction()), "Device")
    assert (device["modelNumber"], device["version"]) == ("bmd", [{"value": "1.0.0"}])
    assert device["manufacturer"] == "Chiasm"
    assert BMD.digest in [each["value"] for each in device["identifier"]]
    assert device["type"]["coding"][0]["display"] == "Artificial Intelligence"


def test_studies_are_referred_to_by_their_uids_each_once():
    bundle = render_fhir(ALZHEIMER, studied(prediction(FINDING), "1.2.3", "1.2.3", "1.2.4"))
    expected = [f"urn:oid:{uid}" for uid in ("1.2.3", "1.2.4")]
    (report,) = resources(bundle, "DiagnosticReport")
    for references in (report["imagingStudy"], observations(bundle)[0]["derivedFrom"]):
        assert [each["identifier"]["value"] for each in references] == expected
        assert {each["identifier"]["system"] for each in references} == {"urn:dicom:uid"}
    assert any("SOP Instance UID 1.2.4.1" in note["text"] for note in observations(bundle)[0]["note"])


@pytest.mark.parametrize("uid", ["", "1.02.3", "3.4", "1.2.", "a patient's name", "1.2.3\n"])
def test_a_study_uid_that_is_none_is_left_out(uid):
    bundle = render_fhir(BMD, studied(prediction(FINDING), uid))
    assert b"imagingStudy" not in bundle
    assert b"urn:dicom:uid" not in bundle


def test_a_side_stands_beside_the_site():
    sided = replace(MEASUREMENT, finding_site=SPECS["bmd"].regressions[0].finding_site, laterality="left")
    (observation,) = observations(render_fhir(BMD, prediction(measurements=(sided,))))
    assert observation["bodySite"]["text"] == "Structure of neck of femur, left"
    assert components(observation)["272741003"]["coding"][0]["display"] == "Left"


def test_entries_are_created_once_however_often_they_are_sent():
    for entry in json.loads(render_fhir(CHEST, prediction(FINDING)))["entry"]:
        assert entry["request"] == {
            "method": "POST", "url": entry["resource"]["resourceType"], "ifNoneExist": f"identifier=urn:ietf:rfc:3986|{entry['fullUrl']}",
        }


def test_identifiers_follow_from_what_was_read_and_by_what():
    told = prediction(FINDING)
    read, (image,) = told.reading, told.reading.images
    other_image = replace(told, reading=replace(read, images=(replace(image, sha256="11" * 32),)))
    other_metadata = replace(told, reading=replace(read, metadata=read.metadata | {"sex": read.metadata["height_cm"]}))
    answers = [
        (CHEST, told), (CHEST, other_image), (CHEST, other_metadata), (CHEST, replace(told, quality=(REFUSED_CHECK,))), (BREAST, told),
        (replace(CHEST, digest="sha256:1"), told), (replace(CHEST, provider="CUDAExecutionProvider"), told),
    ]
    entries = [entry for who, each in answers for entry in json.loads(render_fhir(who, each))["entry"]]
    urls = [entry["fullUrl"] for entry in entries if entry["request"]["url"] != "Device"]
    assert len(set(urls)) == len(urls) == 2 * len(answers)


def test_timing_changes_nothing():
    told = prediction(FINDING)
    assert render_fhir(CHEST, replace(told, timing_ms={"infer": 9.0})) == render_fhir(CHEST, told)


def test_an_artifact_is_one_device_whatever_it_reads():
    devices = [render_fhir(CHEST, told) for told in (prediction(FINDING), studied(prediction(RESERVED), "1.2.3"))]
    assert resources(devices[0], "Device") == resources(devices[1], "Device")


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_an_error_and_never_an_answer(wrong):
    with pytest.raises(ValueError, match="JSON compliant"):
        render_fhir(BMD, prediction(measurements=(replace(MEASUREMENT, value=wrong),)))


@pytest.mark.parametrize("name", SPECS)
def test_every_coding_has_a_system_a_code_and_its_pinned_display(name):
    spec = SPECS[name]
    found = [Finding(each.name, 0.5, 0.5, positive=True, code=each.code) for part in spec.classifications for each in part.classes]
    found += [Finding(each.name, 0.5, 0.5, positive=True, code=each.code) for part in spec.regressions for each in part.findings]
    written = list(codings(json.loads(render_fhir(identity(name), prediction(*found)))))
    assert written
    for each in written:
        assert set(each) == {"system", "code", "display"}
        assert PINNED[each["system"], each["code"]][0] == each["display"]


def break_nothing(bundle):
    """The control."""


def repeat_an_entry(bundle):
    bundle["entry"].append(bundle["entry"][0])


def drop_a_request(bundle):
    del bundle["entry"][0]["request"]


def lose_a_device(bundle):
    del bundle["entry"][1]


def give_a_reason_for_no_value(bundle):
    bundle["entry"][-1]["resource"]["dataAbsentReason"] = {"text": "unknown"}


def call_a_component_like_its_observation(bundle):
    observation = bundle["entry"][-1]["resource"]
    observation["component"][0]["code"] = observation["code"]


def leave_a_list_empty(bundle):
    bundle["entry"][-1]["resource"]["note"] = []


def use_an_element_of_r5(bundle):
    bundle["entry"][-1]["resource"]["triggeredBy"] = [{"type": "reflex"}]


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (break_nothing, []), (repeat_an_entry, ["bdl-7"]), (drop_a_request, ["bdl-3"]), (lose_a_device, ["nothing has the fullUrl"]),
        (give_a_reason_for_no_value, ["obs-6"]), (call_a_component_like_its_observation, ["obs-7"]),
        (leave_a_list_empty, ["Bundle: .entry.resource.note is empty", "Observation: .note is empty"]),
        (use_an_element_of_r5, ["Observation.triggeredBy is not R4"]),
    ],
)
def test_what_r4_forbids_is_complained_of(broken, said):
    bundle = json.loads(render_fhir(CHEST, prediction(FINDING)))
    broken(bundle)
    found = list(complaints(bundle))
    assert len(found) == len(said)
    assert all(complaint.startswith(start) for complaint, start in zip(found, said, strict=True))

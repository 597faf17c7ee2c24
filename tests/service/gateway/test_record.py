"""Metadata from a FHIR server: what is taken, what is not and why, what counts more, and what happens when nobody answers."""

from __future__ import annotations

import io
import json
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import pydicom
import pytest

from models import SPECS
from service.gateway.config import FhirSource
from service.gateway.errors import DeliveryError
from service.gateway.headers import Whose
from service.gateway.record import Record
from tests.service.formats.dicom.reading import groups
from tests.service.formats.dicom.test_dicom import rendered
from tests.service.gateway.fhir_server import FhirServer, Json, fhir_server, outcome
from tests.service.gateway.test_worker import ROUTE, Bench, FakeService
from tests.service.studies import CANARY_ID, hip_dicom

SYSTEM = "urn:oid:1.2.3"
HEIGHT = "8302-2"  # LOINC
UCUM = "http://unitsofmeasure.org"
SCT = "http://snomed.info/sct"
UIDS = {"SOPInstanceUID": "1.2.3", "StudyInstanceUID": "1.2.4", "SeriesInstanceUID": "1.2.5"}
FIELDS = [
    {"field": "height_cm", "observation": HEIGHT},
    {"field": "weight_kg", "observation": "29463-7", "max_age_days": 30},
    {"field": "smoking_status", "observation": "72166-2", "values": {"266919005": "never", "8517006": "ex"}},
    {"field": "sex", "patient": "gender"},
    {"field": "age_at_xray_years", "patient": "birthDate"},
    {"field": "laterality", "condition": f"{SCT}|287047008", "value": "left"},
]
KNOWN = {"identifier": [{"system": SYSTEM, "value": CANARY_ID}], "gender": "female", "birthDate": "1952-06-30"}
PATIENT = {"resourceType": "Patient", "id": "p1", **KNOWN}


def observation(loinc: str, when: str = "2024-01-01", status: str = "final", **value: Any) -> Json:
    code = {"coding": [{"system": "http://loinc.org", "code": loinc}]}
    about = {"subject": {"reference": "Patient/p1"}, "effectiveDateTime": when, "status": status}
    return {"resourceType": "Observation", "id": "o", "code": code, **about, **value}


def quantity(value: Any, unit: str, **changed: Any) -> Json:
    return {"valueQuantity": {"value": value, "unit": unit, "system": UCUM, "code": unit} | changed}


def coded(code: str) -> Json:
    return {"valueCodeableConcept": {"coding": [{"system": SCT, "code": code}]}}


def learned(*resources: Json, fields: list[dict[str, Any]] = FIELDS, **changed: Any) -> tuple[dict[str, Any], str]:
    """What is taken for a hip of 2 January 2024, and what is said."""
    with fhir_server(PATIENT, *resources) as server:
        source = FhirSource(url=server.url, system=SYSTEM, fields=tuple(fields), **changed)
        found = Record(source).of(SPECS["bmd"], Whose(CANARY_ID, "A1", "1.2.4", "20240102"))
    return found.values, " ".join(found.notes)


def test_numbers_are_converted_and_answers_and_the_patient_are_mapped() -> None:
    smoking = observation("72166-2", **coded("8517006"))
    values, said = learned(observation(HEIGHT, **quantity(1.62, "m")), observation("29463-7", **quantity(134.5, "[lb_av]")), smoking)
    assert values.pop("weight_kg") == pytest.approx(61.008, abs=1e-3)
    assert values == {"height_cm": 162.0, "smoking_status": "ex", "sex": "female", "age_at_xray_years": 71.51}
    assert said == (
        "Metadata from FHIR: height_cm (2024-01-01), weight_kg (2024-01-01), smoking_status (2024-01-01), sex, age_at_xray_years. "
        "Not taken from FHIR: laterality (none)."
    )


def test_of_several_the_one_nearest_to_the_study_is_taken_that_somebody_stands_by() -> None:
    heights = [("2023-12-01", "final", 161), ("2024-01-05", "preliminary", 162), ("2024-01-20", "amended", 163)]
    heights.append(("2024-01-02", "entered-in-error", 164))
    values, _ = learned(*(observation(HEIGHT, when, status, **quantity(value, "cm")) for when, status, value in heights))
    assert values["height_cm"] == 163


@pytest.mark.parametrize(("resource", "reason"), [
    (observation(HEIGHT, **quantity(162, "cm", code="stones")), "another unit"),
    (observation(HEIGHT, **quantity(162, "cm", system="x")), "another unit"),
    (observation(HEIGHT, **quantity(60, "kg")), "another unit"),
    (observation(HEIGHT, **quantity(1620, "cm")), "outside the field's range"),
    (observation(HEIGHT, **quantity(162, "cm", comparator=">")), "only a limit"),
    (observation(HEIGHT, valueString="162"), "no number"),
    (observation(HEIGHT, **quantity("162", "cm")), "no number"),
    (observation(HEIGHT, "2020-01-01", **quantity(162, "cm")), "none near the study"),
    (observation(HEIGHT, "2024", **quantity(162, "cm")), "none"),
    (observation(HEIGHT, status="cancelled", **quantity(162, "cm")), "none"),
    (observation(HEIGHT, valueQuantity="x"), "no number"),
])  # fmt: skip
def test_what_cannot_be_taken_is_said_and_left_out(resource: Json, reason: str) -> None:
    values, said = learned(resource)
    assert "height_cm" not in values
    assert f"height_cm ({reason})" in said


@pytest.mark.parametrize(
    ("states", "side"), [(("active", "confirmed"), "left"), (("resolved", "confirmed"), None), (("active", "refuted"), None)]
)
def test_a_condition_counts_where_it_is_active_and_confirmed(states: tuple[str, str], side: str | None) -> None:
    clinical, verified = ({"coding": [{"code": state}]} for state in states)
    code = {"coding": [{"system": SCT, "code": "287047008"}]}
    condition = {"resourceType": "Condition", "id": "c", "subject": {"reference": "Patient/p1"}, "code": code}
    values, _ = learned(condition | {"clinicalStatus": clinical, "verificationStatus": verified})
    assert values.get("laterality") == side


def test_the_patient_is_found_by_the_order() -> None:
    identifier = [{"system": SYSTEM, "value": "A1"}]
    order = {"resourceType": "ServiceRequest", "id": "s", "identifier": identifier, "subject": {"reference": "Patient/p1"}}
    assert learned(order, patient_by="accession")[0]["sex"] == "female"
    assert learned(order | {"subject": {"reference": "../../admin"}}, patient_by="accession") == learned(PATIENT | {"id": "p2"})


def test_two_patients_of_one_identifier_are_nobody() -> None:
    assert learned(PATIENT | {"id": "p2"}) == ({}, "The FHIR server knows no patient, or more than one, by the identifier of the study.")


def test_a_server_that_answers_with_somebody_else_is_not_believed() -> None:
    other = PATIENT | {"identifier": [{"system": SYSTEM, "value": "another"}]}
    weights = observation("29463-7", **quantity(61, "kg")) | {"subject": {"reference": "Patient/p2"}}
    with fhir_server(PATIENT) as server:
        source = FhirSource(url=server.url, system=SYSTEM, fields=(FIELDS[1],))
        server.answer_to = {"Observation": [weights, observation(HEIGHT, **quantity(61, "kg"))]}
        assert Record(source).of(SPECS["bmd"], Whose(CANARY_ID)).values == {}
        server.answer_to = {"Patient": [other]}
        assert Record(source).of(SPECS["bmd"], Whose(CANARY_ID)).values == {}


def test_a_comma_in_an_identifier_is_no_or() -> None:
    with fhir_server(PATIENT) as server:
        Record(FhirSource(url=server.url, system=SYSTEM, fields=(FIELDS[3],))).of(SPECS["bmd"], Whose("P1,P2|x"))
        (asked,) = server.asked
    assert unquote_plus(asked).endswith(rf"identifier={SYSTEM}|P1\,P2\|x")


def test_a_study_without_a_date_is_of_today() -> None:
    with fhir_server(PATIENT) as server:
        source = FhirSource(url=server.url, system=SYSTEM, fields=(FIELDS[4],))
        assert Record(source, lambda: date(2026, 6, 30)).of(SPECS["bmd"], Whose(CANARY_ID)).values == {"age_at_xray_years": 74.0}


def test_a_server_that_says_nothing_sensible_has_not_answered() -> None:
    with fhir_server() as server:
        source = FhirSource(url=server.url, system=SYSTEM, fields=(FIELDS[0],))
        for problem in (outcome(503, "transient"), outcome(401, "login")):
            server.problem = problem
            with pytest.raises(DeliveryError):
                Record(source).of(SPECS["bmd"], Whose(CANARY_ID))


@pytest.mark.parametrize(("field", "said"), [
    ({"field": "height_cm"}, "name one of"), ({"field": "hight", "observation": HEIGHT}, "no model has a field"),
    ({"field": "sex", "condition": "a|b"}, "the value that it stands for"),
    ({"field": "sex", "observation": "x", "patient": "gender"}, "name one of"),
])  # fmt: skip
def test_a_mapping_that_says_nothing_is_a_mistake(field: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        FhirSource(url="http://x", system=SYSTEM, fields=(field,))


def bench(folder: Path, server: FhirServer, **changed: Any) -> Bench:
    fhir = {"url": server.url, "system": SYSTEM, "fields": FIELDS, "wait_s": 300}
    report, page = rendered(hip_dicom(**UIDS))
    told = {"fhir": fhir, "sidecars": folder, "routes": [ROUTE | {"metadata": {"height_cm": 150.0, "diet_quality_score": 1.0}}]} | changed
    return Bench(folder, FakeService((report, page)), **told)


def report_of(bench: Bench) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(bench.due()[0][2]))


def comments(report: pydicom.Dataset) -> list[str]:
    return [comment for group in groups(report).values() for comment in group.comments]


def test_sidecar_before_header_before_record_before_route(tmp_path: Path) -> None:
    (tmp_path / "A1.json").write_text(json.dumps({"smoking_status": "current"}))
    height, weight = observation(HEIGHT, **quantity(162, "cm")), observation("29463-7", **quantity(61, "kg"))
    with fhir_server(PATIENT, height, weight, observation("72166-2", **coded("8517006"))) as server:
        gateway = bench(tmp_path, server)
        gateway.receive(hip_dicom(**UIDS, AccessionNumber="A1", PatientWeight="75"))
        assert gateway.later()
    (asked,) = gateway.service.asked
    assert asked.metadata.pop("age_at_xray_years") == pytest.approx(71.5, abs=0.1)
    known = {"height_cm": 162.0, "diet_quality_score": 1.0, "smoking_status": "current", "sex": "female"}
    assert asked.metadata == known, "the weight is the header's"


def test_the_result_says_what_came_from_the_record_under_a_name_of_its_own(tmp_path: Path) -> None:
    with fhir_server(PATIENT) as server:
        gateway = bench(tmp_path, server)
        gateway.receive(hip_dicom(**UIDS))
        gateway.later()
    report = report_of(gateway)
    assert any(comment.startswith("Metadata from FHIR: sex") for comment in comments(report))
    assert any("Not taken from FHIR: height_cm (none)" in comment for comment in comments(report))
    assert str(report.SOPInstanceUID) != str(pydicom.dcmread(io.BytesIO(gateway.service.answers[0][0])).SOPInstanceUID)


def test_a_record_that_contradicts_the_sidecar_makes_a_result_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "A1.json").write_text(json.dumps({"sex": "male"}))
    with fhir_server(PATIENT) as server:
        gateway = bench(tmp_path, server)
        gateway.receive(hip_dicom(**UIDS, AccessionNumber="A1"))
        gateway.later()
    assert gateway.service.asked == []
    said = comments(report_of(gateway))
    assert "Not evaluated. the metadata beside the study contradict the patient's record in: sex" in said
    assert "Reason: metadata_conflict" in said


def test_a_server_that_is_down_delays_a_study_and_no_longer_than_is_said(tmp_path: Path) -> None:
    with fhir_server(PATIENT) as server:
        gateway = bench(tmp_path, server, retry={"first_s": 1, "longest_s": 2, "attempts": 2})
        server.problem = outcome(503, "transient")
        gateway.receive(hip_dicom(**UIDS))
        for _ in range(4):
            assert gateway.later(61)
            assert gateway.service.asked == []
        assert gateway.ledger.counts() == {("jobs", "collecting"): 1}, "waiting is no failure"
        gateway.later(61)
        assert [each.metadata for each in gateway.service.asked] == [{"height_cm": 150.0, "diet_quality_score": 1.0}]
    assert "The FHIR server did not answer: nothing of the patient's record was used." in comments(report_of(gateway))


def test_a_server_that_comes_back_is_asked(tmp_path: Path) -> None:
    with fhir_server(PATIENT) as server:
        gateway = bench(tmp_path, server)
        server.problem = outcome(503, "transient")
        gateway.receive(hip_dicom(**UIDS))
        gateway.later()
        server.problem = None
        gateway.later(61)
        assert gateway.service.asked[0].metadata["sex"] == "female"

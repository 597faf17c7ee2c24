"""Every example of the repository as FHIR, from the service as a new user would start it: what JSON says, valid, and the same twice."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from fhir.resources.R4B.bundle import Bundle

from models import SPECS
from tests.contract.conftest import ROOT
from tests.contract.test_examples import parts
from tests.models.terminology import objections
from tests.service.formats.fhir.fhir_reader import answer, codings, groups, kind_of, resources
from tests.service.formats.fhir.r4 import complaints

FHIR = {"Accept": "application/fhir+json"}


def example(model: str, pictures: str) -> dict[str, Any]:
    folder = ROOT / "examples" / model
    return {"files": parts(folder, pictures), "data": {"metadata": (folder / "metadata.json").read_text()}}


@pytest.mark.slow
@pytest.mark.parametrize("pictures", [".dcm", ".png"])
@pytest.mark.parametrize("model", SPECS)
def test_fhir_says_number_for_number_what_json_says(running: str, model: str, pictures: str) -> None:
    form = example(model, pictures)
    said = httpx.post(f"{running}/predict/{model}", timeout=60, **form).json()
    written, again = (httpx.post(f"{running}/predict/{model}", headers=FHIR, timeout=60, **form) for _ in range(2))
    assert written.status_code == 200, written.text
    assert written.headers["content-type"] == "application/fhir+json"
    assert written.content == again.content
    assert answer(written.content) == {name: said.get(name, []) for name in ("measurements", "findings", "prediction_sets")}
    bundle = json.loads(written.content)
    assert list(complaints(bundle)) == []
    Bundle.model_validate_json(written.content)
    assert [found for each in codings(bundle) if (found := objections(each["system"], each["code"], each["display"]))] == []
    (device,) = resources(written.content, "Device")
    assert said["model"]["digest"] in [each["value"] for each in device["identifier"]]


@pytest.mark.slow
@pytest.mark.parametrize("model", ["bmd", "breast", "chest"])
def test_a_result_refers_to_its_study_where_a_header_names_one(running: str, model: str) -> None:
    for pictures, studies in ((".dcm", 1), (".png", 0)):
        written = httpx.post(f"{running}/predict/{model}", headers=FHIR, timeout=60, **example(model, pictures)).content
        (report,) = resources(written, "DiagnosticReport")
        assert len(report.get("imagingStudy", [])) == studies
        assert all(each.get("derivedFrom") == report.get("imagingStudy") for each in resources(written, "Observation"))


@pytest.mark.slow
def test_the_three_classes_of_cognition_are_one_result(running: str) -> None:
    written = httpx.post(f"{running}/predict/alzheimer", headers=FHIR, timeout=60, **example("alzheimer", ".dcm")).content
    (group,) = groups(written)
    (positive,) = [each["name"] for each in answer(written)["findings"] if each["positive"]]
    assert group == {"members": ["cn", "mci", "ad"], "told": {"MOST-LIKELY": positive}}
    assert {kind_of(each) for each in resources(written, "Observation")} == {"CLASS-PROB", "CLASSES"}


@pytest.mark.slow
def test_a_refusal_stays_a_problem(running: str) -> None:
    refused = httpx.post(f"{running}/predict/bmd", headers=FHIR, files={"image": b"nothing"}, timeout=60)
    assert refused.status_code >= 400
    assert refused.headers["content-type"] == "application/problem+json"

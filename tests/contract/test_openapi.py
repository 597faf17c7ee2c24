"""The public interface changes only on purpose."""

from __future__ import annotations

import json
from typing import Any

import pytest

from service.api.renderings import RENDERINGS
from tests.contract.openapi import SNAPSHOT, current


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return json.loads(current())


def test_the_interface_is_the_one_that_was_agreed() -> None:
    assert current() == SNAPSHOT.read_text(), "meant? python -m tests.contract.openapi"


def test_every_path_of_the_contract_is_documented(document: dict[str, Any]) -> None:
    models = {"/models", "/models/{model}", "/models/{model}/metadata-schema"}
    assert document["paths"].keys() >= {"/predict/{model}", "/health/live", "/health/ready"} | models


def test_predict_documents_its_four_request_forms_and_its_renderings(document: dict[str, Any]) -> None:
    predict = document["paths"]["/predict/{model}"]["post"]
    assert predict["requestBody"]["content"].keys() >= {"multipart/form-data", "multipart/related", "application/dicom", "application/json"}
    assert predict["responses"]["200"]["content"].keys() == set(RENDERINGS)


def test_every_refusal_is_documented_as_a_problem(document: dict[str, Any]) -> None:
    responses = document["paths"]["/predict/{model}"]["post"]["responses"]
    refusals = {status: response for status, response in responses.items() if status >= "400"}
    assert refusals.keys() >= {"400", "404", "413", "415", "422", "500", "503"}
    assert all("application/problem+json" in response["content"] for response in refusals.values())

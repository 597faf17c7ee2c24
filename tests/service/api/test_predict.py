"""POST /predict/{model}: four forms of one study, one answer."""

import asyncio
import base64
import io
import json

import httpx
import pytest
from PIL import Image

from models import SPECS
from tests.service.studies import METADATA, hip_dicom, hip_png

pytestmark = pytest.mark.asyncio(loop_scope="session")
BMD = SPECS["bmd"]
SR, SC, MAP = (f"1.2.840.10008.5.1.4.1.1.{number}".encode() for number in ("88.34", "7", "30"))


def form(image: bytes, metadata: dict = METADATA) -> dict:
    return {"files": [("image", ("x", image))], "data": {"metadata": json.dumps(metadata)}}


def related(*parts: tuple[str, bytes], kind: str = 'type="application/dicom"; boundary="b b"') -> dict:
    body = b"".join(b"--b b\r\nContent-Type: " + name.encode() + b"\r\n\r\n" + data + b"\r\n" for name, data in parts)
    return {"content": body + b"--b b--\r\n", "headers": {"Content-Type": f"multipart/related; {kind}"}}


def as_json(image: bytes, content_type: str = "application/dicom", metadata: dict = METADATA) -> dict:
    return {"json": {"images": {"image": [{"content_type": content_type, "data": base64.b64encode(image).decode()}]}, "metadata": metadata}}


def raw(image: bytes) -> dict:
    return {"content": image, "headers": {"Content-Type": "application/dicom"}}


async def predict(client: httpx.AsyncClient, request: dict, **query: str) -> httpx.Response:
    return await client.post("/predict/bmd", params=query, **request)


async def test_four_forms_of_one_study_give_the_same_numbers_bit_for_bit(client):
    image = hip_dicom()
    metadata = json.dumps(METADATA).encode()
    requests = [form(image), related(("application/dicom", image), ("application/json", metadata)), as_json(image), form(image)]
    answers = [await predict(client, request) for request in requests]
    assert [answer.status_code for answer in answers] == [200] * 4, answers[1].text
    said = [{name: answer.json()[name] for name in ("measurements", "findings", "attention", "inputs", "quality")} for answer in answers]
    assert said == [said[0]] * 4


async def test_a_large_json_study_is_read_like_a_small_one(client):
    image = hip_png(640)
    answers = [await predict(client, request) for request in (form(image), as_json(image, "image/png"))]
    assert len(image) > 256 << 10
    assert answers[0].json()["measurements"] == answers[1].json()["measurements"]


async def test_a_bare_instance_takes_its_metadata_from_the_header(client):
    answer = await predict(client, raw(hip_dicom()))
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    fields = answer.json()["inputs"]["metadata"]
    assert fields["sex"] == {"value": "female", "source": "dicom"}
    assert fields["age_at_xray_years"] == {"value": 71.0, "source": "dicom"}
    assert fields["smoking_status"] == {"source": "missing"}


async def test_related_parameters_may_be_unquoted(client):
    image = hip_dicom()
    body = b"--bb\r\nContent-Type: application/dicom\r\n\r\n" + image + b"\r\n--bb--"
    kind = {"Content-Type": "multipart/related; type=application/dicom; boundary=bb"}
    assert (await predict(client, {"content": body, "headers": kind})).status_code == 200


async def test_repeats_among_other_studies_are_bit_identical(client):
    mine, others = form(hip_dicom()), form(hip_png(), METADATA | {"weight_kg": 90.0})
    measured = []
    for _ in range(10):  # a hundred repeats in all, twenty requests at once
        answers = await asyncio.gather(*(predict(client, mine if turn % 2 else others) for turn in range(20)))
        measured += [json.dumps(answer.json()["measurements"]) for answer in answers]
    assert len(set(measured[1::2])) == len(set(measured[::2])) == 1
    assert measured[0] != measured[1]


async def test_the_answer_is_what_the_contract_says(client):
    answer = (await predict(client, form(hip_dicom()))).json()
    assert list(answer) == ["id", "model", "measurements", "findings", "attention", "explanations", "inputs", "quality", "timing_ms"]
    assert [measurement["name"] for measurement in answer["measurements"]] == ["femoral_neck_bmd", "t_score"]
    assert [finding["name"] for finding in answer["findings"]] == ["low_bone_mass", "osteoporosis"]
    model = answer["model"]
    assert (model["name"], model["version"], model["training_data"]) == ("bmd", BMD.version, "synthetic phantoms")
    assert model["spec_digest"] == BMD.digest()
    assert model["execution_provider"] == "CPUExecutionProvider"
    assert sum(field["weight"] for field in answer["attention"]["metadata"]) == pytest.approx(1, abs=1e-6)
    assert {field["field"] for field in answer["attention"]["metadata"]} == {
        name for name, field in answer["inputs"]["metadata"].items() if field["source"] != "missing" and name != "laterality"
    }
    attention = answer["attention"]["images"][0]
    assert len(attention["values"]) == attention["rows"] == 7
    assert attention["geometry"]["side"] == 256
    assert list(answer["timing_ms"]) == ["decode", "preprocess", "queue", "infer", "postprocess"]
    assert {"check": "training_data", "passed": False, "detail": "trained on synthetic phantoms: not for clinical use"} in answer["quality"]


async def test_what_is_absent_is_absent_and_never_null(client):
    answer = await predict(client, form(hip_png()))
    assert "null" not in answer.text
    assert "NaN" not in answer.text
    assert not {"sop_instance_uid", "transfer_syntax"} & set(answer.json()["inputs"]["images"][0])


async def test_images_that_were_not_read_are_named_with_the_reason(client):
    hip, chest = hip_dicom(StudyInstanceUID="1.2.3"), hip_dicom(StudyInstanceUID="1.2.3", BodyPartExamined="CHEST")
    answer = await predict(client, {"files": [("image", ("a", chest)), ("image", ("b", hip))]})
    assert answer.status_code == 200, answer.text
    inputs = answer.json()["inputs"]
    assert (len(inputs["images"]), len(inputs["unused_images"])) == (1, 1)
    assert inputs["unused_images"][0]["rejected_because"]


async def test_the_stages_stand_in_server_timing(client):
    answer = await predict(client, form(hip_png()))
    stages = [stage.split(";")[0] for stage in answer.headers["server-timing"].split(", ")]
    assert stages == ["receive", "decode", "preprocess", "queue", "infer", "postprocess", "render"]


async def test_a_picture_is_given_to_who_asks_for_one(client):
    request = form(hip_dicom())
    answer = await client.post("/predict/bmd", **request, headers={"Accept": "image/png"})
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["cache-control"] == "no-store"
    assert Image.open(io.BytesIO(answer.content)).width > 1000


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "application/json"), ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"), ("image/*", "image/png"),
        ("application/json, image/png", "application/json"), ("application/json;q=0.1, image/png", "image/png"),
        ("image/png;q=0, */*", "application/json"),
    ],
)
async def test_accept_chooses_the_rendering(client, accept, kind):
    answer = await client.post("/predict/bmd", **form(hip_png()), headers={"Accept": accept})
    assert answer.headers["content-type"] == kind


@pytest.mark.parametrize("accept", ["text/csv", "application/json;q=0", "application/json;q=x", "nonsense"])
async def test_a_rendering_that_does_not_exist_is_406(client, accept):
    answer = await client.post("/predict/bmd", **form(hip_png()), headers={"Accept": accept})
    assert (answer.status_code, answer.json()["code"]) == (406, "not_acceptable")


async def test_the_request_id_is_returned_or_replaced(client):
    kept_or_not = {"abc-123": True, "x" * 128: True, "x" * 129: False, "with space": True, "a\tb": False, "caf\u00e9": False, "": False}
    for given, kept in kept_or_not.items():
        answer = await client.get("/health/live", headers={"X-Request-Id": given.encode("latin-1")})
        assert (answer.headers["x-request-id"] == given) is kept
        assert len(answer.headers["x-request-id"]) >= 7


@pytest.mark.parametrize("query", [{"explain": "occlusion"}, {"threshold": "0.3"}, {"explain": "a,b"}])
async def test_an_explanation_or_parameter_that_the_model_does_not_have_is_422(client, query):
    answer = await predict(client, form(hip_png()), **query)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameter")


async def test_the_dicom_objects_are_those_that_were_asked_for_in_one_order(client):
    accept = {"Accept": 'multipart/related; type="application/dicom"'}
    asked = {"": 2, "report,page": 2, "map": 1, "map,report": 2, "map,page,report": 3}
    for objects, count in asked.items():
        answer = await client.post("/predict/bmd", params={"objects": objects} if objects else {}, headers=accept, **form(hip_dicom()))
        assert (answer.status_code, answer.content.count(b"Content-Type: application/dicom")) == (200, count)
    assert answer.content.index(SR) < answer.content.index(SC) < answer.content.index(MAP)


@pytest.mark.parametrize(
    ("objects", "accept"), [("map", "application/json"), ("map", "application/dicom"), ("picture", "multipart/related"), ("map,", "*/*")]
)
async def test_objects_that_the_answer_cannot_hold_are_422(client, objects, accept):
    answer = await client.post("/predict/bmd", params={"objects": objects}, headers={"Accept": accept}, **form(hip_dicom()))
    assert (answer.status_code, answer.json()["code"], answer.json()["errors"][0]["pointer"]) == (422, "invalid_parameter", "/objects")
    assert "multipart/related" in answer.json()["hint"]


async def test_an_empty_explain_is_no_explanation(client):
    assert (await predict(client, form(hip_png()), explain="")).json()["explanations"] == {}

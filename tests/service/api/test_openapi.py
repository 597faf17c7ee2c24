import base64
import json
import re

import pytest

from service.api.openapi import MAX_EXAMPLE_BYTES, json_examples

session = pytest.mark.asyncio(loop_scope="session")


@session
async def test_every_error_is_documented_as_a_problem(client):
    document = (await client.get("/openapi.json")).json()
    responses = document["paths"]["/predict/{model}"]["post"]["responses"]
    assert set(responses) == {"200", "400", "404", "406", "408", "413", "415", "422", "500", "503"}
    for status, answer in responses.items():
        if status != "200":
            assert list(answer["content"]) == ["application/problem+json"]
            assert answer["content"]["application/problem+json"]["schema"] == {"$ref": "#/components/schemas/Problem"}
    assert "HTTPValidationError" not in json.dumps(document)
    assert "Retry-After" in responses["503"]["headers"]


@session
async def test_the_four_forms_are_documented(client):
    operation = (await client.get("/openapi.json")).json()["paths"]["/predict/{model}"]["post"]
    forms = {"application/json", "multipart/form-data", "multipart/related", "application/dicom"}
    assert set(operation["requestBody"]["content"]) == forms
    assert {"model", "explain", "objects", "X-Request-Id"} <= {parameter["name"] for parameter in operation["parameters"]}


@session
async def test_every_reference_in_the_document_leads_somewhere(client):
    text = (await client.get("/openapi.json")).text
    schemas = json.loads(text)["components"]["schemas"]
    assert set(re.findall(r"#/components/schemas/(\w+)", text)) <= set(schemas)


@session
async def test_the_documentation_needs_nothing_from_elsewhere(client):
    page = (await client.get("/docs")).text
    assert "https://" not in page
    for path in re.findall(r'(?:src|href)="(/[^"]+)"', page):
        assert (await client.get(path)).status_code == 200, path


@session
async def test_the_documented_examples_run(client):
    examples = (await client.get("/openapi.json")).json()["paths"]["/predict/{model}"]["post"]["requestBody"]["content"]["application/json"]
    assert examples["examples"]
    for model, example in examples["examples"].items():
        answer = await client.post(f"/predict/{model}", json=example["value"])
        assert answer.status_code == 200, answer.text


def test_examples_in_the_json_form_come_from_the_examples_folder(tmp_path):
    folder = tmp_path / "bmd"
    folder.mkdir()
    (folder / "metadata.json").write_text('{"sex": "female"}')
    (folder / "image.png").write_bytes(b"png")
    (folder / "image.dcm").write_bytes(b"dicom")
    value = json_examples(tmp_path, {"bmd"})["bmd"]["value"]
    assert value["metadata"] == {"sex": "female"}
    (file,) = value["images"]["image"]
    assert (file["content_type"], base64.b64decode(file["data"])) == ("application/dicom", b"dicom")
    assert json_examples(tmp_path, {"chest"}) == {}
    (folder / "image.dcm").write_bytes(bytes(MAX_EXAMPLE_BYTES + 1))
    assert json_examples(tmp_path, {"bmd"})["bmd"]["value"]["images"]["image"][0]["content_type"] == "image/png"
    (folder / "image.png").unlink()
    assert json_examples(tmp_path, {"bmd"}) == {}
    assert json_examples(tmp_path / "absent", {"bmd"}) == {}


def test_examples_of_volumes_and_genotypes_stand_under_their_names(tmp_path):
    folder = tmp_path / "alzheimer"
    folder.mkdir()
    (folder / "metadata.json").write_text("{}")
    for name in ("mri.nii.gz", "pet.nii.gz", "genotypes.vcf.gz"):
        (folder / name).write_bytes(name.encode())
    images = json_examples(tmp_path, {"alzheimer"})["alzheimer"]["value"]["images"]
    kinds = {name: file["content_type"] for name, (file,) in images.items()}
    assert kinds == dict.fromkeys(("mri", "pet", "genotypes"), "application/gzip")
    assert base64.b64decode(images["pet"][0]["data"]) == b"pet.nii.gz"

"""What a bad request gets: a status, a code and a hint, and the next good one is answered. Hostile files: test_hostile.py."""

import base64
import json

import httpx
import pytest
import pytest_asyncio

from tests.service.studies import CANARY, CANARY_ID, METADATA, hip_dicom, hip_png

pytestmark = pytest.mark.asyncio(loop_scope="session")
DICOM = {"Content-Type": "application/dicom"}
JSON = {"Content-Type": "application/json"}


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def the_next_good_request_is_answered(client):
    yield
    answer = await client.post("/predict/bmd", files={"image": hip_png()}, data={"metadata": json.dumps(METADATA)})
    assert answer.status_code == 200, answer.text


async def refused(client: httpx.AsyncClient, status: int, code: str, **request) -> dict:
    answer = await client.post("/predict/bmd", **request)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert problem.keys() == {"type", "title", "status", "detail", "code", "hint", "errors", "request_id"}
    assert problem["hint"]
    assert problem["status"] == status
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert not any(secret in answer.text for secret in (CANARY, CANARY_ID, "Traceback", ".py"))
    return problem


def metadata(text: str) -> dict:
    return {"files": {"image": hip_png()}, "data": {"metadata": text}}


def fields(**changed: object) -> dict:
    return metadata(json.dumps(METADATA | changed))


async def test_no_file(client):
    await refused(client, 422, "missing_image", files={"metadata": (None, json.dumps(METADATA))})


async def test_an_empty_file(client):
    await refused(client, 422, "missing_image", files={"image": b""}, data={"metadata": json.dumps(METADATA)})
    await refused(client, 422, "missing_image", content=b"", headers=DICOM)


async def test_a_text_file(client):
    text = b"The quick brown fox. " * 50
    await refused(client, 415, "unsupported_format", files={"image": text}, data={"metadata": json.dumps(METADATA)})


async def test_a_truncated_dicom(client):
    await refused(client, 422, "unreadable_image", content=hip_dicom()[:-5000], headers=DICOM)
    await refused(client, 422, "unreadable_image", content=hip_dicom()[:500], headers=DICOM)


@pytest.mark.parametrize("changed", [{"Modality": "CT", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"}, {"BodyPartExamined": "CHEST"}])
async def test_a_ct_or_a_chest_sent_as_a_hip(client, changed):
    await refused(client, 422, "unsuitable_image", content=hip_dicom(**changed), headers=DICOM)


async def test_an_8_mb_json(client):
    await refused(client, 413, "request_too_large", **metadata("[" + "1," * (1 << 20) + "1]"))
    await refused(client, 413, "request_too_large", content=b" " * (8 << 20), headers=JSON)


@pytest.mark.parametrize(
    "text",
    [
        '{"weight_kg": NaN}', '{"weight_kg": Infinity}', '{"weight_kg": 1e999}', '{"sex": "female", "sex": "male"}', '{"sex": "female"} x',
        '{"sex": "\\ud800"}', "[" * 4000, "[]", "null", "", "\ufeff{}",
        '{"a": ' * 30 + "1" + "}" * 30, '{"weight_kg": 1' + "0" * 3000 + "}",
    ],
)
async def test_metadata_that_is_not_one_strict_json_object(client, text):
    await refused(client, 400, "malformed_request", **metadata(text))


async def test_metadata_that_is_not_utf_8(client):
    await refused(client, 400, "malformed_request", files={"image": hip_png(), "metadata": (None, b'{"sex": "\xff"}')})


async def test_nan_in_the_json_form(client):
    body = b'{"images": {"image": []}, "metadata": {"weight_kg": NaN}}'
    await refused(client, 400, "malformed_request", content=body, headers=JSON)


@pytest.mark.parametrize(
    "changed", [{"shoe_size": 42}, {"weight_kg": 900}, {"weight_kg": "61"}, {"weight_kg": True}, {"sex": "f"}, {"sex": 1}]
)
async def test_unknown_mistyped_and_out_of_range_fields(client, changed):
    problem = await refused(client, 422, "invalid_metadata", **fields(**changed))
    assert [error["pointer"] for error in problem["errors"]] == [f"/metadata/{name}" for name in changed]


async def test_a_hundred_wrong_fields_are_told_in_20_entries(client):
    problem = await refused(client, 422, "invalid_metadata", **fields(**{f"field_{number}": 1 for number in range(100)}))
    assert len(problem["errors"]) == 20
    assert problem["errors"][-1] == {"pointer": "", "detail": "and 81 more"}


async def test_sex_that_contradicts_the_header(client):
    problem = await refused(
        client, 422, "metadata_conflict", files={"image": hip_dicom()}, data={"metadata": json.dumps(METADATA | {"sex": "male"})}
    )
    assert problem["errors"][0]["pointer"] == "/metadata/sex"


async def test_larger_than_the_limit_with_and_without_content_length(client):
    async def body():
        for _ in range(80):
            yield b"x" * 65536

    await refused(client, 413, "request_too_large", content=b"x" * (5 << 20), headers=DICOM)
    await refused(client, 413, "request_too_large", content=body(), headers=DICOM)
    await refused(client, 413, "request_too_large", content=b"x", headers=DICOM | {"Content-Length": "9" * 5000})


@pytest.mark.parametrize("length", ["-1", "1e3", "+5", "\u0665", "5 5", ""])
async def test_an_odd_content_length(client, length):
    headers = [(b"Content-Type", b"application/dicom"), (b"Content-Length", length.encode())]
    await refused(client, 400, "malformed_request", content=b"hello", headers=headers)


async def test_a_length_that_is_stated_twice(client):
    headers = [("Content-Type", "application/dicom"), ("Content-Length", "5"), ("Content-Length", "6")]
    await refused(client, 400, "malformed_request", content=b"hello", headers=headers)


async def test_a_compressed_body(client):
    await refused(client, 415, "unsupported_media_type", content=b"x", headers=DICOM | {"Content-Encoding": "gzip"})


@pytest.mark.parametrize(
    "kind", [None, "", "text/plain", "application/zip", "multipart/mixed; boundary=b", "a" * 5000, "multipart/form-data" + ";" * 5000]
)
async def test_another_media_type(client, kind):
    answer = await client.post("/predict/bmd", content=b"x", headers={"Content-Type": kind} if kind is not None else {})
    assert answer.status_code in {400, 415}, answer.text


@pytest.mark.parametrize(
    "body",
    [
        b"", b"junk" * 1000, b"--b\r\n", b'--b\r\nContent-Disposition: form-data; name="image"\r\n\r\nabc',
        b'--b\r\nContent-Disposition: form-data; name="image"\r\n\r\nabc\r\n--b', b"--b\r\n" + b"X: y\r\n" * 10000 + b"\r\n\r\n--b--",
        b"--b\r\nX: " + b"y" * 100_000 + b"\r\n\r\n\r\n--b--", b"--b\r\nno colon\r\n\r\n\r\n--b--",
    ],
)
async def test_a_broken_multipart_body(client, body):
    await refused(client, 400, "malformed_request", content=body, headers={"Content-Type": "multipart/form-data; boundary=b"})


@pytest.mark.parametrize("boundary", ["", "; boundary=", "; boundary=" + "b" * 10_000])
async def test_an_unusable_boundary(client, boundary):
    await refused(client, 400, "malformed_request", content=b"--b--", headers={"Content-Type": "multipart/form-data" + boundary})


async def test_more_files_than_a_study_may_have(client):
    await refused(client, 413, "request_too_large", files=[("image", b"x")] * 200)
    await refused(client, 413, "request_too_large", files=[("image", b"x")] * 9)
    file = {"data": base64.b64encode(b"x").decode()}
    await refused(client, 413, "request_too_large", json={"images": {"image": [file] * 9}})


async def test_files_under_a_name_that_no_input_has(client):
    problem = await refused(client, 422, "invalid_parameter", files={CANARY: hip_png()}, data={"metadata": json.dumps(METADATA)})
    assert "Name the files image" in problem["hint"]
    await refused(client, 422, "invalid_parameter", json={"images": {"mri": []}})


async def test_metadata_twice(client):
    await refused(client, 400, "malformed_request", files=[("image", hip_png()), ("metadata", (None, b"{}")), ("metadata", (None, b"{}"))])


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"{}", b'{"images": 1}', b'{"images": {"image": [{"data": "!!"}]}}', b'{"images": {"image": [{"data": "aGk"}]}}',
        b'{"images": {}, "extra": 1}', b'{"images": {}, "metadata": [1]}', b"[" * 100_000, b"\xff",
        b'{"images": {}, "metadata": {"a": 1, "a": 2}}', b'{"images": {"image": []}, "images": {"image": []}}',
        b'{"images": {"image": [], "im\\u0061ge": []}}', b'{"images": {"image": []}, "metadata": {}, "metadata": {}}',
        b'{"images": {"image": [{"data": "aGk=", "data": "aGk="}]}}', b'{"images": {"image": [1]}}', b'{"images": {"image": {"data": ""}}}',
    ],
)
async def test_json_that_is_not_a_study(client, body):
    await refused(client, 400, "malformed_request", content=body, headers=JSON)


async def test_bytes_that_are_plainly_not_what_they_are_declared_to_be(client):
    await refused(client, 415, "unsupported_media_type", content=hip_png(), headers=DICOM)
    file = {"content_type": "image/png", "data": base64.b64encode(hip_dicom()).decode()}
    await refused(client, 415, "unsupported_media_type", json={"images": {"image": [file]}})


async def test_related_with_parts_or_a_type_of_another_kind(client):
    for kind, part in (("application/dicom", b"text/plain"), ("image/jpeg", b"application/dicom")):
        body = b"--b\r\nContent-Type: " + part + b"\r\n\r\nabc\r\n--b--"
        headers = {"Content-Type": f'multipart/related; type="{kind}"; boundary=b'}
        await refused(client, 415, "unsupported_media_type", content=body, headers=headers)


async def test_related_with_two_metadata_parts(client):
    body = b"--b\r\nContent-Type: application/json\r\n\r\n{}\r\n" * 2 + b"--b--"
    await refused(client, 400, "malformed_request", content=body, headers={"Content-Type": "multipart/related; boundary=b"})


async def test_file_names_are_ignored_whatever_they_say(client):
    for name in ("../../etc/passwd", "a\0b.dcm", "C:\\x", "\u202egnp.exe", "n" * 4000):
        answer = await client.post("/predict/bmd", files={"image": (name, hip_png())}, data={"metadata": json.dumps(METADATA)})
        assert answer.status_code == 200
        assert name not in answer.text


async def test_unknown_models_paths_and_methods_are_problems_too(client):
    for method, path, status, code in (
        ("POST", "/predict/lung", 404, "unknown_model"), ("GET", "/models/lung", 404, "unknown_model"),
        ("GET", "/nothing", 404, "not_found"), ("GET", "/predict/bmd", 405, "method_not_allowed"),
        ("POST", "/predict/bmd/", 404, "not_found"), ("GET", "//models", 404, "not_found"),
    ):
        answer = await client.request(method, path)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.headers["content-type"] == "application/problem+json"

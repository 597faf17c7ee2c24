"""Receiving by STOW-RS: what is listed as stored is durable, what is not is said, and it is the same intake as C-STORE's."""

from __future__ import annotations

import json
import socket
import threading
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydicom import dcmread

from service.gateway.config import Caller
from tests.service.gateway.door import DX, EXPLICIT, HERE, FullSpool, association, encoded, store, wait_until
from tests.service.gateway.peers import orthanc
from tests.service.gateway.web_door import DICOM, RELATED, WebDoor, answered, related
from tests.service.studies import CANARY, hip_dicom

STORED, FAILED, OTHER = "00081199", "00081198", "0008119A"
SMALL = {"Rows": 8, "Columns": 8, "PixelData": bytes(range(128))}
NO_ROOM, MISMATCH, UNREADABLE = 0xA700, 0xA900, 0xC000


def small(**changed: Any) -> bytes:
    return hip_dicom(**SMALL | changed)


def names(data: bytes) -> tuple[str, str]:
    header = dcmread(BytesIO(data))
    return str(header.StudyInstanceUID), str(header.SOPInstanceUID)


def test_every_instance_is_listed_as_stored_when_it_is(tmp_path: Path) -> None:
    sent = [small(StudyInstanceUID="1.2.3", SOPInstanceUID=f"1.2.3.{number}") for number in range(3)]
    with WebDoor(tmp_path, ae_titles=("CHIASM",)) as door:
        response = door.post(related(*sent))
        received = door.received("1.2.3")
        kept = [door.stored(each) for each in received]
        assert door.stow.tally().requests == {200: 1}
        assert door.stow.tally().instances == {0: 3}
    assert (response.status_code, response.headers["content-type"]) == (200, "application/dicom+json")
    assert answered(response, STORED) == [(f"1.2.3.{number}", None) for number in range(3)]
    assert [each.SOPInstanceUID for each in kept] == [f"1.2.3.{number}" for number in range(3)]
    assert [each == dcmread(BytesIO(data)) for each, data in zip(kept, sent, strict=True)] == [True] * 3
    assert {(each.called, each.calling) for each in received} == {("CHIASM", "STOW-RS")}


def test_the_received_preamble_is_not_kept(tmp_path: Path) -> None:
    data = small(StudyInstanceUID="1.2.3")
    with WebDoor(tmp_path) as door:
        assert door.post(related(b"MZ" + data[2:])).status_code == 200
        (instance,) = door.received("1.2.3")
        assert door.spool.read(instance.file)[:128] == bytes(128)


def test_the_same_study_by_both_doors_is_one_job_and_one_instance(tmp_path: Path) -> None:
    data = small()
    study, uid = names(data)
    dataset = dcmread(BytesIO(data))
    with WebDoor(tmp_path) as door, association(door) as sender:
        assert store(sender, encoded(dataset, EXPLICIT), uid) == 0
        assert door.post(related(data)).status_code == 200
        assert len(door.received(study)) == 1
        assert len(door.files()) == 1
        assert door.ledger.counts() == {("jobs", "collecting"): 1}
        assert door.ledger.take_job(5000.0, 60).revision == 1, "the second one brought nothing new"


@pytest.mark.parametrize("content_type", [
    'multipart/related; type="application/dicom"; boundary="b"', "multipart/related; type=application/dicom; boundary=b",
    "Multipart/Related;boundary=b;type=application/dicom;start=x",
])  # fmt: skip
@pytest.mark.parametrize("header", [DICOM, b"", b"content-type: application/dicom; transfer-syntax=1.2.840.10008.1.2.1\r\nX: <1>\r\n"])
def test_parameters_may_be_quoted_or_not(content_type: str, header: bytes, tmp_path: Path) -> None:
    with WebDoor(tmp_path) as door:
        assert door.post(related(small(), header=header), Content_Type=content_type).status_code == 200


def test_a_body_may_come_in_chunks_of_any_size(tmp_path: Path) -> None:
    body = related(small(StudyInstanceUID="1.2.3"), small(StudyInstanceUID="1.2.3"), boundary=b"'()+_,-./:=? b")

    def pieces(size: int) -> Any:
        for start in range(0, len(body), size):
            yield body[start : start + size]

    with WebDoor(tmp_path) as door:
        for size in (7, 1000, 1 << 20):
            response = door.post(pieces(size), Content_Type=f'{RELATED[:-1]}"\'()+_,-./:=? b"')
            assert response.status_code == 200, response.text
        assert len(door.received("1.2.3")) == 2


def test_what_cannot_be_stored_is_said_of_each(tmp_path: Path) -> None:
    good, renamed = small(StudyInstanceUID="1.2.3", SOPInstanceUID="1.2.3.1"), small(SOPInstanceUID="1.2.3.2")
    renamed = renamed[:300] + renamed[300:].replace(b"1.2.3.2", b"1.2.3.9")
    foreign = small(SOPClassUID="1.3.12.2.1107.5.9.1", SOPInstanceUID="1.2.3.3")
    with WebDoor(tmp_path) as door:
        response = door.post(related(good, renamed, foreign, b"no DICOM " + CANARY.encode()))
        assert len(door.files()) == 1
    assert response.status_code == 202
    assert answered(response, STORED) == [("1.2.3.1", None)]
    assert answered(response, FAILED) == [("1.2.3.2", MISMATCH), ("1.2.3.3", 0x0122)]
    assert answered(response, OTHER) == [(None, UNREADABLE)]
    assert CANARY not in response.text


def test_a_study_takes_only_its_own_instances(tmp_path: Path) -> None:
    mine, other = small(StudyInstanceUID="1.2.3"), small(StudyInstanceUID="1.2.4")
    with WebDoor(tmp_path) as door:
        assert door.post(related(mine), "/dicom-web/studies/1.2.3").status_code == 200
        response = door.post(related(other), "/dicom-web/studies/1.2.3")
        assert (response.status_code, answered(response, FAILED)) == (409, [(names(other)[1], MISMATCH)])
        assert door.received("1.2.4") == []


@pytest.mark.parametrize(("status", "body", "headers"), [
    (400, b"no multipart at all", {}), (400, related(b"x")[:-8], {}), (400, b"--b--\r\n", {}),
    (400, related(b"x"), {"Content_Type": RELATED[:-1]}), (415, b"{}", {"Content_Type": "application/json"}),
    (415, related(b"x", header=b"Content-Type: image/png\r\n"), {}), (415, related(b"x"), {"Content_Encoding": "gzip"}),
    (415, b"", {"Content_Type": 'multipart/related; type="application/dicom+xml"; boundary=b'}),
    (406, related(b"x"), {"Accept": "application/dicom+xml"}), (409, related(b"x"), {}), (413, related(b"x" * 3000), {}),
    (413, iter([related(b"x" * 3000)]), {}), (413, related(*[b"x"] * 6), {}),
])  # fmt: skip
def test_the_status_says_what_is_wrong(status: int, body: Any, headers: dict[str, str], tmp_path: Path) -> None:
    with WebDoor(tmp_path, {"max_body_bytes": 2000, "max_parts": 5}) as door:
        response = door.post(body, **headers)
        assert (response.status_code, door.files()) == (status, []), response.text


def test_what_came_before_the_end_that_is_missing_is_stored_and_said_to_be(tmp_path: Path) -> None:
    data = small(StudyInstanceUID="1.2.3")
    with WebDoor(tmp_path) as door:
        response = door.post(related(data, small())[:-200])
        assert (response.status_code, answered(response, STORED)) == (202, [(names(data)[1], None)])
        assert [each.sop_uid for each in door.received("1.2.3")] == [names(data)[1]]
        assert len(door.files()) == 1


@pytest.mark.parametrize(("method", "path", "status"), [
    ("GET", "/dicom-web/studies", 405), ("POST", "/studies", 404), ("POST", "/dicom-web/series", 404), ("GET", "/", 404),
    ("POST", "/dicom-web/studies/../x", 404),
])  # fmt: skip
def test_there_is_nothing_else_here(method: str, path: str, status: int, tmp_path: Path) -> None:
    with WebDoor(tmp_path) as door:
        assert httpx.request(method, f"http://{HERE}:{door.server.port}{path}").status_code == status


@pytest.mark.parametrize("changed", [{"spool": FullSpool, "min_free_bytes": 1000}, {"max_object_bytes": 100}])
def test_where_there_is_no_room_the_sender_is_told_when_to_come_again(changed: dict[str, Any], tmp_path: Path) -> None:
    data = small()
    with WebDoor(tmp_path, **changed) as door:
        response = door.post(related(data))
        assert (response.status_code, door.files()) == (503, [])
        assert int(response.headers["retry-after"]) > 0


def callers(*entries: dict[str, str]) -> dict[str, Any]:
    return {"any_caller": False, "callers": tuple(Caller(**each) for each in entries)}


@pytest.mark.parametrize(("known", "status", "calling"), [
    (callers({"ae_title": "CT", "address": "10.0.0.1"}, {"ae_title": "MR", "address": "127.0.0.0/8"}), 200, "MR"),
    (callers({"ae_title": "CT", "address": "10.0.0.1"}), 403, ""), (callers({"ae_title": "CT"}), 403, ""),
])  # fmt: skip
def test_who_sends_is_known_by_address(known: dict[str, Any], status: int, calling: str, tmp_path: Path) -> None:
    data = small(StudyInstanceUID="1.2.3")
    with WebDoor(tmp_path, **known) as door:
        assert door.post(related(data)).status_code == status
        assert [each.calling for each in door.received("1.2.3")] == ([calling] if calling else [])


def test_a_token_is_asked_for_and_stands_for_a_caller_without_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    data = related(small())
    with WebDoor(tmp_path / "a", {"token_file": tmp_path / "token"}, **callers({"ae_title": "VNA"})) as door:
        assert [door.post(data).status_code, door.post(data, Authorization="Bearer s3cre").status_code] == [401, 401]
        assert door.post(data).headers["www-authenticate"] == "Bearer"
        assert door.post(data, Authorization="Bearer s3cret").status_code == 200
    monkeypatch.setenv("STOW_TOKEN", "other")
    with WebDoor(tmp_path / "b", {"token_env": "STOW_TOKEN"}) as door:
        assert door.post(data, Authorization="Bearer other").status_code == 200


def test_a_base_stands_for_a_title(tmp_path: Path) -> None:
    with WebDoor(tmp_path, {"bases": {"/pacs/rs": "CHIASM", "/stat": "CHIASM_STAT"}}, ae_titles=("CHIASM", "CHIASM_STAT")) as door:
        assert door.post(related(small(StudyInstanceUID="1.2.3")), "/stat/studies").status_code == 200
        assert [each.called for each in door.received("1.2.3")] == ["CHIASM_STAT"]


def slow(port: int, pause_s: float) -> bytes:
    """A sender that stops in the middle of its body; what it is answered."""
    with socket.create_connection((HERE, port), timeout=20) as connection:
        head = f"POST /dicom-web/studies HTTP/1.1\r\nHost: x\r\nContent-Type: {RELATED}\r\nContent-Length: 9999\r\n\r\n"
        connection.sendall(head.encode() + b"--b\r\n" + DICOM + b"\r\n")
        time.sleep(pause_s)
        return connection.recv(65536)


def test_a_body_that_does_not_come_is_not_waited_for(tmp_path: Path) -> None:
    with WebDoor(tmp_path, {"receive_timeout_s": 0.3}) as door:
        assert slow(door.server.port, 0).startswith(b"HTTP/1.1 408")
        assert door.files() == []


def test_one_request_too_many_is_asked_to_come_later(tmp_path: Path) -> None:
    with WebDoor(tmp_path, {"max_requests": 1, "receive_timeout_s": 1.5}) as door:
        first = threading.Thread(target=slow, args=(door.server.port, 0))
        first.start()
        wait_until(lambda: door.stow._busy == 1)
        response = door.post(related(small()))
        assert (response.status_code, "retry-after" in response.headers) == (503, True)
        first.join()


def test_orthanc_sends_a_study_by_its_own_dicomweb_client(tmp_path: Path) -> None:
    sent = [small(StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.4", SOPInstanceUID=f"1.2.3.{number}") for number in range(3)]
    (tmp_path / "archive").mkdir()
    with WebDoor(tmp_path) as door, orthanc(tmp_path / "archive", {"gateway": f"http://{HERE}:{door.server.port}/dicom-web"}) as (_, http):
        archive = f"http://{HERE}:{http}"
        for each in sent:
            httpx.post(f"{archive}/instances", content=each).raise_for_status()
        (study,) = httpx.get(f"{archive}/studies").json()
        job = {"Resources": [study], "Synchronous": True}
        httpx.post(f"{archive}/dicom-web/servers/gateway/stow", content=json.dumps(job), timeout=60).raise_for_status()
        assert {each.sop_uid for each in door.received("1.2.3")} == {names(each)[1] for each in sent}
        assert {each.sop_class for each in door.received("1.2.3")} == {DX}

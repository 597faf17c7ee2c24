"""STOW-RS to a real Orthanc, and to servers whose answers say less, or something else, than their status."""

from __future__ import annotations

import json
import time
from email import message_from_bytes
from email.utils import formatdate
from io import BytesIO

import httpx
import pytest
from pydicom import dcmread

from service.gateway.errors import PermanentError, TransientError
from service.gateway.stow import send
from tests.service.gateway.peers import free_port, orthanc, raw, website
from tests.service.gateway.results import Desk, objects, opened, web

NAME = str(opened(objects()[0]).SOPInstanceUID)
JSON = {"Content-Type": "application/dicom+json"}


def told(tag: str, sop_uid: str | None = NAME, reason: int | None = None) -> dict[str, object]:
    """A sequence of one item in the DICOM JSON model."""
    item: dict[str, object] = {}
    if sop_uid is not None:
        item["00081155"] = {"vr": "UI", "Value": [sop_uid]}
    if reason is not None:
        item["00081197"] = {"vr": "US", "Value": [reason]}
    return {tag: {"vr": "SQ", "Value": [item]}}


def stored(sop_uid: str = NAME) -> dict[str, object]:
    return told("00081199", sop_uid)


def failed(reason: int | None = None, sop_uid: str | None = NAME) -> dict[str, object]:
    return told("00081198", sop_uid, reason)


def answer(status: int, content: object = b"", **headers: str) -> tuple[int, dict[str, str], bytes]:
    return status, JSON | headers, content if isinstance(content, bytes) else json.dumps(content).encode()


def test_a_real_archive_takes_it_and_keeps_it_once(tmp_path):
    desk = Desk(tmp_path)
    (tmp_path / "archive").mkdir()
    with orthanc(tmp_path / "archive") as (_, http):
        destination = web(http)
        names = [desk.put(each, destination) for each in objects()]
        assert [desk.deliverer(destination).step() for _ in range(3)] == [True, True, False]
        for name, each in zip(names, objects(), strict=True):
            send(destination, name, each, 10)
        kept = [httpx.get(f"http://127.0.0.1:{http}/instances/{each}/file").content for each in _instances(http)]
    assert [row["state"] for row in desk.rows()] == ["sent", "sent"]
    assert sorted(str(dcmread(BytesIO(each)).SOPInstanceUID) for each in kept) == sorted(names)
    assert dcmread(BytesIO(next(each for each in kept if names[0].encode() in each))) == opened(objects()[0])


def _instances(http: int) -> list[str]:
    return httpx.get(f"http://127.0.0.1:{http}/instances").json()


def test_the_request_is_one_that_strict_servers_read():
    with website(answer(200, stored())) as site:
        send(web(site.port), NAME, objects()[0], 5)
    ((path, headers, body),) = site.requests
    assert path == "/dicom-web/studies"
    assert headers["Accept"] == "application/dicom+json"
    assert (int(headers["Content-Length"]), headers["Transfer-Encoding"]) == (len(body), None)
    assert headers["Content-Type"].startswith('multipart/related; type="application/dicom"; boundary=')
    message = message_from_bytes(f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode() + body)
    (part,) = message.get_payload()
    assert part.get_content_type() == "application/dicom"
    boundary = headers["Content-Type"].split("boundary=")[1].encode()
    assert body.split(b"\r\n\r\n", 1)[1] == objects()[0] + b"\r\n--" + boundary + b"--\r\n"


@pytest.mark.parametrize(
    "reply",
    [
        answer(200, stored()),
        answer(202, stored()),
        answer(200, [stored()]),
        answer(200, failed() | {"00081198": {"vr": "SQ"}} | stored()),
        answer(409, failed(0x0111)),  # it was there before
        answer(200, failed(0xA700, "1.2.3") | stored()),  # another one's failure
    ],
)
def test_stored_is_what_the_answer_lists_as_stored(reply):
    with website(reply) as site:
        send(web(site.port), NAME, objects()[0], 5)


@pytest.mark.parametrize(
    ("reply", "kind", "said"),
    [
        (answer(200, {}), TransientError, "HTTP status 200, but the answer does not list"),
        (answer(200, []), TransientError, "does not list"),
        (answer(200, {"00081199": {"vr": "SQ", "Value": []}}), TransientError, "does not list"),
        (answer(200, {"00081199": {"vr": "SQ", "Value": [None, 1, {"00081155": 3}]}}), TransientError, "does not list"),
        (answer(200, stored("1.2.3")), TransientError, "does not list"),
        (answer(200, b"<html>log in</html>"), TransientError, "does not list"),
        (answer(200, b"[" * 100000), TransientError, "does not list"),
        (answer(202, failed(0xA700)), TransientError, "0xA700: out of resources"),
        (answer(409, failed(0x0110)), TransientError, "0x0110: processing failure"),
        (answer(409, failed(0xA900)), PermanentError, "0xA900: data set does not match SOP class"),
        (answer(409, failed(0xC000)), PermanentError, "0xC000: cannot understand"),
        (answer(409, failed(0x0122)), PermanentError, "0x0122: SOP class not supported"),
        (answer(409, failed(0xC122)), PermanentError, "0xC122: transfer syntax not supported"),
        (answer(200, failed(0xA900) | stored()), PermanentError, "0xA900"),
        (answer(409, failed()), PermanentError, "lists the object as failed"),
        (answer(409, failed(0xA700, None)), TransientError, "0xA700"),
        (answer(409, b""), PermanentError, "HTTP status 409"),
        (answer(503), TransientError, "HTTP status 503"),
        (answer(500), TransientError, "HTTP status 500"),
        (answer(429), TransientError, "HTTP status 429"),
        (answer(400, stored()), PermanentError, "HTTP status 400"),
        (answer(401), PermanentError, "HTTP status 401"),
        (answer(413), PermanentError, "HTTP status 413"),
        (answer(302, Location="/elsewhere"), PermanentError, "HTTP status 302"),
        (answer(200, b" " * (1 << 21)), TransientError, "does not end"),
    ],
)
def test_everything_else_is_not(reply, kind, said):
    with website(reply) as site, pytest.raises(kind, match=said) as caught:
        send(web(site.port), NAME, objects()[0], 5)
    assert len(site.requests) == 1
    assert NAME not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("120", 120), ("a date", 120), ("soon", 0), ("-5", 0), ("9" * 400, 86400), ("²", 0), ("", 0)],
)
def test_the_time_that_a_server_asks_for(value, seconds):
    if value == "a date":
        value = formatdate(time.time() + 120, usegmt=True)
    with website(answer(503, **{"Retry-After": value.encode().decode("latin-1")})) as site, pytest.raises(TransientError) as caught:
        send(web(site.port), NAME, objects()[0], 5)
    assert caught.value.retry_after_s == pytest.approx(seconds, abs=10)


def test_it_is_given_that_time(tmp_path):
    desk = Desk(tmp_path)
    with website(answer(503, **{"Retry-After": "120"}), answer(200, stored())) as site:
        deliverer = desk.deliverer(web(site.port))
        desk.put(objects()[0], web(site.port))
        assert deliverer.step()
        assert (desk.row()["reason"], desk.row()["next_at"]) == ("HTTP status 503", 1120)
        desk.now = 1119
        assert not deliverer.step()
        desk.now = 1120
        assert deliverer.step()
    assert desk.row()["state"] == "sent"


def test_who_is_not_there_or_does_not_answer():
    with pytest.raises(TransientError, match="no answer: ConnectError"):
        send(web(free_port()), NAME, objects()[0], 1)
    with raw(None) as port, pytest.raises(TransientError, match="no answer: ReadTimeout"):
        send(web(port), NAME, objects()[0], 0.3)
    with raw(b"\x07\x00\r\n\r\n") as port, pytest.raises(TransientError, match="no answer: RemoteProtocolError"):
        send(web(port), NAME, objects()[0], 1)


def test_headers_from_the_environment(monkeypatch):
    monkeypatch.setenv("ARCHIVE_TOKEN", "s3cret")
    headers = {"Authorization": "Bearer ${ARCHIVE_TOKEN}", "content-type": "text/plain", "X-Plain": "$1"}
    with website(answer(200, stored())) as site:
        send(web(site.port, headers=headers), NAME, objects()[0], 5)
        sent = site.requests[0][1]
        assert (sent["Authorization"], sent["X-Plain"]) == ("Bearer s3cret", "$1")
        assert sent.get_all("Content-Type")[0].startswith("multipart/related")
        monkeypatch.delenv("ARCHIVE_TOKEN")
        with pytest.raises(PermanentError, match="the environment has no ARCHIVE_TOKEN"):
            send(web(site.port, headers=headers), NAME, objects()[0], 5)
        monkeypatch.setenv("ARCHIVE_TOKEN", "s3cret\r\nX-Other: 1")
        with pytest.raises(PermanentError, match="cannot be used: LocalProtocolError") as caught:
            send(web(site.port, headers=headers), NAME, objects()[0], 5)
    assert "s3cret" not in str(caught.value)
    assert len(site.requests) == 1


@pytest.mark.parametrize("url", ["ftp://archive/", "archive", "http://"])
def test_a_url_that_cannot_be_used(url):
    with pytest.raises(PermanentError, match="the URL or a header"):
        send(web(1, url=url), NAME, objects()[0], 1)

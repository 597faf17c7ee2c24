"""Studies on request from a real Orthanc: by DICOMweb, by C-MOVE to the running door, and by C-GET; and from peers that fail."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.__main__ import main
from service.gateway.config import DicomPeer, WebPeer
from service.gateway.errors import PermanentError, TransientError
from service.gateway.pull import Puller
from service.gateway.pull_dimse import DicomSource
from service.gateway.pull_web import WebSource
from service.gateway.studies import Found, Pulled, Wanted
from tests.service.gateway.door import HERE, Door, FullSpool
from tests.service.gateway.peers import UNCLOSED, free_port, orthanc, website
from tests.service.gateway.web_door import related
from tests.service.studies import CANARY_ID, hip_dicom

SMALL = {"Rows": 8, "Columns": 8, "PixelData": bytes(range(128))}
NOW, BEFORE, LONG_AGO, OTHER = "1.2.1", "1.2.2", "1.2.3", "1.2.4"
Archive = tuple[int, int, int]


def instance(study: str, number: int = 1, **changed: Any) -> bytes:
    uids = {"StudyInstanceUID": study, "SeriesInstanceUID": f"{study}.9", "SOPInstanceUID": f"{study}.{number}"}
    return hip_dicom(**SMALL | uids | changed)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """Its ports for DICOM and HTTP, with four studies of one patient, and the port at which it thinks that the gateway is."""
    gateway = free_port()
    modalities = {"chiasm": {"AET": "CHIASM", "Host": HERE, "Port": gateway, "AllowGet": True, "AllowFind": True, "AllowMove": True}}
    with orthanc(tmp_path_factory.mktemp("archive"), DicomModalities=modalities, DicomAlwaysAllowGet=True) as (dicom, http):
        sent = [instance(NOW, 1, AccessionNumber="A1"), instance(NOW, 2, AccessionNumber="A1"), instance(BEFORE, StudyDate="20230102")]
        sent += [instance(LONG_AGO, StudyDate="20200102"), instance(OTHER, StudyDate="20230202", Modality="CR", PatientID="somebody else")]
        for each in sent:
            httpx.post(f"http://{HERE}:{http}/instances", content=each).raise_for_status()
        yield dicom, http, gateway


def peer(archive: Archive, kind: str) -> dict[str, Any]:
    dicom, http, _ = archive
    if kind == "web":
        return {"kind": "web", "name": "pacs", "url": f"http://{HERE}:{http}/dicom-web", "ae_title": "PACS"}
    return {"kind": "dicom", "name": "pacs", "ae_title": "PACS", "host": HERE, "port": dicom, "retrieve": kind}


@contextmanager
def gateway(folder: Path, archive: Archive, kind: str, **changed: Any) -> Iterator[tuple[Door, Any]]:
    """A door that listens where the archive thinks, and the archive as a source of it."""
    told = peer(archive, kind)
    with Door(folder, port=archive[2], **changed) as door:
        if kind == "web":
            yield door, WebSource(WebPeer(**told), "CHIASM", door.intake)
        else:
            yield door, DicomSource(DicomPeer(**told), door.receive, door.intake)


@pytest.mark.parametrize("kind", ["web", "move", "get"])
def test_a_study_is_found_and_taken_in_whole(kind: str, archive: Archive, tmp_path: Path) -> None:
    with gateway(tmp_path, archive, kind) as (door, source):
        ((study, came),) = Puller(source).run(Wanted(accession="A1"), 0)
        assert (study.study_uid, study.date, study.patient_id, came) == (NOW, "20240102", CANARY_ID, Pulled(2, 0))
        assert sorted(each.sop_uid for each in door.received(NOW)) == [f"{NOW}.1", f"{NOW}.2"]
        assert {(each.called, each.calling) for each in door.received(NOW)} == {("CHIASM", "PACS")}
        assert list(Puller(source).run(Wanted(study_uid=NOW), 0)) == [(study, Pulled(2, 0))]
        assert len(door.files()) == 2, "the same instances are there already"
        if kind != "move":  # who is sent to is not told how many will come
            assert door.ledger.take_job(1000.0, 60), "as many as the archive has are there: nobody waits for more"


@pytest.mark.parametrize("kind", ["web", "get"])
def test_earlier_studies_of_the_patient_come_too(kind: str, archive: Archive, tmp_path: Path) -> None:
    with gateway(tmp_path, archive, kind) as (_, source):
        assert [study.study_uid for study, _ in Puller(source).run(Wanted(study_uid=NOW), 1)] == [NOW, BEFORE]
        assert [study.study_uid for study, _ in Puller(source).run(Wanted(study_uid=NOW), 5)] == [NOW, BEFORE, LONG_AGO]
        assert {study.study_uid for study, _ in Puller(source).run(Wanted(patient=CANARY_ID), 0)} == {NOW, BEFORE, LONG_AGO}


@pytest.mark.parametrize("kind", ["web", "move", "get"])
def test_where_nothing_fits_that_is_said(kind: str, archive: Archive, tmp_path: Path) -> None:
    with gateway(tmp_path, archive, kind) as (_, source), pytest.raises(PermanentError, match="no study fits"):
        list(Puller(source).run(Wanted(accession="A2"), 0))


@pytest.mark.parametrize("kind", ["web", "move", "get"])
def test_what_does_not_fit_into_the_spool_is_said(kind: str, archive: Archive, tmp_path: Path) -> None:
    with gateway(tmp_path, archive, kind, spool=FullSpool, min_free_bytes=1000) as (door, source):
        ((_, came),) = Puller(source).run(Wanted(study_uid=BEFORE), 0)
        assert came == Pulled(0, 1) or (kind != "web" and "the retrieval failed, status 0x" in str(came))
        assert door.files() == []


def test_a_peer_that_does_not_know_us_says_so(archive: Archive, tmp_path: Path) -> None:
    with gateway(tmp_path, archive, "move") as (_, source):
        stranger = DicomSource(source.peer.model_copy(update={"move_to": "NOBODY"}), source.receive, source.intake)
        ((_, error),) = Puller(stranger).run(Wanted(study_uid=NOW), 0)
        assert isinstance(error, PermanentError)
        assert "0xA801" in str(error) or "0xC000" in str(error) or "0x0110" in str(error)


@UNCLOSED
@pytest.mark.parametrize("kind", ["web", "move"])
def test_a_peer_that_is_not_there(kind: str, tmp_path: Path) -> None:
    with gateway(tmp_path, (free_port(), free_port(), free_port()), kind) as (_, source), pytest.raises(TransientError):
        list(Puller(source).run(Wanted(study_uid=NOW), 0))


@pytest.mark.parametrize(("answers", "kind", "said"), [
    ([(503, {}, b"")], TransientError, "503"), ([(200, {}, b"<html>")], TransientError, "no list of studies"),
    ([(200, {}, b'[{"0020000D": {"Value": ["../1"]}}]')], TransientError, "no list of studies"), ([(401, {}, b"")], PermanentError, "401"),
    ([(204, {}, b"")], PermanentError, "no study fits"),
])  # fmt: skip
def test_a_search_that_fails(answers: list[Any], kind: type[Exception], said: str, tmp_path: Path) -> None:
    with website(*answers) as site, gateway(tmp_path, (0, site.port, free_port()), "web") as (_, source), pytest.raises(kind, match=said):
        list(Puller(source).run(Wanted(study_uid=NOW), 0))


def test_an_answer_that_breaks_off_keeps_what_came_before(tmp_path: Path) -> None:
    whole = related(instance(NOW, 1), instance(NOW, 2))
    found = json.dumps([{"0020000D": {"vr": "UI", "Value": [NOW]}}]).encode()
    kind = {"Content-Type": "multipart/related; type=application/dicom; boundary=b"}
    answers = [(200, {}, found), (200, kind, whole[:-300])]
    with website(*answers) as site, gateway(tmp_path, (0, site.port, free_port()), "web") as (door, source):
        ((_, error),) = Puller(source).run(Wanted(study_uid=NOW), 0)
        assert isinstance(error, TransientError)
        assert [each.sop_uid for each in door.received(NOW)] == [f"{NOW}.1"]


def test_a_study_follows_what_is_older_and_of_its_kind() -> None:
    study = Found(NOW, "P", "20240102", ("MR", "SR"))
    assert study.follows(Found(BEFORE, "P", "20230102", ("MR",)))
    assert study.follows(Found(BEFORE, "P", "20230102"))
    assert not study.follows(Found(BEFORE, "P", "20230102", ("CT",)))
    assert not study.follows(Found(BEFORE, "P", "20250102", ("MR",)))
    assert not study.follows(Found(BEFORE, "P", "", ("MR",)))


CONFIG = """
spool = "{folder}/spool"
[receive]
any_caller = true
min_free_bytes = 0
[[routes]]
name = "hips"
model = "bmd"
destinations = ["pacs"]
[[destinations]]
kind = "dicom"
name = "pacs"
ae_title = "PACS"
host = "127.0.0.1"
port = 104
[[peers]]
kind = "web"
name = "pacs"
url = "http://127.0.0.1:{http}/dicom-web"
"""


def test_a_person_asks_for_a_study(archive: Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(CONFIG.format(folder=tmp_path, http=archive[1]))
    assert main(["gateway", "pull", str(path), "--peer", "pacs", "--study", NOW, "--priors", "1"]) == 0
    told = capsys.readouterr().out
    assert f"study {NOW}: 2 instances came, 0 did not" in told
    assert f"study {BEFORE}: 1 instances came" in told
    assert main(["gateway", "pull", str(path), "--peer", "vna", "--study", NOW]) != 0
    assert "the peers are pacs" in capsys.readouterr().err
    assert main(["gateway", "status", str(path)]) == 0
    assert "jobs collecting: 2" in capsys.readouterr().out

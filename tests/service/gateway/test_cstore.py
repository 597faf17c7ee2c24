"""C-STORE to dcmtk's storescp, to Orthanc, and to archives that refuse, abort, or never answer."""

from __future__ import annotations

import subprocess
import threading
from contextlib import nullcontext

import httpx
import pytest
from pydicom.uid import Comprehensive3DSRStorage, ComprehensiveSRStorage, EnhancedSRStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from service.formats.dicom import render_dicom
from service.gateway.config import Tls
from service.gateway.cstore import send
from service.gateway.errors import PermanentError, TransientError
from tests.service.formats.dicom.test_dicom import AT, IDENTITY, UIDS, answered
from tests.service.gateway.peers import UNCLOSED, free_port, orthanc, profile, raw, scp, stored, storescp
from tests.service.gateway.results import Desk, archive, objects, opened
from tests.service.studies import hip_dicom

pytestmark = UNCLOSED
REJECTION = b"\x03\x00\x00\x00\x00\x04\x00"  # A-ASSOCIATE-RJ, PS3.8 9.3.4
SYNTAXES = ["LittleEndianExplicit", "LittleEndianImplicit"]


def send_report(port: int, timeout_s: float = 5.0, **changed: object) -> None:
    send(archive(port, **changed), "", objects()[0], timeout_s)


def test_an_archive_keeps_exactly_what_was_sent(tmp_path):
    with storescp(tmp_path / "pacs") as port:
        for each in objects():
            send(archive(port), "", each, 5)
    kept = {each.SOPInstanceUID: each for each in stored(tmp_path / "pacs")}
    assert len(kept) == 2
    for each in map(opened, objects()):
        assert kept[each.SOPInstanceUID] == each
        assert kept[each.SOPInstanceUID].file_meta.TransferSyntaxUID == each.file_meta.TransferSyntaxUID


def test_a_real_archive_takes_all_and_keeps_them_once(tmp_path):
    (attention,) = render_dicom(IDENTITY, *answered(hip_dicom(**UIDS)), AT, ("map",))
    everything = (*objects(), attention)
    with orthanc(tmp_path) as (port, http):
        for each in (*everything, *everything):
            send(archive(port), "", each, 10)
        instances = httpx.get(f"http://127.0.0.1:{http}/instances").json()
        kept = [opened(httpx.get(f"http://127.0.0.1:{http}/instances/{name}/file").content) for name in instances]
    assert sorted(each.SOPInstanceUID for each in kept) == sorted(opened(each).SOPInstanceUID for each in everything)
    assert opened(attention) in kept


@pytest.mark.parametrize("sop_class", [ComprehensiveSRStorage, EnhancedSRStorage])
def test_an_archive_that_does_not_know_the_class_gets_the_document_as_an_older_one(tmp_path, sop_class):
    with storescp(tmp_path / "pacs", *profile(tmp_path, [sop_class.keyword], SYNTAXES)) as port:
        send_report(port)
        send_report(port)  # again: it has the same name
    (kept,), sent = stored(tmp_path / "pacs"), opened(objects()[0])
    assert kept.SOPClassUID == kept.file_meta.MediaStorageSOPClassUID == sop_class
    assert kept.SOPInstanceUID == kept.file_meta.MediaStorageSOPInstanceUID != sent.SOPInstanceUID
    repeated = kept.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert (repeated.ReferencedSOPClassUID, repeated.ReferencedSOPInstanceUID) == (Comprehensive3DSRStorage, sent.SOPInstanceUID)
    assert kept.ContentSequence == sent.ContentSequence
    (path,) = (tmp_path / "pacs").iterdir()
    told = subprocess.run(["dsrdump", path], capture_output=True, text=True, check=True)
    assert told.stdout.startswith(sop_class.name.removesuffix(" Storage"))
    assert not [line for line in told.stderr.splitlines() if line.startswith("E:")]


def test_the_newest_class_that_both_know_is_used(tmp_path):
    with storescp(tmp_path / "pacs", *profile(tmp_path, ["EnhancedSRStorage", "Comprehensive3DSRStorage"], SYNTAXES)) as port:
        send_report(port)
    assert [each.SOPClassUID for each in stored(tmp_path / "pacs")] == [Comprehensive3DSRStorage]


def test_an_archive_that_takes_no_reports_refuses_for_good(tmp_path):
    with storescp(tmp_path / "pacs", *profile(tmp_path, ["SecondaryCaptureImageStorage"], SYNTAXES)) as port:
        with pytest.raises(PermanentError, match="no presentation context accepted for Comprehensive 3D SR Storage, Comprehensive SR"):
            send_report(port)
        send(archive(port), "", objects()[1], 5)
    assert len(stored(tmp_path / "pacs")) == 1


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_an_archive_that_knows_one_way_of_writing_gets_it_written_so(tmp_path, syntax):
    """Both are written explicit."""
    report, page = map(opened, objects())
    assert {each.file_meta.TransferSyntaxUID for each in (report, page)} == {ExplicitVRLittleEndian}
    classes = ["SecondaryCaptureImageStorage", "Comprehensive3DSRStorage"]
    known = {ExplicitVRLittleEndian: "LittleEndianExplicit", ImplicitVRLittleEndian: "LittleEndianImplicit"}[syntax]
    with storescp(tmp_path / "pacs", *profile(tmp_path, classes, [known])) as port:
        for each in objects():
            send(archive(port), "", each, 5)
    kept = {each.SOPInstanceUID: each for each in stored(tmp_path / "pacs")}
    assert {each.file_meta.TransferSyntaxUID for each in kept.values()} == {syntax}
    assert kept[page.SOPInstanceUID].PixelData == page.PixelData
    assert kept[report.SOPInstanceUID].ContentSequence == report.ContentSequence


@pytest.mark.parametrize(("status", "kind"), [(0xB000, None), (0xA700, TransientError), (0xC000, PermanentError)])
def test_the_status_is_read_and_the_association_released(status, kind):
    released = threading.Event()
    with scp(lambda _: status, Comprehensive3DSRStorage, released.set) as port:
        with pytest.raises(kind, match=f"0x{status:04X}") if kind else nullcontext():
            send_report(port)
        assert released.wait(5)


def test_who_never_answers_is_waited_for_only_so_long():
    answer = threading.Event()
    with scp(lambda _: answer.wait(20) and 0, Comprehensive3DSRStorage) as port:
        with pytest.raises(TransientError, match=r"longer than 0\.5 s"):
            send_report(port, timeout_s=0.5)
        answer.set()


def test_an_association_that_is_aborted_may_succeed_later():
    def abort(event):
        event.assoc.abort()
        return 0

    with scp(abort, Comprehensive3DSRStorage) as port, pytest.raises(TransientError, match="no answer to the C-STORE"):
        send_report(port)


@pytest.mark.parametrize(
    ("reply", "kind", "said"),
    [
        (REJECTION + b"\x02\x03\x01", TransientError, "rejected: Temporary congestion"),
        (REJECTION + b"\x01\x01\x07", PermanentError, "rejected: Called AE title not recognised"),
        (b"\x07\x00\x00\x00\x00\x04\x00\x00\x02\x00", TransientError, "connected, but no association"),  # A-ABORT
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", TransientError, "connected, but no association"),
        (b"\x02\x00\x00\x00\x01\x00", TransientError, "connected, but no association"),  # and the rest never comes
        (None, TransientError, r"no association within 0\.5 s"),
    ],
)
def test_why_there_is_no_association(reply, kind, said):
    before = set(threading.enumerate())
    with raw(reply) as port:
        with pytest.raises(kind, match=said):
            send_report(port, timeout_s=0.5)
        left = [each for each in set(threading.enumerate()) - before if not each.daemon and "serve_forever" not in each.name]
        for thread in left:
            thread.join(5)
            assert not thread.is_alive()


def test_nobody_listens():
    with pytest.raises(TransientError, match="nobody listens"):
        send_report(free_port())
    with pytest.raises(TransientError, match="has no address"):
        send_report(104, host="nowhere.invalid")


def test_what_is_no_dicom_file_is_refused():
    with pytest.raises(PermanentError, match="no DICOM file"):
        send(archive(free_port()), "", b"{}" * 100, 1)


def test_the_first_time_refused_the_second_time_stored(tmp_path):
    desk, answers = Desk(tmp_path), [0xA700, 0x0000]
    with scp(lambda _: answers.pop(0), Comprehensive3DSRStorage) as port:
        deliverer = desk.deliverer(archive(port))
        desk.put(objects()[0], archive(port))
        assert deliverer.step()
        assert (desk.row()["state"], desk.row()["attempts"]) == ("pending", 1)
        assert not deliverer.step()
        desk.now += 5
        assert deliverer.step()
    assert (desk.row()["state"], desk.row()["reason"]) == ("sent", "")


def test_an_archive_that_comes_back_gets_it_once(tmp_path):
    desk, port = Desk(tmp_path), free_port()
    deliverer = desk.deliverer(archive(port))
    name = desk.put(objects()[0], archive(port))
    assert deliverer.step()
    assert "nobody listens" in desk.row()["reason"]
    desk.now += 5
    with storescp(tmp_path / "pacs", port=port):
        assert deliverer.step()
        assert not deliverer.step()
    assert [each.SOPInstanceUID for each in stored(tmp_path / "pacs")] == [name]
    assert desk.row()["state"] == "sent"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """Of this host and of another one: each signed by itself."""
    folder = tmp_path_factory.mktemp("tls")
    for name, host in (("here", "IP:127.0.0.1"), ("there", "DNS:elsewhere.example")):
        request = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
        files = ["-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem", "-addext", f"subjectAltName={host}"]
        subprocess.run(["openssl", "req", *request, *files], check=True, capture_output=True)
    return folder


def secured(folder, port, name):
    authorities = folder / f"{name}.pem"
    return archive(port, tls=Tls(certificate=folder / "here.pem", key=folder / "here.key", authorities=authorities))


@pytest.mark.parametrize("name", ["here", "there"])
def test_tls_names_both_sides(tmp_path, certificates, name):
    served = ["+tls", str(certificates / f"{name}.key"), str(certificates / f"{name}.pem"), "+cf", str(certificates / "here.pem")]
    with storescp(tmp_path / "pacs", *served) as port:
        if name == "here":
            send(secured(certificates, port, name), "", objects()[0], 5)
            assert len(stored(tmp_path / "pacs")) == 1
        else:  # its certificate is trusted, but is another host's
            with pytest.raises(TransientError, match="TLS failed"):
                send(secured(certificates, port, name), "", objects()[0], 5)


def test_a_certificate_that_is_not_there_is_told(tmp_path):
    with pytest.raises(TransientError, match="TLS certificate, key or authorities"):
        send(secured(tmp_path, free_port(), "here"), "", objects()[0], 1)

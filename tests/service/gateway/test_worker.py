"""From a complete study to what is delivered: routing, priorities, refusals, waiting, and what a person sees."""

from __future__ import annotations

import hashlib
import io
import json
import threading
import time
from pathlib import Path

import pydicom
import pytest

from models import SPECS
from models.spec import Measured
from service.formats import terms
from service.gateway.config import GatewayConfig
from service.gateway.ledger import Ledger, Received
from service.gateway.service import LaterError, Question, Refused, Served
from service.gateway.spool import Spool
from service.gateway.worker import Worker
from tests.service.formats.dicom.reading import groups
from tests.service.studies import CANARY, CANARY_ID, hip_dicom

UIDS = {"SOPInstanceUID": "1.2.3", "StudyInstanceUID": "1.2.4", "SeriesInstanceUID": "1.2.5"}
ROUTE = {"name": "hips", "model": "bmd", "match": {"Modality": ["DX", "CR"], "BodyPartExamined": ["HIP"]}, "destinations": ["pacs"]}
PACS = {"kind": "dicom", "name": "pacs", "ae_title": "PACS", "host": "127.0.0.1", "port": 104}
HOOK = {"kind": "webhook", "name": "hook", "url": "http://127.0.0.1/hook"}


class FakeService:
    """Answers what it was told to, and remembers what it was asked."""

    def __init__(self, *answers: tuple[bytes, ...] | Refused | LaterError) -> None:
        self.answers, self.asked, self.maps = list(answers), [], []

    def evaluate(self, asked: Question, *, maps: bool = False) -> tuple[bytes, ...] | Refused:
        self.asked.append(asked)
        self.maps.append(maps)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, LaterError):
            raise answer
        return answer

    def answer(self, asked: Question) -> bytes | Refused:
        return self.answers[0] if isinstance(self.answers[0], Refused) else json.dumps({"model": {"name": asked.model}}).encode()

    def served(self, model: str) -> Served:
        measured = Measured(training_data="a cohort", recipe="", seed=0)
        return Served(SPECS[model].with_measured(measured), "sha256:" + "0a" * 32, "CPUExecutionProvider")


class Bench:
    """A gateway without doors."""

    def __init__(self, folder: Path, service: FakeService, **changed: object) -> None:
        told = {"spool": folder / "spool", "receive": {"any_caller": True}, "routes": [ROUTE], "destinations": [PACS]} | changed
        self.config = GatewayConfig.model_validate(told)
        self.spool, self.ledger, self.now = Spool(self.config.spool), Ledger(folder / "ledger.sqlite"), 1000.0
        self.service = service
        self.worker = Worker(self.config, self.spool, self.ledger, service, lambda: self.now)

    def receive(self, data: bytes, called: str = "CHIASM", calling: str = "MODALITY") -> None:
        header = pydicom.dcmread(io.BytesIO(data))
        uids = (header.StudyInstanceUID, header.SeriesInstanceUID, header.SOPInstanceUID, header.SOPClassUID)
        stored = (hashlib.sha256(data).hexdigest(), self.spool.write([data]), len(data))
        whose = {"patient": f"{header.PatientID} {header.get('IssuerOfPatientID', '')}", "study_date": header.StudyDate or ""}
        instance = Received(*uids, "1.2.840.10008.1.2.1", *stored, called, calling, **whose, modality=header.Modality)
        self.ledger.receive(instance, self.now, 5.0)

    def later(self, seconds: float = 10.0) -> bool:
        self.now += seconds
        return self.worker.step()

    def due(self) -> list[tuple[str, str, bytes]]:
        taken = []
        while delivery := self.ledger.take_delivery(self.now, 60.0, ["pacs", "hook", "other"]):
            taken.append((delivery.destination, delivery.sop_uid, self.spool.read(delivery.file)))
        return taken


def made(uid: str) -> bytes:
    return hip_dicom(SOPInstanceUID=uid)


def test_a_study_is_evaluated_when_nothing_has_come_for_a_while_and_its_results_are_due(tmp_path):
    service = FakeService((made("9.1"), made("9.2")))
    bench = Bench(tmp_path, service)
    bench.receive(hip_dicom(**UIDS))
    assert not bench.worker.step()
    assert bench.later()
    assert [(name, uid) for name, uid, _ in bench.due()] == [("pacs", "9.1"), ("pacs", "9.2")]
    assert (service.asked[0].model, len(service.asked[0].files), service.maps) == ("bmd", 1, [False])
    assert not bench.later()


def test_the_service_is_told_the_priority_of_the_route(tmp_path):
    service = FakeService((made("9.1"), made("9.2")))
    bench = Bench(tmp_path, service, routes=[ROUTE | {"priority": "stat"}, ROUTE | {"name": "again", "priority": "batch"}])
    bench.receive(hip_dicom(**UIDS))
    bench.later()
    assert [asked.priority for asked in service.asked] == ["stat", "batch"]


def test_only_what_a_route_takes_is_sent_to_its_model(tmp_path):
    service = FakeService((made("9.1"), made("9.2")))
    bench = Bench(tmp_path, service)
    bench.receive(hip_dicom(**UIDS))
    bench.receive(hip_dicom(**(UIDS | {"SOPInstanceUID": "1.2.9"}), BodyPartExamined="KNEE"))
    bench.later()
    assert len(service.asked[0].files) == 1


def test_what_no_route_takes_is_done_and_says_why(tmp_path):
    service = FakeService((made("9.1"), made("9.2")))
    bench = Bench(tmp_path, service)
    bench.receive(hip_dicom(**UIDS, BodyPartExamined="KNEE"))
    assert bench.later()
    assert (service.asked, bench.due(), bench.ledger.counts()) == ([], [], {("jobs", "done"): 1})


def test_an_instance_that_comes_later_is_evaluated_with_the_others_and_the_same_result_is_not_sent_twice(tmp_path):
    service = FakeService((made("9.1"), made("9.2")), (made("9.1"), made("9.3")))
    bench = Bench(tmp_path, service)
    bench.receive(hip_dicom(**UIDS))
    bench.later()
    bench.receive(hip_dicom(**(UIDS | {"SOPInstanceUID": "1.2.9"})))
    assert bench.later()
    assert [uid for _, uid, _ in bench.due()] == ["9.1", "9.2", "9.3"]
    assert [len(asked.files) for asked in service.asked] == [1, 2]
    assert len(list(bench.spool.root.glob("??/*.dcm"))) == 5  # two instances, three results; the result that was there already is gone


def test_an_instance_that_comes_during_the_evaluation_is_not_lost(tmp_path):
    service = FakeService((made("9.1"), made("9.2")))
    bench = Bench(tmp_path, service)
    bench.receive(hip_dicom(**UIDS))
    evaluate = service.evaluate

    def meanwhile(asked: Question, **wanted: bool) -> tuple[bytes, ...] | Refused:
        if len(service.asked) == 0:
            bench.receive(hip_dicom(**(UIDS | {"SOPInstanceUID": "1.2.9"})))
        return evaluate(asked, **wanted)

    service.evaluate = meanwhile
    bench.later()
    assert bench.later()
    assert [len(asked.files) for asked in service.asked] == [1, 2]


def test_the_same_instance_twice_is_one_job(tmp_path):
    service = FakeService((made("9.1"), made("9.2")))
    bench = Bench(tmp_path, service)
    sent = hip_dicom(**UIDS)
    bench.receive(sent)
    bench.later()
    bench.receive(sent)
    assert not bench.later()
    assert len(service.asked) == 1


def test_the_urgent_study_goes_first(tmp_path):
    service = FakeService((made("9.1"), made("9.2")))
    urgent = ROUTE | {"name": "urgent", "called": ["CHIASM_STAT"], "priority": "stat"}
    bench = Bench(tmp_path, service, routes=[ROUTE | {"called": ["CHIASM"]}, urgent])
    bench.receive(hip_dicom(**UIDS))
    bench.now += 1
    bench.receive(hip_dicom(SOPInstanceUID="2.3", StudyInstanceUID="2.4", SeriesInstanceUID="2.5"), called="CHIASM_STAT")
    bench.later()
    assert pydicom.dcmread(io.BytesIO(service.asked[0].files[0])).StudyInstanceUID == "2.4"


def test_a_refused_study_becomes_a_result_that_says_so(tmp_path):
    service = FakeService(Refused("quality_gate", "The picture looks like a chest, not like a hip."))
    bench = Bench(tmp_path, service, routes=[ROUTE | {"destinations": ["pacs", "hook"]}], destinations=[PACS, HOOK])
    bench.receive(hip_dicom(**UIDS))
    bench.later()
    (archive, uid, data), (hook, key, body) = bench.due()
    report = pydicom.dcmread(io.BytesIO(data))
    (group,) = groups(report).values()
    assert (archive, report.SOPInstanceUID, report.StudyInstanceUID, report.PatientID) == ("pacs", uid, "1.2.4", CANARY_ID)
    assert group.judged[terms.EVALUATION.value] == terms.NOT_EVALUATED.value
    assert group.comments == ["Not evaluated. The picture looks like a chest, not like a hip.", "Reason: quality_gate"]
    assert group.images == ["1.2.3"]
    told = json.loads(body)
    assert (hook, key, told["refused"]["code"], told["study_instance_uid"]) == ("hook", uid, "quality_gate", "1.2.4")
    assert CANARY not in body.decode()


def test_a_service_that_is_not_there_is_asked_again_later_and_then_left_to_a_person(tmp_path):
    service = FakeService(LaterError("the service cannot be reached: ConnectError", 7.0))
    bench = Bench(tmp_path, service, retry={"first_s": 2, "longest_s": 60, "attempts": 3})
    bench.receive(hip_dicom(**UIDS))
    assert bench.later()
    assert not bench.later(6.9)  # Retry-After counts where it is longer than our own wait
    assert bench.later(0.2)
    assert bench.later(60.0)
    assert bench.ledger.failed_jobs() == [("1.2.4", 3, "the service cannot be reached: ConnectError")]
    assert bench.ledger.again(bench.now) == 1
    service.answers = [(made("9.1"), made("9.2"))]
    assert bench.later(0.0)
    assert len(bench.due()) == 2


def test_an_unforeseen_fault_costs_one_study_and_tells_no_value(tmp_path):
    service = FakeService((b"no object", b"at all"), (made("9.1"), made("9.2")))
    bench = Bench(tmp_path, service)
    bench.receive(hip_dicom(**UIDS))
    bench.later()
    bench.receive(hip_dicom(SOPInstanceUID="2.3", StudyInstanceUID="2.4", SeriesInstanceUID="2.5"))
    bench.later()
    ((study, _, problem),) = bench.ledger.failed_jobs()
    assert (study, problem) == ("1.2.4", "InvalidDicomError: see the log of this time")
    assert len(bench.due()) == 2


def test_a_file_that_is_gone_ends_no_worker(tmp_path):
    service = FakeService((made("9.1"), made("9.2")))
    bench = Bench(tmp_path, service)
    bench.receive(hip_dicom(**UIDS))
    (file,) = bench.ledger.files()
    data = bench.spool.read(file)
    bench.spool.remove(file)
    bench.now += 10
    stop = threading.Event()
    worker = threading.Thread(target=bench.worker.run, args=(stop,))
    worker.start()
    time.sleep(0.2)
    bench.spool.path(file).write_bytes(data)  # the worker has looked for it, and looks again
    while not bench.ledger.counts().get(("jobs", "done")) and worker.is_alive():
        time.sleep(0.05)
    stop.set()
    worker.join()
    assert len(bench.due()) == 2


def test_a_worker_that_died_is_succeeded_by_the_next(tmp_path):
    service = FakeService((made("9.1"), made("9.2")))
    bench = Bench(tmp_path, service)
    bench.receive(hip_dicom(**UIDS))
    bench.now += 10
    assert bench.ledger.take_job(bench.now, 900.0) is not None  # and never heard of again
    assert not bench.later(800.0)
    assert bench.later(200.0)
    assert len(bench.due()) == 2


def test_metadata_and_genotypes_are_found_beside_an_accession_number(tmp_path):
    (tmp_path / "A1.json").write_text('{"smoking_status": "never"}')
    (tmp_path / "A1.vcf").write_bytes(b"##fileformat=VCFv4.3")
    service = FakeService((made("9.1"), made("9.2")))
    bench = Bench(tmp_path, service, sidecars=tmp_path, routes=[ROUTE | {"metadata": {"height_cm": 170}}])
    bench.receive(hip_dicom(**UIDS, AccessionNumber="A1"))
    bench.later()
    assert service.asked[0].metadata == {"height_cm": 170, "smoking_status": "never"}
    assert service.asked[0].genotypes == (b"##fileformat=VCFv4.3",)


@pytest.mark.parametrize("accession", ["../A1", "..", "/etc/passwd", "A1/../A1", ""])
def test_an_accession_number_leads_out_of_no_folder(tmp_path, accession):
    (tmp_path / "A1.json").write_text('{"smoking_status": "never"}')
    (tmp_path / "inner").mkdir()
    service = FakeService((made("9.1"), made("9.2")))
    bench = Bench(tmp_path, service, sidecars=tmp_path / "inner")
    bench.receive(hip_dicom(**UIDS, AccessionNumber=accession))
    bench.later()
    assert service.asked[0].metadata == {}


def test_a_sidecar_that_is_being_written_is_waited_for(tmp_path):
    (tmp_path / "A1.json").write_text('{"smoking_st')
    service = FakeService((made("9.1"), made("9.2")))
    bench = Bench(tmp_path, service, sidecars=tmp_path)
    bench.receive(hip_dicom(**UIDS, AccessionNumber="A1"))
    bench.later()
    assert service.asked == []
    (tmp_path / "A1.json").write_text("{}")
    assert bench.later(60.0)
    assert len(bench.due()) == 2


def test_what_was_delivered_long_ago_is_forgotten_and_nothing_else(tmp_path):
    service = FakeService((made("9.1"), made("9.2")))
    bench = Bench(tmp_path, service)
    bench.receive(hip_dicom(**UIDS))
    bench.later()
    assert bench.ledger.forget(bench.now + 1e6) == []  # nothing was delivered
    while delivery := bench.ledger.take_delivery(bench.now, 60.0, ["pacs"]):
        bench.ledger.delivered(delivery, bench.now)
    assert bench.ledger.forget(bench.now) == []  # not long ago
    files = bench.ledger.forget(bench.now + 1)
    assert len(files) == 3
    assert bench.ledger.counts() == {}
    assert bench.ledger.files() == set()

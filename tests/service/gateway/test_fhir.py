"""Results to a FHIR server: once, however often they are sent, and what it refuses is told from what passes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from models import SPECS
from models.spec import Measured
from service.formats.fhir import Address, addressed, render_fhir, render_fhir_abstention
from service.gateway.config import FhirDestination
from service.gateway.errors import PermanentError, TransientError
from service.gateway.fhir import send
from service.gateway.service import Refused, Served
from tests.service.formats.fhir.predictions import exclusive, identity, prediction
from tests.service.formats.fhir.r4 import complaints
from tests.service.gateway.fhir_server import fhir_server, outcome, told
from tests.service.gateway.http_server import Reply
from tests.service.gateway.results import Desk
from tests.service.gateway.test_worker import ROUTE, Bench, FakeService, made
from tests.service.studies import CANARY_ID, hip_dicom

UIDS = {"SOPInstanceUID": "1.2.3", "StudyInstanceUID": "1.2.4", "SeriesInstanceUID": "1.2.5"}


def destination(url: str = "http://127.0.0.1:1", **changed: Any) -> FhirDestination:
    return FhirDestination(**{"kind": "fhir", "name": "ehr", "url": url} | changed)


def bundle() -> bytes:
    return render_fhir(identity("alzheimer"), prediction(*exclusive(SPECS["alzheimer"], 0.2, 0.3, 0.5)))


def test_a_result_that_is_sent_twice_is_there_once(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    with fhir_server() as server:
        for uid in ("1.2.3", "1.2.4"):
            desk.put(bundle(), destination(server.url), sop_uid=uid)
            assert desk.deliverer(destination(server.url)).step()
        entries = json.loads(bundle())["entry"]
        assert [each["resourceType"] for each in server.created] == [each["resource"]["resourceType"] for each in entries]
    assert [row["state"] for row in desk.rows()] == ["sent", "sent"]


@pytest.mark.parametrize(("reply", "kind", "said"), [
    (outcome(400, "invalid"), PermanentError, "HTTP status 400: invalid"),
    (outcome(422, "required", "value"), PermanentError, "required, value"),
    (outcome(412, "multiple-matches"), PermanentError, "multiple-matches"), (outcome(401, "login"), PermanentError, "401: login"),
    (outcome(400, "lock-error"), TransientError, "lock-error"), (outcome(422, "throttled"), TransientError, "throttled"),
    (outcome(409, "conflict"), TransientError, "409"), (outcome(500, "exception"), TransientError, "500"),
    (outcome(503), TransientError, "503"), (outcome(400, "timeout", severity="warning"), PermanentError, "HTTP status 400"),
    (outcome(400, "ZZCANARY"), PermanentError, "status 400$"),
    (Reply(404, b"<html>"), PermanentError, "404"), (Reply(200, b"<html>"), TransientError, "does not say that every entry"),
    (told({"entry": [{"response": {"status": "201"}}, {"response": {"status": "422"}}]}), TransientError, "does not say"),
    (Reply(200, b"[" * 100_000), TransientError, "does not say"), (told({"entry": "x"}), TransientError, "does not say"),
])  # fmt: skip
def test_what_is_refused_is_told_from_what_passes(reply: Reply, kind: type[Exception], said: str) -> None:
    with fhir_server() as server:
        server.problem = reply
        with pytest.raises(kind, match=said):
            send(destination(server.url), "1.2.3", bundle(), 5)


@pytest.mark.parametrize("by", ["identifier", "search"])
def test_whose_result_it_is_and_on_which_order_is_added(by: Any) -> None:
    address = Address("urn:oid:1.2.3", "P 1|2", "urn:oid:1.2.4", "A1", by)
    resources = [each["resource"] for each in json.loads(addressed(bundle(), address, ["Noted."]))["entry"]]
    reference = {"reference": "Patient?identifier=urn%3Aoid%3A1.2.3|P%201%5C|2"}
    subject = {"type": "Patient", "identifier": {"system": "urn:oid:1.2.3", "value": "P 1|2"}} if by == "identifier" else reference
    for each in resources:
        assert each.get("subject") == (None if each["resourceType"] == "Device" else subject)
    (report,) = [each for each in resources if each["resourceType"] == "DiagnosticReport"]
    assert report["basedOn"][0]["identifier"]["value"] == "A1"
    assert report["conclusion"].endswith(" Noted.")
    if by == "identifier":  # a search is resolved by the server
        assert list(complaints(json.loads(addressed(bundle(), address)))) == []


def test_without_a_system_nothing_is_said_of_the_patient() -> None:
    assert addressed(bundle(), Address(patient_id="P1", accession="A1")) == bundle()


def test_a_refusal_is_a_report_that_was_cancelled() -> None:
    spec = SPECS["bmd"].with_measured(Measured(training_data="a cohort", recipe="", seed=0))
    served, detail = Served(spec, "sha256:" + "0a" * 32, "CPU"), "It shows a chest."
    written, again, other = (render_fhir_abstention(served, [b"x"], "1.2.4", code, detail) for code in ("gate", "gate", "other"))
    assert written == again != other
    assert list(complaints(json.loads(written))) == []
    report = json.loads(written)["entry"][0]["resource"]
    assert (report["status"], report["imagingStudy"][0]["identifier"]["value"]) == ("cancelled", "urn:oid:1.2.4")
    assert "Not evaluated. It shows a chest. Reason: gate." in report["conclusion"]


class FhirService(FakeService):
    def bundle(self, _: object) -> bytes | Refused:
        return bundle()


@pytest.mark.parametrize(
    ("answer", "status"), [((made("9.1"),), "preliminary"), (Refused("gate", "It shows a chest."), "cancelled")]
)
def test_the_worker_makes_a_bundle_for_a_server(answer: Any, status: str, tmp_path: Path) -> None:
    ehr = destination(patient_system="urn:oid:1.2.3", accession_system="urn:oid:1.2.4").model_dump()
    bench = Bench(tmp_path, FhirService(answer), routes=[ROUTE | {"destinations": ["ehr"]}], destinations=[ehr])
    bench.receive(hip_dicom(**UIDS, AccessionNumber="A1"))
    bench.later()
    delivery = bench.ledger.take_delivery(bench.now, 60.0, ["ehr"])
    assert delivery is not None
    report = json.loads(bench.spool.read(delivery.file))["entry"][0]["resource"]
    assert (report["status"], report["subject"]["identifier"]["value"]) == (status, CANARY_ID)
    assert report["basedOn"][0]["identifier"]["value"] == "A1"

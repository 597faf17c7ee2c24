"""The door: what is acknowledged is stored, what cannot be stored is refused with the status that says why."""

from __future__ import annotations

import errno
import logging
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts

from models import SPECS
from service.gateway.ledger import Ledger
from service.gateway.spool import Spool
from service.gateway.upper_layer import supported_contexts
from service.telemetry import JsonFormatter
from tests.service.gateway.door import (
    DX,
    EXPLICIT,
    HERE,
    IMPLICIT,
    Door,
    FullSpool,
    association,
    encoded,
    hip,
    request,
    small,
    store,
    store_dataset,
    wait_until,
)
from tests.service.studies import CANARY, CANARY_ID

SR = "1.2.840.10008.5.1.4.1.1.88.33"


def test_every_transfer_syntax_arrives_byte_for_byte(tmp_path: Path) -> None:
    with Door(tmp_path) as door, association(door, *((DX, syntax) for syntax in ALL_TRANSFER_SYNTAXES)) as sender:
        assert len(sender.accepted_contexts) == len(ALL_TRANSFER_SYNTAXES)
        for syntax in ALL_TRANSFER_SYNTAXES:
            dataset = small(PixelData=b"\xfe\xff\x00\xe0" + b"not decoded here")
            data = encoded(dataset, syntax)
            assert store(sender, data, dataset.SOPInstanceUID, syntax=syntax) == 0, syntax
            (instance,) = door.received(dataset.StudyInstanceUID)
            assert door.spool.read(instance.file).endswith(data)
            assert instance.transfer_syntax == syntax
            assert instance.size == len(data)


def test_the_file_says_who_sent_it_and_who_wrote_it(tmp_path: Path) -> None:
    dataset = small(NumberOfStudyRelatedInstances=1)
    with Door(tmp_path) as door, association(door, calling="CT 1") as sender:
        assert store_dataset(sender, dataset) == 0
        (instance,) = door.received(dataset.StudyInstanceUID)
        job = door.ledger.take_job(now=1000.0, lease_s=60)
        meta = door.stored(instance).file_meta
    assert (instance.called, instance.calling) == ("CHIASM", "CT 1")
    assert (meta.SourceApplicationEntityTitle, meta.MediaStorageSOPInstanceUID) == ("CT 1", dataset.SOPInstanceUID)
    assert job is not None, "the study is complete: its header says how many instances it has"


def test_whatever_an_archive_stores_is_accepted(tmp_path: Path) -> None:
    offered = {str(context.abstract_syntax) for context in supported_contexts()}
    wanted = {str(context.abstract_syntax) for context in AllStoragePresentationContexts}
    read = {uid for spec in SPECS.values() for part in spec.images for uid in part.sop_classes}
    assert wanted | read | {"1.2.840.10008.1.1"} == offered
    report = small(SOPClassUID=SR, Modality="SR", PixelData=None, Rows=None)
    image = small(StudyInstanceUID=report.StudyInstanceUID)
    with Door(tmp_path) as door, association(door, (SR, IMPLICIT), (DX, EXPLICIT)) as sender:
        assert [store_dataset(sender, report, IMPLICIT), store_dataset(sender, image)] == [0, 0]
        assert [instance.sop_class for instance in door.received(image.StudyInstanceUID)] == [SR, DX]


def test_an_instance_that_has_changed_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    first = small()
    with Door(tmp_path) as door, association(door) as sender:
        store_dataset(sender, first)
        first.ViewPosition = "PA"
        store_dataset(sender, first)
        (instance,) = door.received(first.StudyInstanceUID)
        assert door.files() == [instance.file]
        assert door.stored(instance).ViewPosition == "PA"


class BrokenSpool(Spool):
    problem = errno.ENOSPC

    def draft(self) -> Any:
        raise OSError(self.problem, CANARY)


class UnwritableSpool(BrokenSpool):
    problem = errno.EIO


class BrokenLedger(Ledger):
    def receive(self, *_: Any) -> str:
        raise RuntimeError(CANARY)


@pytest.mark.parametrize(("status", "changed"), [
    (0xA700, {"spool": FullSpool, "min_free_bytes": 1000}), (0xA700, {"max_object_bytes": 100}), (0xA700, {"spool": BrokenSpool}),
    (0x0110, {"spool": UnwritableSpool}), (0x0110, {"ledger": BrokenLedger}),
])  # fmt: skip
def test_what_cannot_be_kept_stays_with_its_sender(status: int, changed: dict[str, Any], tmp_path: Path) -> None:
    dataset = small()
    with Door(tmp_path, **changed) as door, association(door) as sender:
        assert [store_dataset(sender, dataset), store_dataset(sender, dataset)] == [status, status]
        assert door.received(dataset.StudyInstanceUID) == []
        assert door.receiver.tally().operations == {("C-STORE", status): 2}


def test_an_object_that_is_too_large_does_not_end_the_association(tmp_path: Path) -> None:
    with Door(tmp_path, max_object_bytes=10_000) as door, association(door) as sender:
        assert [store_dataset(sender, dataset) for dataset in (small(), hip(), small())] == [0, 0xA700, 0]


@pytest.mark.parametrize(("status", "changed"), [
    (0xA900, {"SOPInstanceUID": "1.2.3"}), (0xA900, {"SOPClassUID": SR}), (0xC000, {"StudyInstanceUID": None}),
    (0xC000, {"SeriesInstanceUID": None}), (0xC000, {"SOPInstanceUID": None}), (0xC000, {"SOPClassUID": None}),
    (0xC000, {"StudyInstanceUID": "../../etc"}),
])  # fmt: skip
@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_what_is_not_the_instance_that_was_announced_is_refused(status: int, changed: dict[str, Any], tmp_path: Path) -> None:
    dataset = small()
    uid = dataset.SOPInstanceUID
    for keyword, value in changed.items():
        setattr(dataset, keyword, value) if value else delattr(dataset, keyword)
    with Door(tmp_path) as door, association(door) as sender:
        assert store(sender, encoded(dataset, EXPLICIT), uid) == status
        assert store(sender, encoded(dataset, EXPLICIT)[:100], uid) == 0xC000
        assert door.files() == []


def test_an_instance_under_another_presentation_context_is_refused(tmp_path: Path) -> None:
    report = small(SOPClassUID=SR)
    with Door(tmp_path) as door, association(door) as sender:
        assert store_dataset(sender, report) == 0x0122


def test_a_disk_that_is_full_keeps_nothing_half_written(tmp_path: Path) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"half"
        raise OSError(errno.ENOSPC, "")

    with Door(tmp_path) as door:
        with pytest.raises(OSError, match=str(errno.ENOSPC)):
            door.spool.write(pieces())
        assert door.files() == []


def test_success_is_not_said_before_the_ledger_has_it(tmp_path: Path) -> None:
    held, entered, statuses = threading.Event(), threading.Event(), []

    class SlowLedger(Ledger):
        def receive(self, *arguments: Any) -> str:
            entered.set()
            held.wait(10)
            return super().receive(*arguments)

    with Door(tmp_path, ledger=SlowLedger) as door, association(door) as sender:
        storing = threading.Thread(target=lambda: statuses.append(store_dataset(sender, small())))
        storing.start()
        assert entered.wait(10)
        time.sleep(0.1)
        assert (len(door.files()), statuses) == (1, [])
        held.set()
        storing.join(10)
    assert statuses == [0]


def test_a_sender_that_does_not_wait_for_answers_is_cut_off(tmp_path: Path) -> None:
    held = threading.Event()

    class StuckLedger(Ledger):
        def receive(self, *arguments: Any) -> str:
            held.wait(10)
            return super().receive(*arguments)

    with Door(tmp_path, ledger=StuckLedger) as door, association(door) as sender:
        for dataset in (small() for _ in range(6)):
            request(sender, encoded(dataset, EXPLICIT), dataset.SOPInstanceUID)
        time.sleep(0.3)
        held.set()
        wait_until(lambda: sender.is_aborted)


def test_no_patient_is_named_in_a_log_or_a_file_name(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    dataset = small(StudyDescription=CANARY)
    broken = encoded(dataset, EXPLICIT).replace(b"UI", b"XX")
    with Door(tmp_path) as door, association(door) as sender:
        assert [store_dataset(sender, dataset), store(sender, broken, CANARY_ID)] == [0, 0xC000]
        assert store(sender, encoded(dataset, EXPLICIT), f"1.2.{CANARY}") == 0xA900
        (instance,) = door.received(dataset.StudyInstanceUID)
    with Door(tmp_path, ledger=BrokenLedger) as door, association(door) as sender:
        assert store_dataset(sender, dataset) == 0x0110
    formatter = JsonFormatter()
    ours = [record for record in caplog.records if not record.name.startswith("pynetdicom")]
    told = "".join([*capfd.readouterr(), *map(formatter.format, caplog.records), *(str(vars(record)) for record in ours), *door.files()])
    assert '"kind": "RuntimeError"' in told
    assert CANARY.encode() in door.spool.read(instance.file)
    for hidden in (CANARY, CANARY_ID, *CANARY.split("^")):
        assert hidden not in told
    assert CANARY.encode() not in b"".join(path.read_bytes() for path in tmp_path.glob("ledger.db*"))


def test_stopping_lets_an_association_finish(tmp_path: Path) -> None:
    with Door(tmp_path) as door, association(door) as sender:
        stopping = threading.Thread(target=door.receiver.stop)
        stopping.start()
        time.sleep(0.3)  # longer than the server takes to look up
        assert store_dataset(sender, small()) == 0
        with association(door) as late:
            assert not late.is_established
        sender.release()
        stopping.join(10)
        assert not stopping.is_alive()


def test_stopping_ends_an_association_that_does_not(tmp_path: Path) -> None:
    with Door(tmp_path) as door, association(door) as sender:
        door.receiver.stop(grace_s=0.1)
        wait_until(lambda: sender.is_aborted)


def test_stopping_does_not_wait_for_who_has_said_nothing(tmp_path: Path) -> None:
    with Door(tmp_path) as door, socket.create_connection((HERE, door.port)):
        wait_until(lambda: door.receiver._server.active_associations)
        started = time.monotonic()
        door.receiver.stop(grace_s=20)
        assert time.monotonic() - started < 15  # the grace is 20


def test_a_port_that_is_taken_is_an_error_and_stopping_twice_is_none(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        other = Door(tmp_path, port=door.port)
        with pytest.raises(OSError, match="in use"):
            other.receiver.start()
        other.receiver.stop()
        assert other.port == door.port
    door.receiver.stop()

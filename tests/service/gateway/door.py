"""A receiver that runs, and senders: DCMTK's, and one that sends any bytes it is told to."""

from __future__ import annotations

import shutil
import subprocess
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE

from service.gateway.config import Receive
from service.gateway.identity import WHOLE_DEFLATED
from service.gateway.intake import Intake
from service.gateway.ledger import Ledger, Received
from service.gateway.receiver import Receiver
from service.gateway.spool import Spool
from tests.service.studies import hip_dicom

DX = "1.2.840.10008.5.1.4.1.1.1.1"
EXPLICIT, IMPLICIT, BIG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
HERE = "127.0.0.1"
SMALL = {"Rows": 8, "Columns": 8, "PixelData": bytes(range(128))}


class FullSpool(Spool):
    """A disk with little room."""

    def free_bytes(self) -> int:
        return 1000


class Door:
    """A receiver with a spool and a ledger of its own."""

    def __init__(self, folder: Path, spool: type[Spool] = Spool, ledger: type[Ledger] = Ledger, **changed: Any) -> None:
        self.spool = spool(folder / "spool")
        self.ledger = ledger(folder / "ledger.db")
        config = {"port": 0, "any_caller": True, "min_free_bytes": 0, **changed}
        self.receive = Receive(**config)
        self.intake = Intake(self.receive, self.spool, self.ledger, clock=lambda: 1000.0)
        self.receiver = Receiver(self.receive, self.intake)

    def __enter__(self) -> Door:
        self.receiver.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.receiver.stop(grace_s=5.0)
        self.ledger.close()

    @property
    def port(self) -> int:
        return self.receiver.port

    def received(self, *studies: str) -> list[Received]:
        return [instance for study in studies for instance in self.ledger.instances_of(study)]

    def files(self) -> list[str]:
        """Everything that lies in the spool, by name."""
        return sorted(path.name for path in self.spool.root.rglob("*") if path.is_file())

    def stored(self, instance: Received) -> Dataset:
        return dcmread(self.spool.path(instance.file))


def tool(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a tool of DCMTK or GDCM; the test is skipped where it is not installed."""
    needs(name)
    return subprocess.run([name, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=60)


def needs(name: str) -> None:
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")


def storescu(door: Door, *arguments: object, called: str = "CHIASM", calling: str = "MODALITY") -> subprocess.CompletedProcess[str]:
    return tool("storescu", "-aec", called, "-aet", calling, *arguments[:-1], HERE, door.port, arguments[-1])


def echoscu(door: Door, called: str = "CHIASM", calling: str = "MODALITY", *arguments: object) -> subprocess.CompletedProcess[str]:
    return tool("echoscu", "-aec", called, "-aet", calling, *arguments, HERE, door.port)


def hip(**changed: Any) -> Dataset:
    return dcmread(BytesIO(hip_dicom(**changed)))


def small(**changed: Any) -> Dataset:
    return hip(**SMALL | changed)


def encoded(dataset: Dataset, syntax: str) -> bytes:
    """A data set as it travels; pixels of a compressed syntax are whatever stands in it."""
    target = DicomBytesIO()
    target.is_implicit_VR, target.is_little_endian = syntax == IMPLICIT, syntax != BIG
    write_dataset(target, dataset)
    body = target.getvalue()
    if syntax not in WHOLE_DEFLATED:
        return body
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflater.compress(body) + deflater.flush()


@contextmanager
def association(door: Door, *contexts: tuple[str, str], calling: str = "MODALITY", **arguments: Any) -> Iterator[Association]:
    """An association that proposes (SOP class, transfer syntax) pairs; released in the end where it still stands."""
    entity = AE(calling)
    entity.dimse_timeout = entity.acse_timeout = 20
    for sop_class, syntax in contexts or ((DX, EXPLICIT),):
        entity.add_requested_context(sop_class, syntax)
    opened = entity.associate(HERE, door.port, ae_title="CHIASM", **arguments)
    try:
        yield opened
    finally:
        if opened.is_established:
            opened.release()
        opened.kill()


def request(association: Association, data: bytes, sop_uid: str, sop_class: str = DX, syntax: str = EXPLICIT) -> None:
    """Send any bytes as a C-STORE request, under the first presentation context where none was negotiated for it."""
    contexts = association.accepted_contexts
    fitting = [each for each in contexts if (each.abstract_syntax, each.transfer_syntax[0]) == (sop_class, syntax)]
    context = (fitting or contexts)[0]
    message = C_STORE()
    message.MessageID, message.Priority = 1, 2
    message.AffectedSOPClassUID, message.AffectedSOPInstanceUID = sop_class, sop_uid
    message.DataSet = BytesIO(data)
    association.dimse.send_msg(message, context.context_id)


def store(association: Association, data: bytes, sop_uid: str, sop_class: str = DX, syntax: str = EXPLICIT) -> int | None:
    """The status that is answered; None where the association ended instead."""
    association._reactor_checkpoint.clear()
    while not association._is_paused:
        time.sleep(0.001)
    request(association, data, sop_uid, sop_class, syntax)
    response = association.dimse.get_msg(block=True)[1]
    association._reactor_checkpoint.set()
    return None if response is None else int(response.Status)


def store_dataset(association: Association, dataset: Dataset, syntax: str = EXPLICIT) -> int | None:
    return store(association, encoded(dataset, syntax), dataset.SOPInstanceUID, dataset.SOPClassUID, syntax)


def wait_until(condition: Any, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)

"""A report and a page of a hip as they lie in the spool, and a desk from which they are delivered."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset
from sqlalchemy import create_engine, text

from service.gateway.config import DicomDestination, Retry, StowDestination, WebhookDestination
from service.gateway.delivery import Deliverer
from service.gateway.ledger import Ledger, Made, Received
from service.gateway.spool import Spool
from tests.service.formats.dicom.test_dicom import UIDS, rendered
from tests.service.studies import CANARY, CANARY_ID, hip_dicom


@cache
def objects() -> tuple[bytes, bytes]:
    """The report, and its page with few pixels left, so that sending takes no time."""
    report, page = rendered(hip_dicom(**UIDS))
    small = dcmread(BytesIO(page))
    small.Rows, small.Columns, small.PixelData = 8, 8, bytes(range(192))
    target = BytesIO()
    small.save_as(target)
    return report, target.getvalue()


def opened(data: bytes) -> Dataset:
    return dcmread(BytesIO(data))


def archive(port: int, name: str = "pacs", **changed: Any) -> DicomDestination:
    return DicomDestination(**{"kind": "dicom", "name": name, "ae_title": "PACS", "host": "127.0.0.1", "port": port} | changed)


def web(port: int, name: str = "web", **changed: Any) -> StowDestination:
    return StowDestination(**{"kind": "stow", "name": name, "url": f"http://127.0.0.1:{port}/dicom-web"} | changed)


def hook(port: int, name: str = "hook", **changed: Any) -> WebhookDestination:
    return WebhookDestination(**{"kind": "webhook", "name": name, "url": f"http://127.0.0.1:{port}/results"} | changed)


@dataclass
class Desk:
    """Spool, ledger, a clock that a test moves, and what was observed."""

    root: Path
    retry: Retry = field(default_factory=lambda: Retry(first_s=5, attempts=3))
    timeout_s: float = 5.0
    now: float = 1000.0
    observed: list[tuple[str, str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.spool, self.ledger = Spool(self.root / "spool"), Ledger(self.root / "ledger.db")

    def deliverer(self, *destinations: Any, clock: Callable[[], float] | None = None) -> Deliverer:
        note = lambda *each: self.observed.append(each)  # noqa: E731
        return Deliverer(destinations, self.spool, self.ledger, self.retry, clock or (lambda: self.now), note, self.timeout_s)

    def put(self, data: bytes, *destinations: Any, sop_uid: str = "") -> str:
        """Make a delivery of these bytes; the result's name."""
        sop_uid = sop_uid or str(opened(data).SOPInstanceUID)
        study = uuid.uuid4().hex
        self.ledger.receive(Received(study, "1", "1", "1", "1", "0", "0", 1, "CHIASM", "MODALITY"), self.now - 60, 1)
        job = self.ledger.take_job(self.now, 60)
        self.ledger.finish_job(job, [Made(each.name, sop_uid, self.spool.write([data])) for each in destinations], self.now)
        return sop_uid

    def rows(self) -> list[dict[str, Any]]:
        """The deliveries as they stand in the ledger."""
        engine = create_engine(f"sqlite:///{self.root / 'ledger.db'}")
        with engine.connect() as connection:
            rows = [dict(row) for row in connection.execute(text("SELECT * FROM deliveries ORDER BY id")).mappings()]
        engine.dispose()
        return rows

    def row(self) -> dict[str, Any]:
        """The only one; its reason holds no patient and fits."""
        (row,) = self.rows()
        assert not any(part in row["reason"] for part in (*CANARY.split("^"), CANARY_ID))
        assert len(row["reason"]) <= 500
        return row

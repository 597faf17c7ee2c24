"""The gateway as a whole, in this process: doors, metrics, and what it does about results that are to go nowhere."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.api.protocol import BoundedProtocol
from service.gateway.config import GatewayConfig, GatewayConfigError, StowDestination
from service.gateway.errors import TransientError
from service.gateway.ledger import Ledger, Made
from service.gateway.running import LEDGER, gateway, workers
from service.gateway.stow import send
from tests.service.gateway.door import HERE, wait_until
from tests.service.gateway.peers import free_port
from tests.service.gateway.test_ledger import instance
from tests.service.gateway.web_door import PACS, RELATED, ROUTE, WebDoor, related
from tests.service.studies import hip_dicom

SMALL = {"Rows": 8, "Columns": 8, "PixelData": bytes(range(128))}


def config(folder: Path, **changed: Any) -> GatewayConfig:
    told = {"spool": folder, "service": f"http://{HERE}:{free_port()}", "routes": [ROUTE], "destinations": [PACS], "web": {"port": 0}}
    receive = {"port": 0, "any_caller": True, "min_free_bytes": 0, "quiet_s": 600}
    return GatewayConfig.model_validate(told | {"receive": receive, "metrics_port": free_port()} | changed)


def test_both_doors_are_open_and_counted_and_results_for_nobody_become_visible(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / LEDGER)
    ledger.receive(instance("1.2"), 10.0, 5.0)
    job = ledger.take_job(20.0, 60.0)
    assert job is not None
    ledger.finish_job(job, [Made("gone", "9.1", "b.dcm")], 30.0)
    told = config(tmp_path)
    with gateway(told, BoundedProtocol) as doors:
        assert doors.web is not None
        url = f"http://{HERE}:{doors.web.port}/dicom-web/studies"
        assert httpx.post(url, content=related(hip_dicom(**SMALL)), headers={"Content-Type": RELATED}).status_code == 200
        wait_until(ledger.dead_letters)
        page = httpx.get(f"http://{HERE}:{told.metrics_port}/metrics").text
    assert 'chiasm_stow_requests_total{code="200"} 1.0' in page
    assert 'chiasm_stow_instances_total{status_class="success"} 1.0' in page
    assert 'chiasm_gateway_deliveries{state="dead"} 1.0' in page
    ((_, name, _, reason),) = ledger.dead_letters()
    assert (name, reason) == ("gone", "the configuration has no destination of this name")
    assert ledger.counts()["jobs", "collecting"] == 1
    ledger.close()
    assert not [each for each in threading.enumerate() if each.name.startswith(("stow", "receiver"))]


def test_workers_without_a_door_need_a_ledger_that_is_shared(tmp_path: Path) -> None:
    with pytest.raises(GatewayConfigError, match="a ledger that is shared"), workers(config(tmp_path)):
        pass


def test_a_ledger_that_is_not_there_is_named_without_its_password(tmp_path: Path) -> None:
    told = config(tmp_path, ledger=f"postgresql+pg8000://gateway:s3cret@127.0.0.1:{free_port()}/chiasm")
    with pytest.raises(GatewayConfigError, match="the ledger cannot be opened") as caught, gateway(told, BoundedProtocol):
        pass
    assert "s3cret" not in str(caught.value)


def side(folder: Path, name: str) -> dict[str, Path]:
    return {"certificate": folder / f"{name}.pem", "key": folder / f"{name}.key", "authorities": folder / "authority.pem"}


def test_a_destination_is_known_by_the_configured_authorities_and_shown_our_certificate(certificates: Path, tmp_path: Path) -> None:
    """Our sender to our own door, which asks for a certificate."""
    tls, ours = side(certificates, "gateway"), side(certificates, "modality")
    data = hip_dicom(**SMALL, SOPInstanceUID="1.2.3", StudyInstanceUID="1.2.4")
    with WebDoor(tmp_path, {"tls": tls}) as door:
        url = f"https://{HERE}:{door.server.port}/dicom-web"
        for changed in ({}, {"authorities": ours["authorities"]}, ours | {"authorities": certificates / "stranger.pem"}):
            with pytest.raises(TransientError, match="no answer"):
                send(StowDestination(kind="stow", name="vna", url=url, **changed), "1.2.3", data, 10)
        with pytest.raises(TransientError, match="cannot be read"):
            send(StowDestination(kind="stow", name="vna", url=url, **(ours | {"key": tmp_path / "none"})), "1.2.3", data, 10)
        send(StowDestination(kind="stow", name="vna", url=url, **ours), "1.2.3", data, 10)
        assert [each.sop_uid for each in door.received("1.2.4")] == ["1.2.3"]

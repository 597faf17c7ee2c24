"""kill -9 at random points: what was acknowledged is delivered, once, under one UID, whatever died in between.

Eight rounds in every run of the tests; ``CHIASM_KILL_ROUNDS=200`` for as many as one likes.
"""

from __future__ import annotations

import hashlib
import io
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pydicom
import pytest
from pynetdicom import AE, evt

from service.gateway.ledger import Ledger
from service.gateway.running import LEDGER
from tests.contract.conftest import free_port
from tests.contract.gateways import running_gateway, running_worker
from tests.service.gateway.http_server import Reply, Request, serving
from tests.service.gateway.postgres import cluster
from tests.service.studies import hip_dicom

pytestmark = pytest.mark.slow
ROUNDS = int(os.environ.get("CHIASM_KILL_ROUNDS", "8"))
Kept = Callable[[Path], AbstractContextManager[tuple[str, str | Path]]]
DX = "1.2.840.10008.5.1.4.1.1.1.1"
CONFIG = """
spool = "{folder}/spool"
service = "http://127.0.0.1:{service}"
workers = 2
[receive]
port = {port}
any_caller = true
quiet_s = 0.2
min_free_bytes = 0
[retry]
first_s = 0.2
longest_s = 1.0
attempts = 1000
[[routes]]
name = "everything"
model = "bmd"
destinations = ["archive"]
[[destinations]]
kind = "dicom"
name = "archive"
ae_title = "PACS"
host = "127.0.0.1"
port = {archive}
"""


def any_study(request: Request) -> Reply:
    """A service that answers every study with two objects, which have the names that the instances give them; what is in them differs
    each time, so that an object that is made and delivered twice shows."""
    boundary = request.headers["Content-Type"].partition("boundary=")[2].encode()
    sent = [pydicom.dcmread(io.BytesIO(part.partition(b"\r\n\r\n")[2])) for part in request.body.split(b"--" + boundary)[1:-1]]
    names = result_uids([str(each.SOPInstanceUID) for each in sent])
    objects = [hip_dicom(SOPInstanceUID=name, StudyInstanceUID=sent[0].StudyInstanceUID) for name in names]
    answer = b"".join(b"--b\r\nContent-Type: application/dicom\r\n\r\n" + each + b"\r\n" for each in objects) + b"--b--\r\n"
    return Reply(200, answer, {"Content-Type": 'multipart/related; type="application/dicom"; boundary=b'})


def result_uids(instances: list[str]) -> list[str]:
    digest = int.from_bytes(hashlib.sha256("".join(sorted(instances)).encode()).digest()[:12])
    return [f"2.25.{digest}{number}" for number in (1, 2)]


class Archive:
    """Takes results, is taken down and brought up again, and remembers what came for each study."""

    def __init__(self) -> None:
        self.port, self.came, self._server = free_port(), defaultdict(dict), None

    def _store(self, event: evt.Event) -> int:
        dataset = event.dataset
        self.came[str(dataset.StudyInstanceUID)].setdefault(str(dataset.SOPInstanceUID), set()).add(
            hashlib.sha256(event.encoded_dataset(include_meta=False)).hexdigest()
        )
        return 0

    def up(self) -> None:
        entity = AE("PACS")
        entity.add_supported_context(DX)
        self._server = entity.start_server(("127.0.0.1", self.port), block=False, evt_handlers=[(evt.EVT_C_STORE, self._store)])

    def down(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def send(port: int, name: int, folder: Path, acknowledged: set[str]) -> None:
    """One study of two instances; it counts when both were acknowledged."""
    study = f"1.2.{name}"
    paths = [folder / f"{study}.{each}.dcm" for each in (1, 2)]
    for each, path in enumerate(paths, 1):
        path.write_bytes(hip_dicom(SOPInstanceUID=f"{study}.{each}", StudyInstanceUID=study, SeriesInstanceUID=f"{study}.9"))
    sent = subprocess.run(["storescu", "-to", "3", "-ta", "3", "-td", "3", "-aec", "CHIASM", "127.0.0.1", str(port), *paths], check=False)
    if sent.returncode == 0:
        acknowledged.add(study)


def wait_until_settled(ledger: Ledger, seconds: float) -> None:
    until = time.monotonic() + seconds
    waiting = [("jobs", "collecting"), ("jobs", "running"), ("deliveries", "pending")]
    while any(ledger.counts().get(each) for each in waiting):
        assert time.monotonic() < until, ledger.counts()
        time.sleep(0.2)


@contextmanager
def sqlite(folder: Path) -> Iterator[tuple[str, str | Path]]:
    """The ledger as the configuration names it, and its place."""
    yield "", folder / "spool" / LEDGER


@contextmanager
def postgresql(_: Path) -> Iterator[tuple[str, str | Path]]:
    with cluster() as url:
        yield f'ledger = "{url}"\nlease_s = 2\n', url


@pytest.mark.skipif(shutil.which("storescu") is None, reason="storescu (Debian package dcmtk) is not installed")
@pytest.mark.timeout(120 + 20 * ROUNDS)
@pytest.mark.parametrize(("kept", "workers"), [(sqlite, 0), (postgresql, 1)], ids=["SQLite", "PostgreSQL, a worker beside"])
def test_nothing_acknowledged_is_lost_and_nothing_is_delivered_under_two_names(kept: Kept, workers: int, tmp_path: Path) -> None:
    dice, archive, port = random.Random(20261126), Archive(), free_port()  # noqa: S311  not for secrets
    acknowledged: set[str] = set()
    config, python = tmp_path / "gateway.toml", Path(sys.executable)
    archive.up()
    with serving(any_study) as asked, kept(tmp_path) as (said, place), ExitStack() as running:
        config.write_text(said + CONFIG.format(folder=tmp_path, service=asked, port=port, archive=archive.port))
        beside = [running.enter_context(running_worker(python, config)) for _ in range(workers)]
        with running_gateway(python, config, port) as gateway:
            for number in range(ROUNDS):
                senders = [threading.Thread(target=send, args=(port, 10 * number + each, tmp_path, acknowledged)) for each in range(3)]
                for sender in senders:
                    sender.start()
                time.sleep(dice.uniform(0.0, 1.5))
                gateway.kill()
                for worker in beside:
                    if dice.random() < 0.5:
                        worker.kill()
                        worker.start()
                if dice.random() < 0.3:
                    archive.down()
                    archive.up()
                for sender in senders:
                    sender.join()
                gateway.start()
            ledger = Ledger(place)
            wait_until_settled(ledger, 60)
            assert gateway.stop() == 0
        dead = ledger.counts().get(("deliveries", "dead"), 0)
        ledger.close()
    archive.down()
    assert len(acknowledged) >= ROUNDS / 3, sorted(acknowledged)
    for study in acknowledged:
        assert set(result_uids([f"{study}.1", f"{study}.2"])) <= archive.came[study].keys()
    assert {len(bodies) for results in archive.came.values() for bodies in results.values()} == {1}  # one UID never named two contents
    assert dead == 0

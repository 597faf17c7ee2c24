"""A gateway and workers beside it on one PostgreSQL ledger and one spool: a worker that is killed is succeeded, and nothing comes twice."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from pathlib import Path

import pytest

from service.gateway.ledger import Ledger
from tests.contract.conftest import free_port
from tests.contract.gateways import running_gateway, running_worker
from tests.contract.test_gateway_durability import CONFIG, Archive, any_study, result_uids, send, wait_until_settled
from tests.service.gateway.http_server import Reply, Request, serving
from tests.service.gateway.postgres import cluster

pytestmark = pytest.mark.slow
PYTHON = Path(sys.executable)
STUDIES = 6


@pytest.mark.skipif(shutil.which("storescu") is None, reason="storescu (Debian package dcmtk) is not installed")
@pytest.mark.timeout(420)
def test_a_killed_worker_is_succeeded_and_every_study_has_one_result(tmp_path: Path) -> None:
    archive, port, answers = Archive(), free_port(), threading.Event()
    archive.up()
    acknowledged: set[str] = set()

    def service(request: Request) -> Reply:
        answers.wait(300)  # until it is set, whoever asks is in the middle of something
        return any_study(request)

    with cluster() as url, serving(service) as asked:
        config = tmp_path / "gateway.toml"
        shared = f'ledger = "{url}"\nlease_s = 2\n'
        config.write_text(shared + CONFIG.format(folder=tmp_path, service=asked, port=port, archive=archive.port))
        with running_gateway(PYTHON, config, port) as gateway, running_worker(PYTHON, config) as beside:
            for number in range(STUDIES):
                send(port, number, tmp_path, acknowledged)
            ledger = Ledger(url)
            wait_until_running(ledger, 4)  # two threads in each process
            beside.kill()
            answers.set()
            wait_until_settled(ledger, 120)
            assert gateway.stop() == 0
            ledger.close()
    archive.down()
    assert len(acknowledged) == STUDIES
    for study in acknowledged:
        assert set(archive.came[study]) == set(result_uids([f"{study}.1", f"{study}.2"]))
    assert {len(bodies) for results in archive.came.values() for bodies in results.values()} == {1}


def wait_until_running(ledger: Ledger, count: int) -> None:
    until = time.monotonic() + 120
    while ledger.counts().get(("jobs", "running"), 0) < count:
        assert time.monotonic() < until, ledger.counts()
        time.sleep(0.01)

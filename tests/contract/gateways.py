"""The gateway as a process of its own, as it is deployed: started, killed, started again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.contract.conftest import ROOT, clean_environment

START_S = 60


class GatewayProcess:
    """``python -m service gateway run FILE``."""

    def __init__(self, python: Path, config: Path, port: int) -> None:
        self._command = [str(python), "-m", "service", "gateway", "run", str(config)]
        self._port, self._log = port, config.with_suffix(".log")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(self._command, cwd=ROOT, env=clean_environment(), stdout=log, stderr=log)
        until = time.monotonic() + START_S
        while not listens(self._port):
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < until, self.log()
            time.sleep(0.05)

    def kill(self) -> None:
        """As a power cut does it."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(60)

    def log(self) -> str:
        return self._log.read_text()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def running_gateway(python: Path, config: Path, port: int) -> Iterator[GatewayProcess]:
    gateway = GatewayProcess(python, config, port)
    gateway.start()
    try:
        yield gateway
    finally:
        if gateway.process is not None and gateway.process.poll() is None:
            os.kill(gateway.process.pid, signal.SIGKILL)
            gateway.process.wait()

"""The gateway as a process of its own, as it is deployed: started, killed, started again."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.contract.conftest import ROOT, clean_environment

START_S = 60


class Process:
    """``python -m service gateway COMMAND FILE``."""

    def __init__(self, python: Path, command: str, config: Path) -> None:
        self._command = [str(python), "-m", "service", "gateway", command, str(config)]
        self._log = config.with_suffix(f".{command}.log")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(self._command, cwd=ROOT, env=clean_environment(), stdout=log, stderr=log)

    def kill(self) -> None:
        """As a power cut does it; nothing where nothing runs."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(60)

    def log(self) -> str:
        return self._log.read_text()


class GatewayProcess(Process):
    """The gateway, which has started when it listens."""

    def __init__(self, python: Path, config: Path, port: int) -> None:
        super().__init__(python, "run", config)
        self._port = port

    def start(self) -> None:
        super().start()
        assert self.process is not None
        until = time.monotonic() + START_S
        while not listens(self._port):
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < until, self.log()
            time.sleep(0.05)


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
        gateway.kill()


@contextmanager
def running_worker(python: Path, config: Path) -> Iterator[Process]:
    """A process that evaluates and delivers beside the gateway."""
    worker = Process(python, "work", config)
    worker.start()
    try:
        yield worker
    finally:
        worker.kill()

"""Every server of the comparison: how it is started, frozen while another is measured, thawed and stopped."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.form import CONTENT_TYPE
from benchmarks.peers.study import ARTIFACT, CORES, PORT
from benchmarks.serving import processes
from benchmarks.serving.answers import answer_of
from benchmarks.serving.studies import ROOT, Sent
from tests.contract.conftest import free_port

BENCH, SERVE = (ROOT / ".venv" / name / "bin" / "python" for name in ("bench", "serve"))
OURS, RAW = "chiasm", "raw"
START_S = 120.0
STOP_S = 5.0
REFUSALS = 3  # after which a server is taken to be unable
TOLERANCE = 1e-6  # of a peer's answer, for a JSON encoder may round; the service's own is held to the last bit
MAX_BYTES = 64 << 20  # mosec refuses more than 10 MB where nothing is said


@dataclass(frozen=True)
class Kind:
    """What to run, and what it needs in its environment besides the artifact and the port."""

    title: str
    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    package: str = ""

    def version(self) -> str:
        """Of the package that serves, where it is one."""
        if not self.package or not BENCH.exists():
            return ""
        command = [str(BENCH), "-c", f"import importlib.metadata as m; print(m.version('{self.package}'))"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _ours(*, gate: bool) -> Kind:
    python = SERVE if SERVE.exists() else Path(sys.executable)
    settings = {"CHIASM_GATE": str(gate).lower(), "CHIASM_LOG_LEVEL": "error", "CHIASM_THREADS": str(CORES)}
    return Kind("Chiasm, with its gate" if gate else "Chiasm", (str(python), "-m", "service", "serve"), settings)


def _peer(title: str, module: str, package: str, *, arguments: tuple[str, ...] = (), environment: dict[str, str] | None = None) -> Kind:
    return Kind(title, (str(BENCH), "-m", module, *arguments), environment or {}, package)


KINDS = {
    OURS: _ours(gate=False),
    "plain": _peer("plain FastAPI", "benchmarks.peers.plain", "fastapi"),
    "litserve": _peer("LitServe", "benchmarks.peers.lit", "litserve"),
    "mosec": _peer(
        "mosec", "benchmarks.peers.mosec_workers", "mosec",
        environment={"MOSEC_MAX_REQUEST_SIZE": str(MAX_BYTES), "MOSEC_TIMEOUT": "120000", "MOSEC_LOG_LEVEL": "warning"},
    ),
    "bentoml": _peer(
        "BentoML", "bentoml", "bentoml",
        arguments=("serve", "benchmarks.peers.bento:Study", "--quiet"), environment={"BENTOML_DO_NOT_TRACK": "true"},
    ),
    "chiasm-gate": _ours(gate=True),
}  # fmt: skip
DEFAULT = tuple(name for name in KINDS if name != "chiasm-gate")


class AbsentError(Exception):
    """A server cannot be measured; the message says why."""


class Server:
    """One running server."""

    def __init__(self, name: str, model: str, artifacts: Path, logs: Path) -> None:
        self.name, self.port = name, free_port()
        self.is_ours = name.startswith(OURS)
        self.path = f"/predict/{model}" if self.is_ours else "/predict"
        self.log = logs / f"{model}-{name}.log"
        settings = {"CHIASM_PORT": str(self.port), "CHIASM_MODELS": model, "CHIASM_ARTIFACTS": str(artifacts)} if self.is_ours else {}
        settings |= {ARTIFACT: str(artifacts / model), PORT: str(self.port), "MOSEC_PORT": str(self.port), "BENTOML_PORT": str(self.port)}
        settings |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **KINDS[name].environment}
        with self.log.open("wb") as out:
            self._process = subprocess.Popen(
                KINDS[name].command, env=os.environ | settings, cwd=ROOT, stdout=out, stderr=out, start_new_session=True
            )
        self.pid = self._process.pid

    @property
    def alive(self) -> bool:
        """Whether its first process still runs, or stands still."""
        return self._process.poll() is None

    def wait(self, sent: Sent) -> None:
        """Until it answers rightly; AbsentError where it does not."""
        until, refused = time.monotonic() + START_S, 0
        while time.monotonic() < until and refused < REFUSALS:
            if not self.alive:
                raise AbsentError(f"it ended: {self._last_words()}")
            try:
                status, body = self.post(sent)
            except (OSError, http.client.HTTPException):
                time.sleep(0.2)
                continue
            if status == 200:
                return self._check(sent, answer_of(body))
            refused += status != 503  # not ready yet
            time.sleep(0.2)
        if refused:
            raise AbsentError(f"it refuses: {body[:200].decode(errors='replace')}")
        raise AbsentError(f"no answer within {START_S:g} s: {self._last_words()}")

    def post(self, sent: Sent) -> tuple[int, bytes]:
        """One request on a connection of its own: status and body."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_S)) as connection:
            connection.request("POST", self.path, sent.body.read_bytes(), {"Content-Type": CONTENT_TYPE})
            answer = connection.getresponse()
            return answer.status, answer.read()

    def right(self, sent: Sent, found: tuple[float, ...]) -> bool:
        """Whether this is the answer: the service's to the last bit, a peer's within TOLERANCE."""
        if self.is_ours:
            return found == sent.ours
        return len(found) == len(sent.expected) and all(abs(a - b) <= TOLERANCE for a, b in zip(found, sent.expected, strict=True))

    def freeze(self) -> None:
        """Stop every process of it, so that it takes nothing from the one that is measured."""
        processes.signal_tree(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        processes.signal_tree(self.pid, signal.SIGCONT)

    def stop(self) -> None:
        """End it, kindly first."""
        self.thaw()
        self._process.terminate()
        if not processes.ended(self.pid, STOP_S):
            processes.signal_tree(self.pid, signal.SIGKILL)
        self._process.wait()

    def _check(self, sent: Sent, found: tuple[float, ...]) -> None:
        if not self.right(sent, found):
            raise AbsentError(f"it answers {found}, not {sent.ours if self.is_ours else sent.expected}")

    def _last_words(self) -> str:
        lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        return lines[-1][:200] if lines else "without a word"


@contextmanager
def running(names: list[str], model: str, artifacts: Path, first: Sent, logs: Path) -> Iterator[tuple[dict[str, Server], dict[str, str]]]:
    """All servers of one artifact, frozen, and why others are absent."""
    logs.mkdir(parents=True, exist_ok=True)
    servers: dict[str, Server] = {}
    absent: dict[str, str] = {}
    try:
        for name in names:
            try:
                servers[name] = Server(name, model, artifacts, logs)
                servers[name].wait(first)
                servers[name].freeze()
            except (AbsentError, OSError) as error:
                absent[name] = str(error)
                if name in servers:
                    servers.pop(name).stop()
        yield servers, absent
    finally:
        for server in servers.values():
            server.stop()

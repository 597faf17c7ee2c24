"""The measurement itself: rounds of blocks, each of which gives one server, alone on the machine but for the callers, its three phases."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from tqdm import tqdm

from benchmarks.peers.study import ARTIFACT, CORES
from benchmarks.serving import processes
from benchmarks.serving.networks import full_size
from benchmarks.serving.results import Record, Results, abba
from benchmarks.serving.servers import KINDS, RAW, AbsentError, Server, running
from benchmarks.serving.studies import ROOT, Sent, studies

OFFERED = 0.6  # of what the slowest server managed in the warm-up: a load that each can carry
ALONE_SHARE, OFFERED_SHARE, RAW_SHARE = 0.5, 0.75, 1.6  # of the seconds of the closed loop
SETTLE_S = 0.1  # after a server was frozen
PHASES = ("unloaded", "closed", "offered")
WARM_S, START_S, OVERHEAD_S, PREPARE_S = 1.0, 4.0, 0.8, 15.0  # the last three as they usually are, to say how long it will take


@dataclass(frozen=True)
class Plan:
    """What is measured."""

    models: tuple[str, ...]
    payloads: tuple[str, ...]
    servers: tuple[str, ...]
    seconds: float
    rounds: int
    callers: int

    @property
    def block_s(self) -> float:
        """How long a server has its turn."""
        return (1 + ALONE_SHARE + OFFERED_SHARE) * self.seconds + OVERHEAD_S

    @property
    def raw_s(self) -> float:
        """How long the bare network has it."""
        return RAW_SHARE * self.seconds + OVERHEAD_S

    def estimated_s(self, results: Results) -> float:
        """How long what is missing will take."""
        total = 0.0
        for model in self.models:
            some = [results.of(model=model, payload=payload) for payload in self.payloads]
            done = {(r["payload"], r["server"], r["round"]) for records in some for r in records if r["phase"] in ("offered", "raw")}
            names = [(payload, name, number) for payload in self.payloads for name in (RAW, *self.servers) for number in range(self.rounds)]
            left = [key for key in names if key not in done]
            blocks = sum(self.raw_s if name == RAW else self.block_s for _, name, _ in left)
            starts = PREPARE_S + len(self.servers) * (START_S + len(self.payloads) * (WARM_S + OVERHEAD_S))
            total += blocks + (starts if left else 0)
        return total


def machine_settings(plan: Plan) -> Record:
    """What all results of a file share."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    shared = {"seconds": plan.seconds, "callers": plan.callers, "cores": CORES, "cpu": cpu, "onnxruntime": version("onnxruntime")}
    return shared | {"code": _code(), "peers": {kind.title: found for kind in KINDS.values() if (found := kind.version())}}


def _code() -> str:
    """What serves, on both sides."""
    files = [path for folder in ("service", "models", "benchmarks/peers") for path in sorted((ROOT / folder).rglob("*.py"))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]


class Process:
    """A program that answers each JSON line with one."""

    def __init__(self, *command: str, **environment: str) -> None:
        settings = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment}
        self._process = subprocess.Popen(command, cwd=ROOT, env=settings, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self._process.pid

    def ask(self, **command: object) -> dict[str, Any]:
        """Its answer."""
        assert self._process.stdin is not None  # noqa: S101  it is a pipe
        assert self._process.stdout is not None  # noqa: S101
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise AbsentError(f"a process of the benchmark ended with {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin  # noqa: S101
        self._process.stdin.close()
        self._process.wait()


class Run:
    """One run of the plan; what is in `results` already is not measured again.

    Attributes
    ----------
    absent
        Servers that could not be measured, and why.
    sent
        What each model was sent.
    """

    def __init__(self, plan: Plan, results: Results, folder: Path) -> None:
        self.plan, self.results, self.folder = plan, results, folder
        self.absent: dict[str, str] = {}
        self.sent: list[Sent] = []
        shown = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"
        self._bar = tqdm(total=round(plan.estimated_s(results)), bar_format=shown)

    def measure(self) -> None:
        """All models, one after the other."""
        with self._bar, Process(sys.executable, "-m", "benchmarks.serving.load") as self._callers:
            for model in self.plan.models:
                artifact = full_size(model, self.folder / "artifacts")
                sent = studies(model, list(self.plan.payloads), artifact, self.folder / "studies")
                self.sent += sent
                self._bar.update(PREPARE_S)
                if any(self._missing(each, name, number) for each in sent for name in self._names for number in range(self.plan.rounds)):
                    self._rounds(artifact, sent)

    @property
    def _names(self) -> tuple[str, ...]:
        return (RAW, *self.plan.servers)

    def _missing(self, sent: Sent, name: str, number: int) -> list[str]:
        """The phases of a turn that are still to be measured."""
        phases = ("raw",) if name == RAW else PHASES
        return [phase for phase in phases if (sent.model, sent.payload, name, number, phase, sent.digest) not in self.results]

    def _rounds(self, artifact: Path, sent: list[Sent]) -> None:
        with (
            Process(sys.executable, "-m", "benchmarks.peers.raw", **{ARTIFACT: str(artifact)}) as bare,
            running(list(self.plan.servers), sent[0].model, artifact.parent, sent[0], self.folder / "logs") as (servers, absent),
        ):
            self.absent |= absent
            self._bar.update(START_S * len(self.plan.servers))
            if not servers:
                raise AbsentError(f"no server could be started: {absent}")
            rates = {each.payload: self._warmed(each, servers) for each in sent}
            for number in range(self.plan.rounds):
                for each in sent:
                    for name in abba([RAW, *servers], number):
                        self._bar.set_description(f"{each.model}, {each.payload}, round {number + 1} of {self.plan.rounds}, {name}")
                        if name == RAW:
                            self._bare(bare, each, number)
                        elif servers[name].alive:
                            self._turn(servers[name], each, number, rates[each.payload])
                        else:
                            self.absent[name] = "it ended while it was measured"

    def _warmed(self, sent: Sent, servers: dict[str, Server]) -> float:
        """Let every server answer as many callers as it will have; the rate that all will be offered, which stays what it was once."""
        managed = []
        for server in servers.values():
            server.thaw()
            reply = self._ask(server, sent, "closed", WARM_S, callers=self.plan.callers)
            managed.append(reply["status"].count(200) / reply["seconds"])
            server.freeze()
            self._bar.update(WARM_S + OVERHEAD_S)
        known = self.results.of(model=sent.model, payload=sent.payload, phase="rate", of=sent.digest)
        if not known:
            known = [_key(sent, "all", 0, "rate") | {"rate": OFFERED * min(managed)}]
            self.results.add(known[0])
        return float(known[0]["rate"])

    def _turn(self, server: Server, sent: Sent, number: int, rate: float) -> None:
        """One server's three phases; the others stand still."""
        missing = self._missing(sent, server.name, number)
        if not missing:
            return
        server.thaw()
        self._ask(server, sent, "closed", SETTLE_S, callers=1)
        seconds = self.plan.seconds
        asked: dict[str, dict[str, Any]] = {
            "unloaded": {"kind": "closed", "seconds": ALONE_SHARE * seconds, "callers": 1},
            "closed": {"kind": "closed", "seconds": seconds, "callers": self.plan.callers},
            "offered": {"kind": "open", "seconds": OFFERED_SHARE * seconds, "rate": rate, "seed": number},
        }
        for phase in missing:
            before = processes.cpu_s(server.pid), *processes.machine()
            began = time.perf_counter()
            reply = self._ask(server, sent, **asked[phase])
            after, took = (processes.cpu_s(server.pid), *processes.machine()), time.perf_counter() - began
            used, busy, steal = (now - was for now, was in zip(after, before, strict=True))
            right = all(server.right(sent, tuple(answer)) for answer in reply["answers"])
            noted = {"cpu_s": used, "busy_s": busy, "steal_s": steal, "wall_s": took, "right": right, "asked_s": asked[phase]["seconds"]}
            noted["resident_mb"] = processes.resident_mb(server.pid)
            self.results.add(_key(sent, server.name, number, phase) | reply | noted)
        server.freeze()
        self._bar.update(self.plan.block_s)

    def _bare(self, bare: Process, sent: Sent, number: int) -> None:
        """The bare network's turn."""
        if not self._missing(sent, RAW, number):
            return
        result = bare.ask(image=str(sent.image), metadata=sent.metadata, seconds=self.plan.seconds)
        right = tuple(result.pop("answer")) == sent.expected
        self.results.add(_key(sent, RAW, number, "raw") | result | {"right": right})
        self._bar.update(self.plan.raw_s)

    def _ask(self, server: Server, sent: Sent, kind: str, seconds: float, **asked: object) -> Record:
        return self._callers.ask(kind=kind, port=server.port, path=server.path, body=str(sent.body), seconds=seconds, **asked)


def _key(sent: Sent, name: str, number: int, phase: str) -> Record:
    return {"model": sent.model, "payload": sent.payload, "server": name, "round": number, "phase": phase, "of": sent.digest}

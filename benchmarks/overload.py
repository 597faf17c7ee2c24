"""What the service does when five times as much is asked of it as it can do.

    python -m benchmarks.overload [--seconds N] [--deadline-ms MS] [--write FOLDER]

Starts the real service with all models and their reference artifacts, and watches it at rest. Then callers, as many as keep it busy, send
the examples of every model one after the other: the peak. Then five times the peak comes in, at random times and whether or not anything
is answered, each request with a deadline, one in twenty of them STAT; then nothing but one request after the other, until they are
answered as before. Callers run at a low priority in this process, and share the machine with the service.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.form import CONTENT_TYPE, body

ROOT = Path(__file__).resolve().parents[1]
MODELS = ("bmd", "breast", "chest", "alzheimer")
TIMES = 5.0
STAT_SHARE = 0.05
REST_S = 10.0
CALLERS_NICE = 5
WORK = {"decode", "preprocess", "infer", "postprocess", "render"}


@dataclass(frozen=True)
class Answer:
    """One request: for which model, what came back, and after how long."""

    model: str
    status: int
    code: str
    seconds: float
    priority: str
    work_ms: float = 0.0  # what the service says it took, without waiting

    @property
    def refused(self) -> bool:
        """Refused at once, by prediction or for want of a place."""
        return self.code == "overloaded"


@dataclass
class Figures:
    """What was found."""

    idle_percent: float
    resident_mb: dict[str, float]
    weights_mb: float
    peak: list[Answer] = field(default_factory=list)
    load: list[Answer] = field(default_factory=list)
    recovery_s: float = 0.0
    peak_s: float = 0.0
    load_s: float = 0.0


def example(model: str) -> list[tuple[str, str, bytes]]:
    """The parts of a model's example: field, name of the file if it is one, bytes."""
    folder = ROOT / "examples" / model
    files = [path for pattern in ("*.png", "*.gz") for path in sorted(folder.glob(pattern))]
    parts = [(path.name.split(".")[0], path.name, path.read_bytes()) for path in files]
    return [*parts, ("metadata", "", (folder / "metadata.json").read_bytes())]


class Callers:
    """Send to one service, and write down every answer."""

    def __init__(self, port: int, deadline_ms: int) -> None:
        self.answers: list[Answer] = []
        self._port = port
        self._deadline_ms = deadline_ms
        self._bodies = {model: body(example(model)) for model in MODELS}

    async def send(self, model: str, priority: str = "routine", deadline_ms: int | None = None) -> Answer:
        """One request on a connection of its own."""
        sent = time.perf_counter()
        content = self._bodies[model]
        head = (
            f"POST /predict/{model} HTTP/1.1\r\nHost: chiasm\r\nConnection: close\r\nContent-Length: {len(content)}\r\n"
            f"Content-Type: {CONTENT_TYPE}\r\n"
            f"X-Priority: {priority}\r\nX-Deadline-Ms: {deadline_ms or self._deadline_ms}\r\n\r\n"
        ).encode()
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            writer.write(head + content)
            received = await reader.read(-1)
            seconds = time.perf_counter() - sent
            writer.close()
            answer = Answer(model, int(received[9:12]), _code(received), seconds, priority, _work_ms(received))
        except (OSError, ValueError):
            answer = Answer(model, 0, "no answer", time.perf_counter() - sent, priority)
        self.answers.append(answer)
        return answer

    async def closed(self, seconds: float, callers: int) -> None:
        """Callers that each wait for their answer before they send again."""
        until = time.perf_counter() + seconds

        async def call(number: int) -> None:
            while time.perf_counter() < until:
                await self.send(MODELS[number % len(MODELS)], deadline_ms=60_000)
                number += 1

        await asyncio.gather(*(call(number) for number in range(callers)))

    async def open(self, seconds: float, rate: float) -> None:
        """Requests at random times, whether or not anything is answered."""
        chance, pending = random.Random(0), set[asyncio.Task[Answer]]()  # noqa: S311  the same on every run
        due = time.perf_counter()
        until = due + seconds
        while due < until:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            task = asyncio.create_task(self.send(chance.choice(MODELS), "stat" if chance.random() < STAT_SHARE else "routine"))
            pending.add(task)
            task.add_done_callback(pending.discard)
            due += chance.expovariate(rate)
        await asyncio.gather(*pending)


def _code(received: bytes) -> str:
    """The stable code of a problem; empty for an answer."""
    if received[9:12] == b"200":
        return ""
    return str(json.loads(received.partition(b"\r\n\r\n")[2])["code"])


def _work_ms(received: bytes) -> float:
    """The stages of Server-Timing that are work, together."""
    head = received.partition(b"\r\n\r\n")[0].decode("latin-1").lower()
    timing = next((line.partition(":")[2] for line in head.split("\r\n") if line.startswith("server-timing:")), "")
    stages = (each.strip().partition(";dur=") for each in timing.split(",") if each)
    return sum(float(milliseconds) for stage, _, milliseconds in stages if stage in WORK)


@contextmanager
def service() -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The service with every model, ready, and its port."""
    settings = {"CHIASM_PORT": "0", "CHIASM_ARTIFACTS": str(ROOT / "artifacts"), "CHIASM_LOG_LEVEL": "error"}
    command = [sys.executable, "-m", "service", "serve"]
    process = subprocess.Popen(command, env=os.environ | settings, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    try:
        said = [process.stderr.readline() if process.stderr else "" for _ in MODELS]
        assert all("is ready" in line for line in said), said  # noqa: S101
        yield process, int(said[0].rsplit(":", 1)[1].split("/")[0])
    finally:
        process.terminate()
        process.wait(60)


def cpu_s(pid: int) -> float:
    """Processor seconds that the threads of a process have used."""
    return sum(int(file.read_text().split()[0]) for file in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def resident_mb(pid: int) -> float:
    """Memory of a process, without that of its decoders."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def measure(seconds: float, deadline_ms: int) -> Figures:
    """All phases."""
    callers = 2 * len(os.sched_getaffinity(0)) + 4
    with service() as (process, port):
        time.sleep(2)  # what the start left to do
        before = cpu_s(process.pid)
        time.sleep(REST_S)
        idle = 100 * (cpu_s(process.pid) - before) / REST_S
        weights = sum((ROOT / "artifacts" / name / "model.onnx").stat().st_size for name in (*MODELS, "gate")) / 1e6
        found = Figures(idle, {"at rest": resident_mb(process.pid)}, weights)
        os.nice(CALLERS_NICE)
        asyncio.run(_phases(found, port, seconds, callers, deadline_ms))
        found.resident_mb["after"] = resident_mb(process.pid)
        assert live(port)  # noqa: S101
    return found


async def _phases(found: Figures, port: int, seconds: float, callers: int, deadline_ms: int) -> None:
    busy = Callers(port, deadline_ms)
    await busy.closed(5.0, callers)  # warm: the estimates have learned
    busy.answers.clear()
    started = time.perf_counter()
    await busy.closed(seconds, callers)
    found.peak, found.peak_s = busy.answers, time.perf_counter() - started
    crowd = Callers(port, deadline_ms)
    started = time.perf_counter()
    await crowd.open(seconds, TIMES * rate(found.peak, found.peak_s))
    found.load, found.load_s = crowd.answers, seconds
    ended = started + seconds
    usual_s = 2 * float(np.median([answer.seconds for answer in found.peak if answer.status == 200]))
    after, good = Callers(port, deadline_ms), 0
    while good < len(MODELS):  # one of each, none slower than under the closed loop
        answer = await after.send(MODELS[len(after.answers) % len(MODELS)])
        good = good + 1 if answer.status == 200 and answer.seconds <= usual_s else 0
    found.recovery_s = time.perf_counter() - ended


def rate(answers: Sequence[Answer], seconds: float, cost: dict[str, float] | None = None) -> float:
    """Answers a second; where there is a cost of each model, seconds of work a second."""
    return sum(cost[answer.model] if cost else 1.0 for answer in answers if answer.status == 200) / seconds


def live(port: int) -> bool:
    """Whether the service still lives."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/health/live")
    return connection.getresponse().status == 200


def _p99_ms(answers: Sequence[Answer]) -> str:
    return f"{1000 * np.percentile([answer.seconds for answer in answers], 99):.0f} ms" if answers else "none"


def rows(found: Figures, deadline_ms: int) -> list[tuple[str, str]]:
    """What was found, in words and numbers."""
    load, deadline_s = found.load, deadline_ms / 1000
    answered = [each for each in load if each.status == 200]
    good = [each for each in answered if each.seconds <= deadline_s]
    refused = [each for each in load if each.refused]
    let_in = [each for each in load if not each.refused]
    stat = [each for each in answered if each.priority == "stat"]
    asked_stat = sum(each.priority == "stat" for each in load)
    peak = rate(found.peak, found.peak_s)
    cost = {name: float(np.median([each.work_ms for each in found.peak if each.model == name and each.work_ms])) for name in MODELS}
    by_work = rate(good, found.load_s, cost) / rate(found.peak, found.peak_s, cost)
    resident = f"{found.resident_mb['at rest']:.0f} MB, {found.resident_mb['after']:.0f} MB"
    return [
        ("peak, closed loop", f"{peak:.1f} /s"),
        ("offered, open loop", f"{len(load) / found.load_s:.1f} /s"),
        (f"answered within {deadline_s:g} s", f"{len(good) / found.load_s:.1f} /s"),
        ("goodput / peak, by answers", f"{len(good) / found.load_s / peak:.2f}"),
        ("goodput / peak, by work", f"{by_work:.2f}"),
        ("refused at once", f"{len(refused)} of {len(load)}"),
        ("time to refuse, p99", _p99_ms(refused)),
        ("let in and answered in time", f"{100 * len(good) / max(1, len(let_in)):.1f} %"),
        ("STAT answered", f"{len(stat)} of {asked_stat}"),
        ("time to answer STAT, p99", _p99_ms(stat)),
        ("no answer at all", str(sum(each.status == 0 for each in load))),
        ("answered as before, after the load ended", f"{found.recovery_s:.1f} s"),
        ("processor at rest, of one core", f"{found.idle_percent:.2f} %"),
        ("resident at rest, after", resident),
        ("weights of the artifacts", f"{found.weights_mb:.0f} MB"),
    ]


def page(found: Figures, seconds: float, deadline_ms: int, load_before: float) -> str:
    """docs/performance/overload.md."""
    cores = len(os.sched_getaffinity(0))
    lines = [f"| {what} | {value} |" for what, value in rows(found, deadline_ms)]
    return "\n".join([
        "# Five times too much", "",
        f"`make bench-overload`: {seconds:g} s of each phase, four models and the gate, PNG and NIfTI, callers on the same {cores} cores.",
        f"The load average of the machine before was {load_before:.1f}: where that is more than {cores}, others had their share of it too,",
        "and the figures tell more of them than of the service. Cheap models get more answers out of the same share of the time; by work,",
        "each answer counts as what its model's studies took at the peak.", "", "| what | |", "| --- | ---: |", *lines, "",
    ])  # fmt: skip


def main() -> None:
    """Measure, and print or write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="of each phase")
    parser.add_argument("--deadline-ms", type=int, default=2000)
    parser.add_argument("--write", type=Path, help="folder for overload.md")
    given = parser.parse_args()
    load_before = os.getloadavg()[0]
    text = page(measure(given.seconds, given.deadline_ms), given.seconds, given.deadline_ms, load_before)
    print(text)
    if given.write:
        given.write.mkdir(parents=True, exist_ok=True)
        (given.write / "overload.md").write_text(text)


if __name__ == "__main__":
    main()

"""Callers that send the examples of models, in turn or at random, and write down every answer."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.form import CONTENT_TYPE, body
from benchmarks.running import ROOT

STAT_SHARE = 0.05
NICE = 5  # callers share the machine with the service, and come second
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


def example(model: str) -> list[tuple[str, str, bytes]]:
    """The parts of a model's example: field, name of the file if it is one, bytes."""
    folder = ROOT / "examples" / model
    files = [path for pattern in ("*.png", "*.gz") for path in sorted(folder.glob(pattern))]
    parts = [(path.name.split(".")[0], path.name, path.read_bytes()) for path in files]
    return [*parts, ("metadata", "", (folder / "metadata.json").read_bytes())]


class Callers:
    """Send to one service, and write down every answer."""

    def __init__(self, port: int, models: Sequence[str], deadline_ms: int) -> None:
        self.answers: list[Answer] = []
        self._port = port
        self._deadline_ms = deadline_ms
        self._bodies = {model: body(example(model)) for model in models}
        self._models = models

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
                await self.send(self._models[number % len(self._models)], deadline_ms=60_000)
                number += 1

        await asyncio.gather(*(call(number) for number in range(callers)))

    async def open(self, seconds: float, rate: float) -> None:
        """Requests at random times, whether or not anything is answered."""
        chance, pending = random.Random(0), set[asyncio.Task[Answer]]()  # noqa: S311  the same on every run
        due = time.perf_counter()
        until = due + seconds
        while due < until:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            task = asyncio.create_task(self.send(chance.choice(self._models), "stat" if chance.random() < STAT_SHARE else "routine"))
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

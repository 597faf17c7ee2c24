"""The callers, in a process of their own. Commands as JSON lines on stdin, what came back as JSON lines on stdout.

{"kind": "closed", "port": P, "path": "/predict", "body": FILE, "seconds": S, "callers": N}   each waits before it sends again
{"kind": "open", ..., "rate": R, "seed": K}   at random times (Poisson), whether or not anything has been answered
"""

from __future__ import annotations

import asyncio
import json
import random
import resource
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.form import CONTENT_TYPE
from benchmarks.serving.answers import answer_of

STALE_S = 2.0  # servers close a connection that has been idle for longer: from 5 s on
GIVE_UP_S = 120.0


@dataclass
class Connection:
    """One kept HTTP/1.1 connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    used: float = 0.0

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of the answer."""
        self.writer.write(request)
        await self.writer.drain()
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = next(line for line in head.split("\r\n") if line.startswith("content-length:"))
        body = await self.reader.readexactly(int(length.partition(":")[2]))
        self.used = time.perf_counter()
        return int(head[9:12]), body


@dataclass
class Callers:
    """Send one body to one server, and write down what comes back and when."""

    port: int
    request: bytes
    started: float = field(default_factory=time.perf_counter)
    done: list[tuple[float, float, int]] = field(default_factory=list)  # when it was answered, milliseconds, status or 0
    bodies: list[bytes] = field(default_factory=list)
    idle: list[Connection] = field(default_factory=list)

    async def send(self, due: float | None = None) -> None:
        """One request; its time counts from when it was due."""
        began = due or time.perf_counter()
        status, body = 0, b""
        try:
            async with asyncio.timeout(GIVE_UP_S):
                connection = await self._connection()
                status, body = await connection.ask(self.request)
            self.idle.append(connection)
        except (OSError, EOFError, TimeoutError, StopIteration, RuntimeError, ValueError) as error:
            body = repr(error).encode()
        now = time.perf_counter()
        self.done.append((now - self.started, 1000 * (now - began), status))
        self.bodies.append(body)

    async def closed(self, seconds: float, callers: int) -> None:
        """Callers that each wait for their answer before they send again."""
        until = self.started + seconds

        async def call() -> None:
            while time.perf_counter() < until:
                await self.send()

        await asyncio.gather(*(call() for _ in range(callers)))

    async def open(self, seconds: float, rate: float, seed: int) -> None:
        """Requests at random times."""
        chance, pending = random.Random(seed), set[asyncio.Task[None]]()  # noqa: S311  the same on every run
        due = self.started + chance.expovariate(rate)
        while due < self.started + seconds:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            task = asyncio.create_task(self.send(due))
            pending.add(task)
            task.add_done_callback(pending.discard)
            due += chance.expovariate(rate)
        await asyncio.gather(*pending)

    async def close(self) -> None:
        """Let go of every connection."""
        for connection in self.idle:
            connection.writer.close()

    async def _connection(self) -> Connection:
        while self.idle:
            connection = self.idle.pop()
            if time.perf_counter() - connection.used < STALE_S and not connection.reader.at_eof():
                return connection
            connection.writer.close()
        return Connection(*await asyncio.open_connection("127.0.0.1", self.port))


def answers(callers: Callers) -> tuple[list[list[float]], list[str]]:
    """The different answers that came, and the first words of what was no answer."""
    good = {body for body, (_, _, status) in zip(callers.bodies, callers.done, strict=True) if status == 200}
    bad = {body[:200].decode(errors="replace") for body, (_, _, status) in zip(callers.bodies, callers.done, strict=True) if status != 200}
    return sorted({answer_of(body) for body in good}), sorted(bad)[:3]


async def run(asked: dict[str, Any], body: bytes) -> dict[str, Any]:
    """One phase."""
    head = f"POST {asked['path']} HTTP/1.1\r\nHost: bench\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\n\r\n"
    callers = Callers(asked["port"], head.encode() + body)
    used = time.process_time()
    if asked["kind"] == "closed":
        await callers.closed(asked["seconds"], asked["callers"])
    else:
        await callers.open(asked["seconds"], asked["rate"], asked["seed"])
    used, took = time.process_time() - used, time.perf_counter() - callers.started
    await callers.close()
    found, bad = answers(callers)
    columns = [list(column) for column in zip(*callers.done, strict=True)] or [[], [], []]
    names = ("at_s", "ms", "status")
    return {**dict(zip(names, columns, strict=True)), "answers": found, "bad": bad, "seconds": took, "callers_cpu_s": used}


def main() -> None:
    """Answer commands until there are no more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(4096, hard)), hard))
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(asyncio.run(run(asked, Path(asked["body"]).read_bytes()))), flush=True)


if __name__ == "__main__":
    main()

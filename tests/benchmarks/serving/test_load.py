"""The callers: who waits, who does not, and what is written down; against a server that is nothing but a socket."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import asynccontextmanager

import pytest

from benchmarks.serving import processes
from benchmarks.serving.load import run

BODY = b"x" * 100_000


class Counting:
    """Answers every POST; counts connections and how many requests it has at once."""

    def __init__(self, status):
        self.status, self.connections, self.at_once, self.most, self.received = status, 0, 0, 0, []

    async def __call__(self, reader, writer):
        self.connections += 1
        while head := await reader.readuntil(b"\r\n\r\n") if not reader.at_eof() else b"":
            length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
            self.received.append(await reader.readexactly(int(length.split(b":")[1])))
            self.at_once += 1
            self.most = max(self.most, self.at_once)
            await asyncio.sleep(0.01)
            self.at_once -= 1
            answer = json.dumps({"answer": [0.5]}).encode()
            writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (self.status, len(answer), answer))
            await writer.drain()


@asynccontextmanager
async def serving(status=200):
    counting = Counting(status)

    async def take(reader, writer):
        try:
            await counting(reader, writer)
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    async with server:
        yield counting, server.sockets[0].getsockname()[1]


async def ask(port, **asked):
    return await run({"port": port, "path": "/predict", "seconds": 0.2, **asked}, BODY)


async def test_callers_of_a_closed_loop_keep_their_connections_and_wait():
    async with serving() as (server, port):
        found = await ask(port, kind="closed", callers=3)
    assert server.connections == server.most == 3
    assert set(server.received) == {BODY}
    assert len(found["ms"]) == len(server.received) >= 3
    assert set(found["status"]) == {200}
    assert found["answers"] == [(0.5,)]
    assert min(found["ms"]) >= 9


async def test_random_arrivals_come_whether_or_not_anything_was_answered():
    async with serving() as (server, port):
        found = await ask(port, kind="open", rate=300.0, seed=1)
        again = await ask(port, kind="open", rate=300.0, seed=1)
    assert server.most > 1
    assert len(found["ms"]) == len(again["ms"])  # the same arrivals for every server
    assert 30 <= len(found["ms"]) <= 100


async def test_a_refusal_is_written_down_with_its_words():
    async with serving(status=503) as (_, port):
        found = await ask(port, kind="closed", callers=1)
    assert set(found["status"]) == {503}
    assert found["answers"] == []
    assert found["bad"] == ['{"answer": [0.5]}']


async def test_nobody_there_is_no_answer(unused_tcp_port):
    found = await ask(unused_tcp_port, kind="open", rate=50.0, seed=0)
    assert set(found["status"]) == {0}
    assert "ConnectionRefused" in found["bad"][0]


@pytest.fixture
def family():
    """A process in a session of its own that waits for its child; both use the processor."""
    spin = "while True: pass"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', '{spin}'])"
    process = subprocess.Popen([sys.executable, "-c", parent], start_new_session=True)
    yield process
    processes.signal_tree(process.pid, signal.SIGKILL)
    process.wait()


def until(condition):
    while not condition():  # the test's own time limit ends what never comes
        time.sleep(0.02)


def test_a_tree_of_processes_is_counted_together_stands_still_and_goes_on(family):
    until(lambda: len(processes.tree(family.pid)) == 2)
    until(lambda: processes.cpu_s(family.pid) > 0.1)
    processes.signal_tree(family.pid, signal.SIGSTOP)
    until(lambda: all(processes.stat(pid)[0] == "T" for pid in processes.tree(family.pid)))
    still = processes.cpu_s(family.pid)
    time.sleep(0.1)
    assert processes.cpu_s(family.pid) == still
    processes.signal_tree(family.pid, signal.SIGCONT)
    until(lambda: processes.cpu_s(family.pid) > still)
    assert processes.resident_mb(family.pid) > 1
    assert os.getpid() not in processes.tree(family.pid)

"""A fixed number of decoder processes behind a bounded queue. The event loop never decodes and never blocks."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from models.decode import Limits
from models.decode.selftest import Tested
from models.prediction import Reading
from models.spec import ModelSpec
from models.study import Study
from service.decoding import wire
from service.errors import DecoderCrashedError, DecodingTimeoutError, DrainingError, OverloadedError

COMMAND = (sys.executable, "-m", "service.decoding.worker")
ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 60.0  # importing the decoders takes one to two seconds on an idle machine
PIECE_BYTES = 256 << 10  # written at once: the event loop has its turn between two
RESTART_PAUSE_S = 1.0  # between attempts, when a worker cannot even start
MAX_THREADS = 4  # of one worker: each takes address space, which is limited, and a picture has only so many blocks
SMOOTHING = 0.1  # weight of the newest study in the moving average of durations
FIRST_GUESS_S = 0.3


@dataclass(frozen=True)
class Bounds:
    """What one study may cost, and how many may wait."""

    max_queue_size: int = 32
    timeout_s: float = 20.0
    memory_bytes: int = 2 << 30
    studies_per_worker: int = 500  # native decoders leak a little; a fresh process forgets
    cores: int = 1  # that the workers share; one that is alone with its study may use those of the others


class Worker:
    """One decoder process and the socket to it."""

    def __init__(self, command: Sequence[str], bounds: Bounds) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            arguments = (theirs.fileno(), os.getpid(), bounds.memory_bytes, int(bounds.timeout_s) + 1)
            self._process = subprocess.Popen(  # noqa: S603  our own interpreter and module
                [*command, *map(str, arguments)], pass_fds=[theirs.fileno()], env=_environment(), cwd="/",
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,  # stderr stays, until the worker has started
            )
        self._socket = ours
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.studies = 0
        self.tested: tuple[Tested, ...] = ()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    async def start(self) -> None:
        """Wait until the worker is ready for its first study."""
        self._streams = await asyncio.open_connection(sock=self._socket)
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                ready, _ = await self._receive()
        except (EOFError, OSError, TimeoutError):
            raise DecoderCrashedError("a decoder process could not start; its own words are on stderr") from None
        if isinstance(ready, wire.Ready):
            self.tested = ready.tested

    async def read(self, pieces: Iterable[bytes]) -> tuple[wire.Reply, list[bytes]]:
        """Send one study and return the worker's reply."""
        assert self._streams is not None  # noqa: S101  start() came first
        self.studies += 1
        writer = self._streams[1]
        for piece in pieces:
            for start in range(0, len(piece), PIECE_BYTES):
                writer.write(memoryview(piece)[start : start + PIECE_BYTES])
                await writer.drain()
        return await self._receive()

    async def stop(self) -> None:
        """Kill the process and wait for it, so that neither a zombie nor a socket is left."""
        self._process.kill()
        if self._streams is None:
            self._socket.close()
        else:
            writer = self._streams[1]
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        await asyncio.to_thread(self._process.wait)

    async def _receive(self) -> tuple[wire.Reply, list[bytes]]:
        assert self._streams is not None  # noqa: S101  start() came first
        reader = self._streams[0]
        header_bytes = int.from_bytes(await reader.readexactly(wire.PREFIX_BYTES), "little")
        wire.check_size(header_bytes)
        header = wire.decode_reply(await reader.readexactly(header_bytes))
        wire.check_size(header_bytes, sum(header.sizes))
        return header, [await reader.readexactly(size) for size in header.sizes]


class DecoderPool:
    """Reads studies in `workers` processes. A study that kills its worker costs one request; the worker is replaced.

    Parameters
    ----------
    workers
        How many processes.
    limits
        What a file may claim before memory is spent on it.
    bounds
        Time, memory and number of studies.
    command
        How a worker is started; tests start their own.
    on_failure
        Told the class and the place of an unexpected error in a worker, for the log.
    """

    def __init__(
        self, workers: int, limits: Limits, bounds: Bounds, *, command: Sequence[str] = COMMAND,
        on_failure: Callable[[str, list[str]], None] = lambda kind, frames: None,  # noqa: ARG005
    ) -> None:
        self._size = workers
        self._limits = limits
        self._bounds = bounds
        self._command = command
        self._on_failure = on_failure
        self._idle: asyncio.LifoQueue[Worker] = asyncio.LifoQueue()  # the warmest worker first
        self._alive: set[Worker] = set()
        self._specs: dict[int, tuple[ModelSpec, bytes]] = {}  # by identity: a panel of many variants takes long to encode
        self._tasks: set[asyncio.Task[Reading] | asyncio.Task[None]] = set()
        self._waiting = 0
        self._study_s = FIRST_GUESS_S
        self._closed = False

    async def __aenter__(self) -> Self:
        await asyncio.gather(*(self._add() for _ in range(self._size)))
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(self._remove(worker) for worker in list(self._alive)))

    @property
    def pids(self) -> set[int]:
        """The worker processes that are alive."""
        return {worker.pid for worker in self._alive}

    @property
    def tested(self) -> tuple[Tested, ...]:
        """What the decoders of the workers were seen to do: of each syntax, the worst."""
        worst: dict[str, Tested] = {}
        for each in (each for worker in self._alive for each in worker.tested):
            if not each.works or each.syntax not in worst:
                worst[each.syntax] = each
        return tuple(worst.values())

    async def __call__(self, spec: ModelSpec, study: Study) -> Reading:
        """Read one study in the next free worker.

        A caller who leaves does not stop a study that was begun: the worker finishes it, and its answer is dropped.

        Raises
        ------
        StudyError
            What is wrong with the study.
        DecodingTimeoutError, DecoderCrashedError
            What the study did to its worker.
        OverloadedError, DrainingError
            Too many wait already, or the service is stopping.
        """
        worker = await self._wait()
        task = asyncio.create_task(self._read(worker, spec, study))
        self._keep(task)
        return await asyncio.shield(task)

    def _keep(self, task: asyncio.Task[Reading] | asyncio.Task[None]) -> None:
        """Hold a task until it is done; its error is its caller's, who may have left."""

        def forget(done: asyncio.Task[Reading] | asyncio.Task[None]) -> None:
            self._tasks.discard(done)
            if not done.cancelled():
                done.exception()

        self._tasks.add(task)
        task.add_done_callback(forget)

    async def _wait(self) -> Worker:
        if self._closed:
            raise DrainingError("the service is stopping", retry_after_s=1.0)
        if self._idle.empty() and self._waiting >= self._bounds.max_queue_size:
            raise OverloadedError("the decoding queue is full", retry_after_s=(self._waiting + self._size) * self._study_s / self._size)
        self._waiting += 1
        try:
            return await self._idle.get()
        finally:
            self._waiting -= 1

    async def _read(self, worker: Worker, spec: ModelSpec, study: Study) -> Reading:
        started = asyncio.get_running_loop().time()
        intact = False
        try:
            async with asyncio.timeout(self._bounds.timeout_s):
                reply, blobs = await worker.read(wire.order(self._encoded(spec), study, self._limits_now()))
            outcome = wire.reading_of(reply, blobs) if isinstance(reply, wire.Answer) else reply
            intact = worker.studies < self._bounds.studies_per_worker
        except TimeoutError:
            raise DecodingTimeoutError(f"decoding took longer than {self._bounds.timeout_s:g} s") from None
        except (EOFError, OSError, ValueError, OverflowError):  # the worker died, or sent what is no reply
            raise DecoderCrashedError("the decoder died of this study") from None
        finally:
            self._study_s += SMOOTHING * (asyncio.get_running_loop().time() - started - self._study_s)
            self._give_back(worker, intact=intact)
        if isinstance(outcome, Reading):
            return outcome
        if isinstance(outcome, wire.Failure):
            self._on_failure(outcome.kind, outcome.frames)
        raise wire.error_of(outcome)

    def _limits_now(self) -> Limits:
        """The limits of a study that begins now: its decoder may use its share of the cores among the workers that have one."""
        busy = max(1, len(self._alive) - self._idle.qsize())
        return replace(self._limits, threads=min(MAX_THREADS, max(1, self._bounds.cores // busy)))

    def _encoded(self, spec: ModelSpec) -> bytes:
        if id(spec) not in self._specs:
            self._specs[id(spec)] = (spec, spec.model_dump_json().encode())  # held, so that no other can take its identity
        return self._specs[id(spec)][1]

    def _give_back(self, worker: Worker, *, intact: bool) -> None:
        if intact:
            self._idle.put_nowait(worker)
        elif not self._closed:
            self._keep(asyncio.create_task(self._replace(worker)))

    async def _replace(self, worker: Worker) -> None:
        await self._remove(worker)
        while True:
            try:
                await self._add()
            except DecoderCrashedError:
                await asyncio.sleep(RESTART_PAUSE_S)
            else:
                return

    async def _add(self) -> None:
        worker = Worker(self._command, self._bounds)
        self._alive.add(worker)
        try:
            await worker.start()
        except BaseException:
            await self._remove(worker)
            raise
        self._idle.put_nowait(worker)

    async def _remove(self, worker: Worker) -> None:
        self._alive.discard(worker)
        await worker.stop()


def _environment() -> dict[str, str]:
    """No more than a worker needs: no secrets, one thread for each numerical library, no fault handler that prints frames."""
    threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR")}
    paths = os.pathsep.join(path for path in (str(ROOT), os.environ.get("PYTHONPATH", "")) if path)
    return {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1", "LANG": "C.UTF-8", **threads}

"""A fixed number of decoder processes behind lines of bounded length. The event loop never decodes and never blocks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from models.decode import Limits
from models.decode.selftest import Tested
from models.prediction import Reading
from models.spec import ModelSpec
from models.study import Study
from service.decoding import wire
from service.decoding.process import COMMAND, Bounds, Worker
from service.errors import DecoderCrashedError, DecodingTimeoutError, DrainingError
from service.waiting.forecast import Forecast
from service.waiting.lines import Lines, Served
from service.waiting.urgency import WHENEVER, Priority, Urgency

RESTART_PAUSE_S = 1.0  # between attempts, when a worker cannot even start
MAX_THREADS = 4  # of one worker: each takes address space, which is limited, and a picture has only so many blocks
FIRST_GUESS_S = 0.3
QUEUE = "queue"  # the stage of a reading in which it waited


@dataclass(eq=False)
class _Turn:
    """Somebody who waits for a worker."""

    answer: asyncio.Future[tuple[Worker, Served[_Turn]]]


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
    on_drop
        Told the model and why when a study is dropped that no worker has begun.
    """

    def __init__(
        self, workers: int, limits: Limits, bounds: Bounds, *, command: Sequence[str] = COMMAND,
        on_failure: Callable[[str, list[str]], None] = lambda kind, frames: None,  # noqa: ARG005
        on_drop: Callable[[str, str], None] = lambda model, why: None,  # noqa: ARG005
    ) -> None:
        self._size = workers
        self._lines: Lines[_Turn] = Lines(max(1, workers), bounds.max_queue_size, FIRST_GUESS_S, on_drop=on_drop)
        self._limits = [replace(limits, threads=threads) for threads in range(1, MAX_THREADS + 1)]  # by their threads
        self._bounds = bounds
        self._command = command
        self._on_failure = on_failure
        self._idle: list[Worker] = []  # the warmest worker last, to be taken first
        self._alive: set[Worker] = set()
        self._leaving: set[Worker] = set()  # being stopped: a close in between must wait for them too
        self._specs: dict[int, tuple[ModelSpec, bytes]] = {}  # by identity: a panel of many variants takes long to encode
        self._tasks: set[asyncio.Task[Reading] | asyncio.Task[None]] = set()
        self._renewing = asyncio.Lock()  # one at a time: a start takes a core for a second or two
        self._closed = False

    async def __aenter__(self) -> Self:
        await asyncio.gather(*(self._add() for _ in range(self._size)))
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._closed = True
        for place in self._lines.everybody():
            place.who.answer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(self._remove(worker) for worker in [*self._alive, *self._leaving]))

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

    def queued(self, model: str, priority: Priority) -> int:
        """Studies of a class that wait for a worker."""
        return len(self._lines.line(model).classes[priority])

    def forecast(self, model: str, priority: Priority) -> Forecast:
        """How long a study that came now would wait and be read."""
        return self._lines.forecast(model, priority)

    def expecting(self, model: str, priority: Priority) -> AbstractContextManager[None]:
        """Whoever comes meanwhile is behind somebody who is on the way here."""
        return self._lines.expecting(model, priority)

    async def __call__(self, spec: ModelSpec, study: Study, urgency: Urgency = WHENEVER) -> Reading:
        """Read one study in a worker, when it is its turn; the time it waited is the stage `queue` of the reading.

        A caller who leaves does not stop a study that was begun: the worker finishes it, and its answer is dropped.

        Raises
        ------
        StudyError
            What is wrong with the study.
        DecodingTimeoutError, DecoderCrashedError
            What the study did to its worker.
        OverloadedError, DeadlineError, DrainingError
            Too many wait already, it would not be read in time, or the service is stopping.
        """
        came = time.perf_counter()
        worker, served = await self._turn(spec.name, urgency)
        waited_ms = 1000 * (time.perf_counter() - came)
        task = asyncio.create_task(self._read(worker, served, spec, study))
        self._keep(task)
        reading = await asyncio.shield(task)
        return replace(reading, timing_ms={QUEUE: waited_ms, **reading.timing_ms})

    def _keep(self, task: asyncio.Task[Reading] | asyncio.Task[None]) -> None:
        """Hold a task until it is done; its error is its caller's, who may have left."""

        def forget(done: asyncio.Task[Reading] | asyncio.Task[None]) -> None:
            self._tasks.discard(done)
            if not done.cancelled():
                done.exception()

        self._tasks.add(task)
        task.add_done_callback(forget)

    async def _turn(self, model: str, urgency: Urgency) -> tuple[Worker, Served[_Turn]]:
        """Wait for a worker."""
        if self._closed:
            raise DrainingError("the service is stopping", retry_after_s=1.0)
        turn = _Turn(asyncio.get_running_loop().create_future())
        place = self._lines.join(model, urgency, turn)
        self._dispatch()
        try:
            return await turn.answer
        except asyncio.CancelledError:
            if turn.answer.done() and not turn.answer.cancelled() and not turn.answer.exception():  # both came together
                worker, served = turn.answer.result()
                self._lines.end(served, learn=False)
                self._free(worker)
            raise
        finally:
            self._lines.leave(place)

    def _dispatch(self) -> None:
        """Give idle workers to whose turn it is."""
        while self._idle and (place := self._lines.next()):
            place.who.answer.set_result((self._idle.pop(), self._lines.begin([place])))

    def _free(self, worker: Worker) -> None:
        self._idle.append(worker)
        self._dispatch()

    async def _read(self, worker: Worker, served: Served[_Turn], spec: ModelSpec, study: Study) -> Reading:
        intact = False
        try:
            async with asyncio.timeout(self._bounds.timeout_s):
                reply, blobs = await worker.read(wire.order(self._encoded(spec), study, self._limits_now()))
            outcome = wire.reading_of(reply, blobs) if isinstance(reply, wire.Answer) else reply
            intact = True
        except TimeoutError:
            raise DecodingTimeoutError(f"decoding took longer than {self._bounds.timeout_s:g} s") from None
        except (EOFError, OSError, ValueError, OverflowError):  # the worker died, or sent what is no reply
            raise DecoderCrashedError("the decoder died of this study") from None
        finally:
            self._lines.end(served)
            self._give_back(worker, intact=intact)
        if isinstance(outcome, Reading):
            return outcome
        if isinstance(outcome, wire.Failure):
            self._on_failure(outcome.kind, outcome.frames)
        raise wire.error_of(outcome)

    def _limits_now(self) -> Limits:
        """The limits of a study that begins now: its decoder may use its share of the cores among the workers that have one."""
        busy = max(1, len(self._alive) - len(self._idle))
        return self._limits[min(MAX_THREADS, max(1, self._bounds.cores // busy)) - 1]

    def _encoded(self, spec: ModelSpec) -> bytes:
        if id(spec) not in self._specs:
            self._specs[id(spec)] = (spec, spec.model_dump_json().encode())  # held, so that no other can take its identity
        return self._specs[id(spec)][1]

    def _give_back(self, worker: Worker, *, intact: bool) -> None:
        if self._closed:
            return
        if worker.retired or not intact:
            self._keep(asyncio.create_task(self._remove(worker) if worker.renewed else self._replace(worker)))
            return
        self._free(worker)
        if worker.studies >= self._bounds.studies_per_worker and not worker.renewed:
            worker.renewed = True
            self._keep(asyncio.create_task(self._renew(worker)))

    async def _renew(self, worker: Worker) -> None:
        """A worker that has read enough goes on until another is ready: workers that began together would be missed together."""
        async with self._renewing:
            await self._start_another()
        worker.retired = True
        if worker in self._idle:
            self._idle.remove(worker)
            await self._remove(worker)

    async def _replace(self, worker: Worker) -> None:
        await self._remove(worker)
        await self._start_another()

    async def _start_another(self) -> None:
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
        self._free(worker)

    async def _remove(self, worker: Worker) -> None:
        self._alive.discard(worker)
        self._leaving.add(worker)
        await worker.stop()
        self._leaving.discard(worker)

"""A bounded queue before a function that computes on batches. Nobody waits in vain.

A slot that comes free takes what waits, at most `max_batch_size` requests; it never waits for more to come. On the CPU,
single requests side by side on one session beat larger batches (60 against 56 images a second on two cores), so there
the batch size is 1 and the slots are the cores.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from service.engine.slots import Slots
from service.errors import DrainingError, OverloadedError

Tensors = dict[str, NDArray[np.float32]]
SMOOTHING = 0.1  # weight of the newest run in the moving average: some ten runs are remembered
FIRST_GUESS_S = 0.05  # what a run is taken to last before any was seen


@dataclass(frozen=True)
class Inference:
    """The outputs of one request, without the batch axis, and how long it waited and ran."""

    outputs: Tensors
    queue_s: float
    infer_s: float


@dataclass(eq=False)
class _Request:
    tensors: Tensors
    answer: asyncio.Future[Inference]
    queued_at: float = field(default_factory=time.perf_counter)


class Batcher:
    """Runs `run` for many callers, in the slots that come free, the rest waiting in a bounded queue.

    Parameters
    ----------
    run
        Tensors (B, ...) to tensors (B, ...). It is called from several threads at once.
    slots
        The runs that may go on at the same time, shared with the queues of other models.
    max_queue_size
        How many requests may wait; the next one is refused with OverloadedError.
    max_batch_size
        How many waiting requests one run may take.
    """

    def __init__(self, run: Callable[[Tensors], Tensors], *, slots: Slots, max_queue_size: int, max_batch_size: int = 1) -> None:
        self._run = run
        self._slots = slots
        self._max_queue_size = max_queue_size
        self._max_batch_size = max_batch_size
        self._queue: deque[_Request] = deque()
        self._running: dict[asyncio.Task[None], list[_Request]] = {}
        self._run_s = FIRST_GUESS_S
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Cancel whoever waits, release the runs in flight, take nothing more."""
        self._closed = True
        for request in [*self._queue, *(request for batch in self._running.values() for request in batch)]:
            request.answer.cancel()
        self._queue.clear()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    @property
    def queued(self) -> int:
        """Requests that wait for a slot."""
        return len(self._queue)

    @property
    def predicted_wait_s(self) -> float:
        """How long a request that came now would wait for its slot."""
        ahead = len(self._queue) + sum(map(len, self._running.values()))
        return ahead * self._run_s / (self._slots.count * self._max_batch_size)

    async def __call__(self, tensors: Tensors) -> Inference:
        """Wait for a slot, run, and return this request's part of the outputs.

        Raises
        ------
        OverloadedError
            The queue is full; `retry_after_s` is the predicted wait.
        DrainingError
            The batcher is closed.
        """
        if self._closed:
            raise DrainingError("the service is stopping", retry_after_s=1.0)
        if self._slots.full and len(self._queue) >= self._max_queue_size:
            raise OverloadedError("the inference queue is full", retry_after_s=self.predicted_wait_s)
        request = _Request(tensors, asyncio.get_running_loop().create_future())
        self._queue.append(request)
        self._dispatch()
        try:
            return await request.answer
        finally:
            if request in self._queue:  # the caller left: its place is free at once
                self._queue.remove(request)

    def _dispatch(self) -> None:
        while not self._closed and self._waits() and self._slots.take(self._dispatch):
            batch = self._next()
            task = asyncio.create_task(self._serve(batch))
            self._running[task] = batch
            task.add_done_callback(self._release)

    def _waits(self) -> bool:
        """Whether anybody who is still there waits; who has left is forgotten."""
        while self._queue and self._queue[0].answer.done():
            self._queue.popleft()
        return bool(self._queue)

    def _next(self) -> list[_Request]:
        """The longest waiting requests whose callers are still there."""
        batch: list[_Request] = []
        while self._queue and len(batch) < self._max_batch_size:
            request = self._queue.popleft()
            if not request.answer.done():
                batch.append(request)
        return batch

    def _release(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        self._dispatch_later()
        self._slots.give()

    def _dispatch_later(self) -> None:
        """Stand in line for the slot that is about to be given back: behind the queues that stand there already."""
        if not self._closed and self._waits():
            self._slots.ask(self._dispatch)

    async def _serve(self, batch: list[_Request]) -> None:
        started = time.perf_counter()
        loop = asyncio.get_running_loop()
        try:
            outputs = await loop.run_in_executor(self._slots.threads, self._run, _stack(batch))
        except Exception as error:  # noqa: BLE001  whatever the function raises belongs to its callers, not to this loop
            await self._fail(batch, error)
            return
        infer_s = time.perf_counter() - started
        self._run_s += SMOOTHING * (infer_s - self._run_s)
        for row, request in enumerate(batch):
            if not request.answer.done():
                mine = {name: output[row] for name, output in outputs.items()}
                request.answer.set_result(Inference(mine, started - request.queued_at, infer_s))

    async def _fail(self, batch: list[_Request], error: Exception) -> None:
        """An error reaches only the request that caused it: a batch of several is run again one by one."""
        if len(batch) == 1:
            if not batch[0].answer.done():
                batch[0].answer.set_exception(error)
            return
        for request in batch:
            await self._serve([request])


def _stack(batch: list[_Request]) -> Tensors:
    """Requests' tensors (...) -> one batch (B, ...)."""
    return {name: np.stack([request.tensors[name] for request in batch]) for name in batch[0].tensors}

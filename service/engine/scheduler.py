"""The compute slots, shared by all models, and who has one next: the rules stand in `service.waiting.lines`.

Event-driven: a slot that comes free, or a request that finds one free, is what makes something run. Nothing polls, nothing sleeps.
A slot takes what waits, at most `max_batch_size` requests of one model. On the CPU it never waits for more to come: single requests side
by side on one session beat larger batches (60 against 56 images a second on two cores), so there the batch size is 1 and the slots are
the cores. A request that is alone may have all of them, where that was measured to pay. On a GPU a slot may wait up to two milliseconds
for a fuller batch, while nothing else is to be done: the rule stands in `service.waiting.patience`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

from service.engine.batch import Inference, Request, Run, Tensors, serve
from service.engine.cores import Homes
from service.engine.modes import Modes
from service.errors import DrainingError
from service.waiting.duration import Duration
from service.waiting.forecast import Forecast
from service.waiting.line import Line, Place
from service.waiting.lines import Lines, Served
from service.waiting.patience import together, worth_waiting_s
from service.waiting.urgency import WHENEVER, Priority, Urgency

FIRST_GUESS_S = 0.05  # what a run is taken to last before any was seen


class Scheduler:
    """Runs what batchers are asked for, `slots` runs at a time.

    Parameters
    ----------
    slots
        The runs that may go on side by side: the cores.
    max_slots
        What `resize` may make of them.
    max_queue_size, clock, on_drop
        As for `Lines`.
    homes
        Where the threads of the runs are at home, if anywhere.
    """

    def __init__(
        self, slots: int, *, max_queue_size: int, max_slots: int = 0, clock: Callable[[], float] = time.monotonic,
        on_drop: Callable[[str, str], None] = lambda model, why: None,  # noqa: ARG005
        homes: Homes | None = None,
    ) -> None:
        self.lines: Lines[Request] = Lines(slots, max_queue_size, FIRST_GUESS_S, clock, on_drop)
        self._threads = ThreadPoolExecutor(max(slots, max_slots), thread_name_prefix="infer")
        self._batchers: dict[str, Batcher] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}  # of models for which a slot waits for a fuller batch
        self._waited = ""  # the model for which it has just waited
        self._running: dict[asyncio.Task[None], list[Place[Request]]] = {}
        self._homes = homes or Homes(0)
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Cancel whoever waits, release the runs in flight, take nothing more."""
        self._closed = True
        for timer in self._timers.values():
            timer.cancel()
        for place in [*self.lines.everybody(), *(place for places in self._running.values() for place in places)]:
            place.who.answer.cancel()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def open(self, model: str, run: Run, *, max_batch_size: int = 1, find_modes: Callable[[Tensors], Modes] | None = None) -> Batcher:
        """The door of one model.

        Parameters
        ----------
        run
            Tensors (B, ...) to tensors (B, ...). It is called from several threads at once.
        max_batch_size
            How many waiting requests one run may take.
        find_modes
            Finds out with one study's tensors in which modes the network may run here; asked by `Batcher.settle`.
        """
        self._batchers[model] = Batcher(self, model, Modes(run, max_batch_size=max_batch_size), find_modes)
        return self._batchers[model]

    async def submit(self, model: str, tensors: Tensors, urgency: Urgency) -> Inference:
        """Wait for a slot, run, and return the request's part of the outputs. Raises as a batcher does."""
        if self._closed:
            raise DrainingError("the service is stopping", retry_after_s=1.0)
        request = Request(tensors, asyncio.get_running_loop().create_future(), urgency.deadline)
        place = self.lines.join(model, urgency, request)
        self._dispatch()
        try:
            return await request.answer
        finally:
            self.lines.leave(place)  # a caller who left: the place is free at once

    def resize(self, slots: int) -> None:
        """From now on so many runs go on side by side."""
        self.lines.servers = slots
        self._dispatch()

    def _dispatch(self) -> None:
        """Give free slots to whose turn it is, unless it pays to wait."""
        while not self._closed and self.lines.free > 0 and not self._waits() and (place := self.lines.next()):
            modes = self._batchers[place.line.model].modes
            batch = [place, *self.lines.companions(place, self._size(place, modes) - 1)]
            alone = self.lines.free == self.lines.servers and len(batch) == 1 and not len(self.lines) and not self.lines.coming
            if alone and modes.wide:
                self._begin(batch, modes.wide, slots=self.lines.servers, learn=False)
            else:
                self._begin(batch, modes.narrow, slots=1, learn=True)

    def _size(self, place: Place[Request], modes: Modes) -> int:
        """How many to run together with a request that has been taken out of its line, itself included."""
        if modes.placement is None or not modes.placement.run_s:
            return modes.max_batch_size
        line = place.line
        slack_s = min(self.lines.slack_s(line, modes.max_batch_size), place.urgency.deadline - self.lines.now())
        return min(modes.max_batch_size, together(1 + len(line), modes.placement.run_s, slack_s))

    def _waits(self) -> bool:
        """Whether a free slot waits for a fuller batch of the model whose turn it is, while nobody of another model waits.

        A timer ends it, and whoever fills the batch cancels the timer.
        """
        line = self.lines.foremost()
        if line is None:
            return False
        wait_s = 0.0 if len(self.lines) > len(line) else self._worth_waiting_s(line)
        if not wait_s or line.model == self._waited:
            if timer := self._timers.pop(line.model, None):
                timer.cancel()
            return False
        if line.model not in self._timers:
            self._timers[line.model] = asyncio.get_running_loop().call_later(wait_s, self._wait_ended, line.model)
        return True

    def _wait_ended(self, model: str) -> None:
        del self._timers[model]
        self._waited = model
        self._dispatch()
        self._waited = ""

    def _worth_waiting_s(self, line: Line[Request]) -> float:
        placement = self._batchers[line.model].modes.placement
        if placement is None or not placement.run_s:
            return 0.0
        slack_s = self.lines.slack_s(line, len(line))
        return worth_waiting_s(len(line), placement.run_s, self.lines.arrivals_per_s(line), slack_s)

    def _begin(self, batch: list[Place[Request]], run: Run, *, slots: int, learn: bool) -> None:
        served = self.lines.begin(batch, slots)
        placed = self._homes.placed(run, full=slots == 1 and self.lines.free == 0)
        task = asyncio.create_task(serve([place.who for place in batch], placed, self._threads))
        self._running[task] = batch
        task.add_done_callback(lambda done: self._end(done, served, learn=learn))

    def _end(self, task: asyncio.Task[None], served: Served[Request], *, learn: bool) -> None:
        del self._running[task]
        self.lines.end(served, learn=learn)
        self._dispatch()


class Batcher:
    """The door of one model: tensors in, an inference out, whichever batch it ran in. Made by `Scheduler.open`."""

    def __init__(self, scheduler: Scheduler, model: str, modes: Modes, find_modes: Callable[[Tensors], Modes] | None) -> None:
        self.modes = modes
        self._scheduler = scheduler
        self._model = model
        self._find_modes = find_modes

    async def __call__(self, tensors: Tensors, urgency: Urgency = WHENEVER) -> Inference:
        """Wait for a slot, run, and return this request's part of the outputs.

        Raises
        ------
        OverloadedError, DeadlineError
            It would not be, or was not, answered in time, or too many wait already.
        DrainingError
            The scheduler is closed.
        """
        return await self._scheduler.submit(self._model, tensors, urgency)

    def queued(self, priority: Priority) -> int:
        """Requests of a class that wait for a slot."""
        return len(self._scheduler.lines.line(self._model).classes[priority])

    def forecast(self, priority: Priority) -> Forecast:
        """How long a request that came now would wait and run."""
        return self._scheduler.lines.forecast(self._model, priority)

    def expecting(self, priority: Priority) -> AbstractContextManager[None]:
        """Whoever comes meanwhile is behind somebody who is on the way here."""
        return self._scheduler.lines.expecting(self._model, priority)

    def move(self, modes: Modes, run_s: float = 0.0) -> None:
        """Run in other modes from now on; where a run takes another time there, `run_s`, what was learned of it is forgotten."""
        self.modes = modes
        if run_s:
            self._scheduler.lines.line(self._model).duration = Duration(run_s)

    async def settle(self, tensors: Tensors) -> None:
        """Find out in which modes the network may run here, and run in them from now on."""
        if self._find_modes is None:
            return
        self.modes = await asyncio.to_thread(self._find_modes, tensors)
        if self.modes.alone_ms:
            self._scheduler.lines.line(self._model).duration.observe(self.modes.alone_ms[1] / 1000)

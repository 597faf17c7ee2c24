"""The scheduler waits for a fuller batch by that rule: a timer, which whoever fills the batch makes unnecessary, and no polling."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager

import numpy as np
import pytest

from service.engine.batch import Tensors
from service.engine.modes import Modes, Placement
from service.engine.scheduler import Scheduler
from service.waiting import patience
from service.waiting.urgency import Priority, Urgency

RUN_S = {1: 0.5, 2: 0.9, 4: 1.6}


class Network:
    """Doubles, and remembers the sizes of its batches."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def __call__(self, tensors: Tensors) -> Tensors:
        self.sizes.append(len(tensors["x"]))
        return {"y": 2 * tensors["x"]}


@asynccontextmanager
async def serving(slots: int = 1, *, run_s=RUN_S, busy: float = 10.0):
    """A model on a device, into which `busy` requests came in a second of late."""
    network = Network()
    async with Scheduler(slots, max_queue_size=99) as scheduler:
        batcher = scheduler.open("m", network)
        placement = Placement("CUDAExecutionProvider", run_s=run_s)
        batcher.move(Modes(network, max_batch_size=max(run_s, default=1), placement=placement))
        scheduler.lines.line("m").arrivals.add(10 * busy, time.monotonic())
        yield scheduler, batcher, network


def ask(batcher, count: int, within_s: float = 600.0):
    urgency = Urgency(Priority.ROUTINE, time.monotonic() + within_s)
    return [asyncio.create_task(batcher({"x": np.float32([value])}, urgency)) for value in range(count)]


@pytest.fixture
def patient(monkeypatch):
    """Waits last until they are ended, so that no loaded machine decides a test."""
    monkeypatch.setattr(patience, "LONGEST_S", 30.0)
    monkeypatch.setattr(patience, "SATURATED", 0.0)


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.usefixtures("patient")
async def test_a_batch_that_fills_up_is_run_at_once_and_the_timer_is_gone():
    async with serving(run_s={1: 0.5, 4: 40.0}) as (scheduler, batcher, network):
        tasks = ask(batcher, 3)
        await settled()
        assert (network.sizes, scheduler._timers.keys()) == ([], {"m"})
        tasks += ask(batcher, 1)
        await asyncio.gather(*tasks)
        assert (network.sizes, scheduler._timers) == ([4], {})


async def test_a_timer_ends_the_wait():
    async with serving() as (_, batcher, network):
        answers = await asyncio.gather(*ask(batcher, 1))
    assert (network.sizes, answers[0].outputs["y"].tolist()) == ([1], [0.0])


@pytest.mark.usefixtures("patient")
async def test_on_a_machine_that_has_time_left_nobody_waits(monkeypatch):
    monkeypatch.setattr(patience, "SATURATED", 0.85)
    async with serving(busy=1.0) as (scheduler, batcher, network):
        tasks = ask(batcher, 1)
        await settled()
        assert scheduler._timers == {}
        await asyncio.gather(*tasks)
    assert network.sizes == [1]


@pytest.mark.usefixtures("patient")
async def test_nobody_waits_on_the_cpu():
    async with serving(run_s={}) as (scheduler, batcher, network):
        tasks = ask(batcher, 3)
        await settled()
        assert scheduler._timers == {}
        await asyncio.gather(*tasks)
    assert network.sizes == [1, 1, 1]


@pytest.mark.usefixtures("patient")
async def test_nobody_waits_while_another_model_has_work():
    async with serving() as (scheduler, batcher, network):
        other = scheduler.open("other", Network())
        tasks = ask(batcher, 1)
        await settled()
        assert (network.sizes, scheduler._timers.keys()) == ([], {"m"})
        tasks += ask(other, 1)
        await asyncio.gather(*tasks)
        assert (network.sizes, scheduler._timers) == ([1], {})


@pytest.mark.usefixtures("patient")
async def test_nobody_waits_for_what_would_make_them_late():
    async with serving(run_s={1: 0.01, 2: 30.0}) as (scheduler, batcher, network):
        tasks = ask(batcher, 1, within_s=20.0)
        await settled()
        assert scheduler._timers == {}
        await asyncio.gather(*tasks)
    assert network.sizes == [1]


@pytest.mark.usefixtures("patient")
async def test_who_leaves_during_the_wait_is_not_run():
    async with serving() as (scheduler, batcher, network):
        (task,) = ask(batcher, 1)
        await settled()
        task.cancel()
        await settled()
        await asyncio.gather(*ask(batcher, 4))
        assert (network.sizes, scheduler._timers) == ([4], {})


@pytest.mark.usefixtures("patient")
async def test_closing_ends_the_wait():
    async with serving() as (scheduler, batcher, network):
        (task,) = ask(batcher, 1)
        await settled()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert network.sizes == []
    assert all(timer.cancelled() for timer in scheduler._timers.values())


async def test_more_run_side_by_side_after_it_was_given_more_slots():
    async with Scheduler(1, max_queue_size=9, max_slots=3) as scheduler:
        going, most, gate = 0, 0, asyncio.Event()
        loop = asyncio.get_running_loop()

        def note(change: int) -> None:
            nonlocal going, most
            going += change
            most = max(most, going)

        def network(tensors: Tensors) -> Tensors:
            loop.call_soon_threadsafe(note, 1)
            asyncio.run_coroutine_threadsafe(gate.wait(), loop).result(10)
            loop.call_soon_threadsafe(note, -1)
            return tensors

        batcher = scheduler.open("m", network)
        tasks = ask(batcher, 3)
        for _ in range(20000):
            await asyncio.sleep(0.001)
            if going == 1:
                scheduler.resize(3)
            if going == 3:
                break
        gate.set()
        await asyncio.gather(*tasks)
        assert most == 3

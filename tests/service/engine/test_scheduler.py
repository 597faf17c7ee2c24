import asyncio
import threading
import time
from contextlib import asynccontextmanager

import numpy as np
import pytest

from service.engine.batch import Inference, Tensors
from service.engine.modes import Modes
from service.engine.scheduler import Batcher, Scheduler
from service.errors import DeadlineError, DrainingError, OverloadedError
from service.waiting.urgency import Priority, Urgency

STAT, ROUTINE, BATCH = Priority


class Doubler:
    """A network that doubles its input, remembers what it was given, and waits until it is let go."""

    def __init__(self, *, held: bool = False) -> None:
        self.batches: list[list[float]] = []
        self.threads: set[str] = set()
        self.open = threading.Event()
        if not held:
            self.open.set()

    def __call__(self, tensors: Tensors) -> Tensors:
        self.batches.append(tensors["x"][:, 0].tolist())
        self.threads.add(threading.current_thread().name)
        self.open.wait(10)
        if np.isnan(tensors["x"]).any():
            raise ValueError("a poisoned row")
        return {"y": tensors["x"] * 2}


def one(value: float) -> Tensors:
    return {"x": np.array([value], np.float32)}


@asynccontextmanager
async def serving(network, slots: int, max_queue_size: int, max_batch_size: int = 1):
    async with Scheduler(slots, max_queue_size=max_queue_size) as scheduler:
        yield scheduler.open("m", network, max_batch_size=max_batch_size)


def ask(batcher: Batcher, value: float, priority: Priority = ROUTINE, within_s: float = 60.0) -> asyncio.Task:
    return asyncio.create_task(batcher(one(value), Urgency(priority, time.monotonic() + within_s)))


async def until(condition) -> None:
    for _ in range(5000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise TimeoutError


async def test_everyone_gets_the_answer_to_their_own_question():
    async with serving(Doubler(), 2, 100) as batcher:
        answers = await asyncio.gather(*(batcher(one(value)) for value in range(50)))
    assert [answer.outputs["y"].tolist() for answer in answers] == [[2.0 * value] for value in range(50)]
    assert all(isinstance(answer, Inference) and answer.infer_s > 0 and answer.queue_s >= 0 for answer in answers)


async def test_as_many_run_side_by_side_as_there_are_slots_and_not_one_more():
    network = Doubler(held=True)
    async with serving(network, 2, 10) as batcher:
        tasks = [asyncio.create_task(batcher(one(value))) for value in range(3)]
        await until(lambda: len(network.batches) == 2)
        await asyncio.sleep(0.02)
        assert (len(network.batches), batcher.queued(ROUTINE)) == (2, 1)
        network.open.set()
        await asyncio.gather(*tasks)
    assert len(network.threads) == 2


async def test_a_full_queue_refuses_at_the_door_and_says_when_to_come_back():
    network = Doubler(held=True)
    async with serving(network, 1, 1) as batcher:
        tasks = [asyncio.create_task(batcher(one(value))) for value in range(2)]
        await until(lambda: batcher.queued(ROUTINE) == 1)
        with pytest.raises(OverloadedError) as refused:
            await batcher(one(3))
        network.open.set()
        await asyncio.gather(*tasks)
        assert 0 < refused.value.retry_after_s <= 0.1  # two requests ahead, 50 ms each until a run was measured
        assert (await batcher(one(4))).outputs["y"].tolist() == [8.0]


async def test_the_predicted_wait_follows_the_measured_runs():
    def slow(tensors: Tensors) -> Tensors:
        time.sleep(0.2)
        return tensors

    async with serving(slow, 1, 8) as batcher:
        for _ in range(3):
            await batcher(one(1))
        task = asyncio.create_task(batcher(one(1)))
        await asyncio.sleep(0)
        assert 0.05 < batcher.forecast(ROUTINE).wait_s <= 1.0
        assert batcher.forecast(ROUTINE).run_s >= 0.2
        await task


async def test_a_caller_who_left_is_not_computed_and_frees_the_place():
    network = Doubler(held=True)
    async with serving(network, 1, 1) as batcher:
        first = asyncio.create_task(batcher(one(1)))
        left = asyncio.create_task(batcher(one(2)))
        await until(lambda: batcher.queued(ROUTINE) == 1)
        left.cancel()
        await asyncio.gather(left, return_exceptions=True)
        third = asyncio.create_task(batcher(one(3)))  # the place is free again
        network.open.set()
        await asyncio.gather(first, third)
    assert network.batches == [[1.0], [3.0]]


async def test_closing_cancels_who_waits_and_releases_the_run_in_flight():
    network = Doubler(held=True)
    async with asyncio.timeout(10), serving(network, 1, 4) as batcher:
        tasks = [asyncio.create_task(batcher(one(value))) for value in range(3)]
        await until(lambda: network.batches)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    network.open.set()
    assert [type(result) for result in results] == [asyncio.CancelledError] * 3
    assert network.batches == [[0.0]]
    with pytest.raises(DrainingError):
        await batcher(one(1))


async def test_an_error_reaches_only_the_request_that_caused_it():
    network = Doubler(held=True)
    async with serving(network, 1, 8, max_batch_size=4) as batcher:
        tasks = [asyncio.create_task(batcher(one(value))) for value in (0, 1, float("nan"), 3)]
        await until(lambda: batcher.queued(ROUTINE) == 3)
        network.open.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(result, ValueError) for result in results] == [False, False, True, False]
    assert results[3].outputs["y"].tolist() == [6.0]


async def test_a_free_slot_takes_what_waits_up_to_the_batch_size_and_never_waits_for_more():
    network = Doubler(held=True)
    async with serving(network, 1, 8, max_batch_size=3) as batcher:
        tasks = [asyncio.create_task(batcher(one(value))) for value in range(6)]
        await until(lambda: batcher.queued(ROUTINE) == 5)
        network.open.set()
        await asyncio.gather(*tasks)
    assert network.batches == [[0.0], [1.0, 2.0, 3.0], [4.0, 5.0]]


async def test_an_idle_batcher_does_not_wake_up():
    async with serving(Doubler(), 2, 8) as batcher:
        await batcher(one(1))
        before = time.process_time()
        await asyncio.sleep(0.3)
        assert time.process_time() - before < 0.03


async def test_a_stat_request_overtakes_those_that_wait_and_not_the_run_in_flight():
    network = Doubler(held=True)
    async with serving(network, 1, 9) as batcher:
        tasks = [ask(batcher, value, priority) for value, priority in enumerate((ROUTINE, BATCH, ROUTINE, STAT))]
        await until(lambda: sum(map(batcher.queued, Priority)) == 3)
        network.open.set()
        await asyncio.gather(*tasks)
    assert network.batches == [[0.0], [3.0], [2.0], [1.0]]


async def test_the_earliest_deadline_is_next():
    network = Doubler(held=True)
    async with serving(network, 1, 9) as batcher:
        tasks = [ask(batcher, value, within_s=within_s) for value, within_s in enumerate((50, 40, 20, 30))]
        await until(lambda: batcher.queued(ROUTINE) == 3)
        network.open.set()
        await asyncio.gather(*tasks)
    assert network.batches == [[0.0], [2.0], [3.0], [1.0]]


async def test_what_is_too_late_is_dropped_before_it_runs():
    network, dropped, now = Doubler(held=True), [], [1000.0]
    async with Scheduler(1, max_queue_size=9, clock=lambda: now[0], on_drop=lambda *what: dropped.append(what)) as scheduler:
        batcher = scheduler.open("m", network)
        tasks = [asyncio.create_task(batcher(one(value), Urgency(ROUTINE, 1000.0 + within_s))) for value, within_s in enumerate((9, 2, 60))]
        await until(lambda: batcher.queued(ROUTINE) == 2)
        now[0] += 5.0
        network.open.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[1], DeadlineError)
    assert (network.batches, dropped) == ([[0.0], [2.0]], [("m", "expired")])


async def test_a_flood_on_one_model_leaves_the_other_its_turns():
    order, gate = [], threading.Event()

    def network(name):
        def run(tensors):
            gate.wait(10)
            order.append(name)
            return tensors

        return run

    async with Scheduler(1, max_queue_size=50) as scheduler:
        a, b = (scheduler.open(name, network(name)) for name in "ab")
        tasks = [*(ask(a, 0) for _ in range(20)), *(ask(b, 0) for _ in range(5))]
        await until(lambda: a.queued(ROUTINE) + b.queued(ROUTINE) == 24)
        gate.set()
        await asyncio.gather(*tasks)
    assert len(order) == 25
    assert "b" in order[:3], "the first turn that comes free is the other's"


async def test_a_refusal_is_at_once_and_the_place_is_there_when_the_others_are_served():
    network = Doubler(held=True)
    async with serving(network, 1, 99) as batcher:
        tasks = [ask(batcher, value) for value in range(9)]
        await until(lambda: batcher.queued(ROUTINE) == 8)
        with pytest.raises(OverloadedError) as refused:
            await ask(batcher, 9, within_s=0.3)  # 50 ms each until a run was measured
        assert refused.value.reason == "predicted_wait"
        assert 0.3 < refused.value.retry_after_s <= 0.45
        network.open.set()
        await asyncio.gather(*tasks)
        assert (await ask(batcher, 9)).outputs["y"].tolist() == [18.0]


async def test_one_that_another_is_on_the_way_to_join_has_one_core():
    narrow, wide = Doubler(), Doubler()
    async with Scheduler(2, max_queue_size=9) as scheduler:
        modes = Modes(narrow, wide, alone_ms={1: 10.0, 2: 5.0})
        batcher, other = scheduler.open("m", narrow, find_modes=lambda _: modes), scheduler.open("other", narrow)
        await batcher.settle(one(0))
        with other.expecting(ROUTINE):
            await batcher(one(1))
        await until(lambda: scheduler.lines.free == 2)
        await batcher(one(2))
    assert (narrow.batches, wide.batches) == ([[1.0]], [[2.0]])


async def test_one_that_is_alone_has_all_cores_and_those_of_a_crowd_one_each():
    narrow, wide = Doubler(), Doubler(held=True)
    async with Scheduler(2, max_queue_size=9) as scheduler:
        modes = Modes(narrow, wide, alone_ms={1: 10.0, 2: 5.0})
        batcher = scheduler.open("m", narrow, find_modes=lambda _: modes)
        await batcher.settle(one(0))
        tasks = [ask(batcher, value) for value in range(4)]
        await until(lambda: wide.batches)
        assert (wide.batches, narrow.batches, batcher.queued(ROUTINE)) == ([[0.0]], [], 3)
        wide.open.set()
        answers = await asyncio.gather(*tasks)
    assert sorted(narrow.batches) == [[1.0], [2.0], [3.0]]
    assert [answer.outputs["y"].tolist() for answer in answers] == [[0.0], [2.0], [4.0], [6.0]]

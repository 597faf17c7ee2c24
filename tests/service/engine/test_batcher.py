import asyncio
import threading
import time

import numpy as np
import pytest

from service.engine.batcher import Batcher, Inference, Tensors
from service.engine.slots import Slots
from service.errors import DrainingError, OverloadedError


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


async def until(condition) -> None:
    for _ in range(5000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise TimeoutError


async def test_everyone_gets_the_answer_to_their_own_question():
    async with Batcher(Doubler(), slots=Slots(2), max_queue_size=100) as batcher:
        answers = await asyncio.gather(*(batcher(one(value)) for value in range(50)))
    assert [answer.outputs["y"].tolist() for answer in answers] == [[2.0 * value] for value in range(50)]
    assert all(isinstance(answer, Inference) and answer.infer_s > 0 and answer.queue_s >= 0 for answer in answers)


async def test_as_many_run_side_by_side_as_there_are_slots_and_not_one_more():
    network = Doubler(held=True)
    async with Batcher(network, slots=Slots(2), max_queue_size=10) as batcher:
        tasks = [asyncio.create_task(batcher(one(value))) for value in range(3)]
        await until(lambda: len(network.batches) == 2)
        await asyncio.sleep(0.02)
        assert (len(network.batches), batcher.queued) == (2, 1)
        network.open.set()
        await asyncio.gather(*tasks)
    assert len(network.threads) == 2


async def test_a_full_queue_refuses_at_the_door_and_says_when_to_come_back():
    network = Doubler(held=True)
    async with Batcher(network, slots=Slots(1), max_queue_size=1) as batcher:
        tasks = [asyncio.create_task(batcher(one(value))) for value in range(2)]
        await until(lambda: batcher.queued == 1)
        with pytest.raises(OverloadedError) as refused:
            await batcher(one(3))
        network.open.set()
        await asyncio.gather(*tasks)
        assert refused.value.retry_after_s == pytest.approx(0.1)  # two requests ahead, 50 ms each until a run was measured
        assert (await batcher(one(4))).outputs["y"].tolist() == [8.0]


async def test_the_predicted_wait_follows_the_measured_runs():
    def slow(tensors: Tensors) -> Tensors:
        time.sleep(0.2)
        return tensors

    async with Batcher(slow, slots=Slots(1), max_queue_size=8) as batcher:
        for _ in range(3):
            await batcher(one(1))
        task = asyncio.create_task(batcher(one(1)))
        await asyncio.sleep(0)
        assert 0.05 < batcher.predicted_wait_s <= 0.25
        await task


async def test_a_caller_who_left_is_not_computed_and_frees_the_place():
    network = Doubler(held=True)
    async with Batcher(network, slots=Slots(1), max_queue_size=1) as batcher:
        first = asyncio.create_task(batcher(one(1)))
        left = asyncio.create_task(batcher(one(2)))
        await until(lambda: batcher.queued == 1)
        left.cancel()
        await asyncio.gather(left, return_exceptions=True)
        third = asyncio.create_task(batcher(one(3)))  # the place is free again
        network.open.set()
        await asyncio.gather(first, third)
    assert network.batches == [[1.0], [3.0]]


async def test_closing_cancels_who_waits_and_releases_the_run_in_flight():
    network = Doubler(held=True)
    batcher = Batcher(network, slots=Slots(1), max_queue_size=4)
    async with asyncio.timeout(2), batcher:
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
    async with Batcher(network, slots=Slots(1), max_queue_size=8, max_batch_size=4) as batcher:
        tasks = [asyncio.create_task(batcher(one(value))) for value in (0, 1, float("nan"), 3)]
        await until(lambda: batcher.queued == 3)
        network.open.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(result, ValueError) for result in results] == [False, False, True, False]
    assert results[3].outputs["y"].tolist() == [6.0]


async def test_a_free_slot_takes_what_waits_up_to_the_batch_size_and_never_waits_for_more():
    network = Doubler(held=True)
    async with Batcher(network, slots=Slots(1), max_queue_size=8, max_batch_size=3) as batcher:
        tasks = [asyncio.create_task(batcher(one(value))) for value in range(6)]
        await until(lambda: batcher.queued == 5)
        network.open.set()
        await asyncio.gather(*tasks)
    assert network.batches == [[0.0], [1.0, 2.0, 3.0], [4.0, 5.0]]


async def test_an_idle_batcher_does_not_wake_up():
    async with Batcher(Doubler(), slots=Slots(2), max_queue_size=8) as batcher:
        await batcher(one(1))
        before = time.process_time()
        await asyncio.sleep(0.3)
        assert time.process_time() - before < 0.03


async def test_two_models_share_the_slots_and_take_turns():
    order = []

    def network(name):
        def run(tensors):
            order.append(name)
            time.sleep(0.002)
            return tensors

        return run

    slots = Slots(1)
    async with Batcher(network("a"), slots=slots, max_queue_size=50) as a, Batcher(network("b"), slots=slots, max_queue_size=50) as b:
        await asyncio.gather(*(a(one(0)) for _ in range(20)), *(b(one(0)) for _ in range(5)))
    assert set(order[:4]) == {"a", "b"}, "a long queue leaves the other its turn"
    assert order[:10].count("b") >= 4
    assert len(order) == 25


async def test_a_model_that_leaves_gives_its_turn_to_the_others():
    slots = Slots(1)
    network = Doubler(held=True)
    async with Batcher(Doubler(), slots=slots, max_queue_size=5) as other:
        batcher = Batcher(network, slots=slots, max_queue_size=5)
        tasks = [asyncio.create_task(batcher(one(0))) for _ in range(3)]
        await until(lambda: network.batches)
        waits = asyncio.create_task(other(one(3)))
        await asyncio.sleep(0)
        network.open.set()
        await batcher.__aexit__(None, None, None)
        assert (await asyncio.wait_for(waits, 5)).outputs["y"].tolist() == [6.0]
        assert all(task.cancelled() or isinstance(task.exception(), BaseException) for task in tasks if task.done())

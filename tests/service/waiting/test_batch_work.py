"""What batch work gets while routine work waits: its share, and no more."""

import random

import numpy as np
import pytest

from service.waiting.lines import PASSED_PER_OWED
from tests.service.waiting.world import BATCH, ROUTINE, STAT, World


@pytest.mark.parametrize("took", [{"a": 1.0, "b": 1.0}, {"a": 1.0, "b": 4.0}, {"a": 0.5, "b": 0.1}])
async def test_batch_work_has_its_share_of_what_routine_work_passes_it_and_no_more(took):
    world = World()
    for _ in range(300):
        world.come("a", ROUTINE)
        world.come("b", BATCH)
    world.serve(10, took)  # until the guesses are forgotten
    served = world.serve(250, took)
    spent = {model: served.count(model) * seconds for model, seconds in took.items()}
    assert spent["a"] / spent["b"] == pytest.approx(PASSED_PER_OWED, rel=0.15)


async def test_a_flood_of_batch_work_holds_up_routine_work_by_no_more_than_its_share():
    """Half of a server is routine work; three servers' worth of batch work would wait."""
    world, chance, waited, begun = World(guess_s=0.3, max_queue_size=10_000), random.Random(3), [], 0  # noqa: S311
    routine, batch = (sorted(100 + chance.uniform(0, 300) for _ in range(count)) for count in (500, 3000))
    while world.now < 400:
        while routine and routine[0] <= world.now:
            world.come("a", ROUTINE, name=routine.pop(0))
        while batch and batch[0] <= world.now:
            world.come("a", BATCH, name=batch.pop(0))
        place = world.lines.next()
        if place is None:
            world.now += 0.01
            continue
        if place.urgency.priority is ROUTINE:
            waited.append(world.now - place.who.name)
        begun += place.urgency.priority is BATCH
        running = world.lines.begin([place])
        world.now += 0.3
        world.lines.end(running)
    assert np.median(waited) < 0.6
    assert np.percentile(waited, 99) < 3.0
    assert begun * 0.3 / 300 > 0.4, "and batch work has what routine work leaves"


async def test_batch_work_that_nobody_passes_is_owed_nothing_and_stat_work_always_overtakes():
    world = World()
    for _ in range(40):
        world.come("a", ROUTINE)
    world.serve(40)
    world.come("b", BATCH, name="batch")
    for _ in range(int(PASSED_PER_OWED) + 1):
        world.come("a", ROUTINE)
    assert "batch" not in world.serve(int(PASSED_PER_OWED))
    world.come("a", STAT, name="stat")
    assert world.serve(3) == ["stat", "batch", "a"]


async def test_what_batch_work_is_owed_is_forgotten_when_it_has_left_and_nobody_waits():
    world, passed = World(), int(PASSED_PER_OWED)
    gone = world.come("b", BATCH)
    for _ in range(passed):
        world.come("a", ROUTINE)
    world.serve(passed)  # and now batch work would have its turn
    world.lines.leave(gone)
    assert world.lines.next() is None
    world.come("b", BATCH, name="batch")
    for _ in range(passed):
        world.come("a", ROUTINE)
    assert "batch" not in world.serve(passed)

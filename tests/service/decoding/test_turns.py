"""Whose turn it is for a decoder: the rules of the lines hold here as before the networks."""

import asyncio
import time
from dataclasses import replace

from models.decode import Limits
from service.decoding.pool import DecoderPool
from service.errors import DeadlineError
from service.waiting.urgency import Priority, Urgency
from tests.service.decoding.test_pool import BOUNDS, HOSTILE, SPEC, alive, pool, study


async def test_a_stat_study_overtakes_in_the_decoders_too_and_what_is_too_late_is_not_decoded():
    order, dropped = [], []

    async def read(decode: DecoderPool, name: str, urgency: Urgency) -> None:
        await decode(SPEC, study(sleep=0.3 if name == "first" else 0.0), urgency)
        order.append(name)

    bounds = replace(BOUNDS, max_queue_size=9)
    async with DecoderPool(1, Limits(max_pixels=77), bounds, command=HOSTILE, on_drop=lambda *what: dropped.append(what)) as decode:
        now, tasks = time.monotonic(), []
        asked = {"first": (1, 60), "batch": (2, 60), "late": (1, 60), "routine": (1, 50), "stat": (0, 60)}
        for name, (priority, within_s) in asked.items():
            tasks.append(asyncio.create_task(read(decode, name, Urgency(Priority(priority), now + within_s))))
            await asyncio.sleep(0)
        late = next(place for place in decode._lines.everybody() if place.number == 2)
        late.line.remove(late)
        late.urgency = Urgency(deadline=now)  # its time is over
        late.line.insert(late)
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert order == ["first", "stat", "routine", "batch"]
    assert isinstance(results[2], DeadlineError)
    assert dropped == [("bmd", "expired")]


async def test_a_worker_that_comes_free_for_somebody_who_leaves_at_that_moment_is_not_lost():
    async with pool() as decode:
        worker = decode._idle.pop()
        task = asyncio.create_task(alive(decode))
        await asyncio.sleep(0)
        decode._free(worker)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert (decode._idle, decode._lines.free, len(decode._lines)) == ([worker], 1, 0)
        assert (await alive(decode)).quality[0].detail == "bmd"

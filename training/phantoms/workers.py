"""Cases drawn side by side, in their order."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

from training.processes import end_with_parent

T = TypeVar("T")


def mapped(one: Callable[[int], T], cases: int, workers: int) -> Iterator[T]:
    """`one` of 0 to `cases` - 1, in this process or in several. A fork of a process with threads may never wake up: they are spawned."""
    if workers == 1 or cases < 2:
        yield from map(one, range(cases))
        return
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=end_with_parent) as pool:
        yield from pool.map(one, range(cases), chunksize=8)

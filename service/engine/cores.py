"""How many cores this process may use, and which of them a run is on."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")
CPU_MAX = Path("/sys/fs/cgroup/cpu.max")  # cgroup v2: "<quota> <period>" in microseconds, or "max <period>"


def available(cpu_max: Path = CPU_MAX) -> int:
    """Cores that the scheduler grants: the affinity mask, and the container's quota where there is one. At least one."""
    granted = len(os.sched_getaffinity(0))
    try:
        quota, period = cpu_max.read_text().split()
        granted = min(granted, int(quota) // int(period))
    except (OSError, ValueError):  # no quota: "max", cgroup v1, or not Linux's usual place
        pass
    return max(1, granted)


class Homes:
    """A core for each thread that runs networks, if there are as many threads as cores; else the system alone places them.

    While every slot is taken, a run keeps to the core of its thread. Woken where the event loop happens to be, it waited there for
    a time slice, and its own core was idle: 2 % of the machine. While a core is free, the system knows better which one it is.
    """

    def __init__(self, threads: int, allowed: Iterable[int] | None = None) -> None:
        self._allowed = frozenset(os.sched_getaffinity(0) if allowed is None else allowed)
        self._vacant = sorted(self._allowed) if threads == len(self._allowed) > 1 else []
        self._apply = bool(self._vacant)
        self._mine = threading.local()

    def placed(self, run: Callable[[A], B], *, full: bool) -> Callable[[A], B]:
        """`run`, on the core of the thread that calls it if all slots are taken, on any if not."""

        def there(argument: A) -> B:
            self._move(at_home=full)
            return run(argument)

        return there if self._apply else run

    def _move(self, *, at_home: bool) -> None:
        mine = self._mine
        if not hasattr(mine, "home"):
            mine.home, mine.now = frozenset({self._vacant.pop()}), self._allowed
        wanted = mine.home if at_home else self._allowed
        if mine.now is not wanted:
            mine.now = wanted
            with suppress(OSError):  # the container may have lost that core, or may not choose: it stays where it is
                os.sched_setaffinity(0, wanted)

"""The runs that may go on side by side, shared by the queues of all models: no model gets more of the machine by having a queue."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


class Slots:
    """`count` slots and as many threads. A queue that finds none free is called again when it is its turn, in the order of asking."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.threads = ThreadPoolExecutor(count, thread_name_prefix="infer")
        self._free = count
        self._turns: deque[Callable[[], None]] = deque()

    @property
    def full(self) -> bool:
        """Whether no slot is free."""
        return self._free == 0

    def take(self, again: Callable[[], None]) -> bool:
        """Take a slot; where none is free, `again` is called once one is, and whoever asked before has had theirs."""
        if self._free:
            self._free -= 1
            return True
        self.ask(again)
        return False

    def ask(self, again: Callable[[], None]) -> None:
        """Stand in line, once."""
        if again not in self._turns:
            self._turns.append(again)

    def give(self) -> None:
        """Give a slot back: the next in turn may take it."""
        self._free += 1
        for _ in range(len(self._turns)):
            if not self._free:
                return
            self._turns.popleft()()

    def close(self) -> None:
        """Let the threads end; what runs is not waited for."""
        self.threads.shutdown(wait=False, cancel_futures=True)

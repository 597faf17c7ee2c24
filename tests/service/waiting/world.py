"""Lines on a clock that the tests turn."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass

from service.waiting.forecast import MARGIN
from service.waiting.line import Place
from service.waiting.lines import Lines
from service.waiting.urgency import Priority, Urgency

STAT, ROUTINE, BATCH = Priority


@dataclass(eq=False)
class Caller:
    name: object
    answer: asyncio.Future


class World:
    """Lines before servers whose work takes as long as it is said to."""

    def __init__(self, servers: int = 1, max_queue_size: int = 1000, guess_s: float = 1.0) -> None:
        self.now = 100.0
        self.dropped: list[tuple[str, str]] = []
        self.lines: Lines[Caller] = Lines(servers, max_queue_size, guess_s, lambda: self.now, lambda *what: self.dropped.append(what))
        self.served: list[object] = []

    def come(self, model: str = "a", priority: Priority = ROUTINE, within_s: float = math.inf, name: object = None) -> Place[Caller]:
        """To the door, and stand in line at once."""
        self.lines.forecast(model, priority).check(Urgency(priority, self.now + within_s), self.now, MARGIN[priority])
        return self.join(model, priority, within_s, name)

    def join(self, model: str = "a", priority: Priority = ROUTINE, within_s: float = math.inf, name: object = None) -> Place[Caller]:
        caller = Caller(model if name is None else name, asyncio.get_running_loop().create_future())
        return self.lines.join(model, Urgency(priority, self.now + within_s), caller)

    def serve(self, count: int = 1, seconds: dict[str, float] | float = 1.0) -> list[object]:
        """Serve one after the other; who it was."""
        before = len(self.served)
        for _ in range(count):
            place = self.lines.next()
            if place is None:
                break
            began = self.lines.begin([place])
            self.now += seconds if isinstance(seconds, float) else seconds[place.line.model]
            self.lines.end(began)
            self.served.append(place.who.name)
        return self.served[before:]

    def busy(self, model: str = "a") -> None:
        """Let one begin and not end."""
        self.come(model)
        self.lines.begin([self.lines.next()])

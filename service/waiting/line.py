"""Who waits for one model, in order."""

from __future__ import annotations

import asyncio
from bisect import bisect_left, insort
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from service.waiting.duration import Duration, Inflow
from service.waiting.urgency import Priority, Urgency


class Waits(Protocol):
    """Somebody in a line: the future is set when it was served, or will not be."""

    answer: asyncio.Future[Any]


T = TypeVar("T", bound=Waits)


@dataclass(eq=False)
class Place(Generic[T]):
    """A place in a line."""

    who: T
    line: Line[T]
    urgency: Urgency
    since: float
    number: int
    waited: bool  # whether somebody was ahead when it came

    @property
    def order(self) -> tuple[float, int]:
        """Within its class and line."""
        return self.urgency.deadline, self.number


class Line(Generic[T]):
    """Who waits for one model."""

    def __init__(self, model: str, first_guess_s: float) -> None:
        self.model = model
        self.duration = Duration(first_guess_s)
        self.arrivals = Inflow()  # requests
        self.served_s = [0.0 for _ in Priority]  # virtual time: where this line stands against the others of each class
        self.classes: tuple[list[Place[T]], ...] = tuple([] for _ in Priority)
        self.coming = [0 for _ in Priority]  # let in, and on their way

    def __len__(self) -> int:
        return sum(map(len, self.classes))

    def insert(self, place: Place[T]) -> None:
        """Put in order."""
        insort(self.classes[place.urgency.priority], place, key=lambda each: each.order)

    def remove(self, place: Place[T]) -> bool:
        """Take out; whether it was still there."""
        waiting = self.classes[place.urgency.priority]
        index = bisect_left(waiting, place.order, key=lambda each: each.order)
        there = index < len(waiting) and waiting[index] is place
        if there:
            del waiting[index]
        return there

    def ahead(self, priority: Priority, *, coming: bool) -> int:
        """How many of a class are ahead of one who comes now: those who wait and, if it has only come to the door, those on their way."""
        return len(self.classes[priority]) + coming * self.coming[priority]

    def work_s(self, priority: Priority, *, coming: bool) -> float:
        """Predicted seconds of those ahead."""
        return self.ahead(priority, coming=coming) * self.duration.mean_s

"""One line for each model before a number of servers, and the rules of who is next.

1. The most urgent class that waits: stat, routine, batch. Batch work that has waited for AGEING_S counts as routine; nothing ever
   becomes stat.
2. Within a class, the model that was served least in it, in predicted seconds: start-time fair queueing (Goyal, SIGCOMM 1996). A flood
   on one model leaves the others their share, and an idle model saves up nothing.
3. Within a model, the earliest deadline, then the earliest arrival.

Whoever has left, or can no longer be served in time, is dropped before it is served. Whoever could not be served in time is not let in.
"""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Generic, Protocol, TypeVar

from service.errors import DeadlineError, OverloadedError
from service.waiting.duration import Duration, Inflow
from service.waiting.urgency import Priority, Urgency

AGEING_S = 10.0  # a sixth of the time that a request has by default
MOST_OVERTAKEN = 0.9  # of the servers' time that may be predicted to go to more urgent work: an estimate must not shut a class out
MARGIN = 1.5  # of a predicted wait, as others may come: simulated at five times the load, 99 % of what was let in is in time, else 98 %


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
    counts_as: Priority = field(init=False)

    def __post_init__(self) -> None:
        self.counts_as = self.urgency.priority

    @property
    def order(self) -> tuple[float, int]:
        """Within its class and line."""
        return self.urgency.deadline, self.number


class Line(Generic[T]):
    """Who waits for one model."""

    def __init__(self, model: str, first_guess_s: float) -> None:
        self.model = model
        self.duration = Duration(first_guess_s)
        self.served_s = [0.0 for _ in Priority]  # virtual time: where this line stands against the others of each class
        self.classes: tuple[list[Place[T]], ...] = tuple([] for _ in Priority)

    def __len__(self) -> int:
        return sum(map(len, self.classes))

    def insert(self, place: Place[T]) -> None:
        """Put in order."""
        insort(self.classes[place.counts_as], place, key=lambda each: each.order)

    def remove(self, place: Place[T]) -> bool:
        """Take out; whether it was still there."""
        waiting = self.classes[place.counts_as]
        index = bisect_left(waiting, place.order, key=lambda each: each.order)
        there = index < len(waiting) and waiting[index] is place
        if there:
            del waiting[index]
        return there

    def aged(self, now: float) -> list[Place[T]]:
        """Batch work that has waited long enough to count as routine."""
        return [each for each in self.classes[Priority.BATCH] if now - each.since >= AGEING_S]

    def work_s(self, priority: Priority) -> float:
        """Predicted seconds of what waits in a class."""
        return len(self.classes[priority]) * self.duration.mean_s


@dataclass(frozen=True)
class Forecast:
    """How long a request that came now would wait, and then be served."""

    wait_s: float
    run_s: float

    def __add__(self, other: Forecast) -> Forecast:
        return Forecast(self.wait_s + other.wait_s, self.run_s + other.run_s)

    def check(self, urgency: Urgency, now: float) -> None:
        """Refuse what would not be answered in time. Who has to wait for nobody is never refused: only a run corrects a wrong estimate.

        Raises
        ------
        DeadlineError
            It has passed already.
        OverloadedError
            It would pass before the answer; `retry_after_s` is when those ahead will have been served.
        """
        left_s = urgency.deadline - now
        if left_s <= 0:
            raise DeadlineError("the deadline passed before the study was evaluated", retry_after_s=self.wait_s)
        if self.wait_s and MARGIN * self.wait_s + self.run_s > left_s:
            said = f"an answer is predicted in {self.wait_s + self.run_s:.2f} s, and the deadline is in {left_s:.2f} s"
            raise OverloadedError(said, retry_after_s=self.wait_s, reason="predicted_wait")


@dataclass(eq=False)
class Served(Generic[T]):
    """Requests of one model that are being served together, and what their line was charged for them."""

    places: Sequence[Place[T]]
    servers: int
    since: float
    predicted_s: float


class Lines(Generic[T]):
    """All lines before `servers` servers.

    Parameters
    ----------
    servers
        How many are served at once.
    max_queue_size
        How many of one model may wait ahead of a request, in its own class and the more urgent ones.
    first_guess_s
        What serving is taken to last before any was seen.
    clock
        Monotonic seconds, those of the deadlines.
    on_drop
        Told the model and why ("left" or "expired") when a request is dropped unserved.
    """

    def __init__(
        self, servers: int, max_queue_size: int, first_guess_s: float, clock: Callable[[], float] = time.monotonic,
        on_drop: Callable[[str, str], None] = lambda model, why: None,  # noqa: ARG005
    ) -> None:
        self.servers = servers
        self._max_queue_size = max_queue_size
        self._first_guess_s = first_guess_s
        self._clock = clock
        self._on_drop = on_drop
        self._lines: dict[str, Line[T]] = {}
        self._served: set[Served[T]] = set()
        self._inflows = tuple(Inflow() for _ in Priority)
        self._now_s = [0.0 for _ in Priority]  # virtual time of each class: where the line stood that was served last
        self._numbers = count()

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    @property
    def free(self) -> int:
        """Servers that serve nobody."""
        return self.servers - sum(served.servers for served in self._served)

    def everybody(self) -> list[Place[T]]:
        """All who wait."""
        return [place for line in self._lines.values() for waiting in line.classes for place in waiting]

    def line(self, model: str) -> Line[T]:
        """The line of a model."""
        if model not in self._lines:
            self._lines[model] = Line(model, self._first_guess_s)
        return self._lines[model]

    def forecast(self, model: str, priority: Priority) -> Forecast:
        """What a request that came now would meet.

        Each model with work in its class is taken to need as long as its own until it is served, and more urgent work to come as of late.
        """
        mine, lines = self.line(model), self._lines.values()
        nobody_waits = not any(line.classes[each] for line in lines for each in Priority if each <= priority)
        if nobody_waits and self.free > 0:
            return Forecast(0.0, mine.duration.p90_s)
        ahead_s = mine.work_s(priority)
        ahead_s += sum(ahead_s + line.duration.mean_s for line in lines if line is not mine and line.classes[priority])
        ahead_s += sum(line.work_s(urgent) for line in lines for urgent in Priority if urgent < priority)
        now = self._clock()
        ahead_s += sum(served.servers * max(0.0, served.predicted_s - (now - served.since)) for served in self._served)
        overtaking = sum(self._inflows[each].per_second(now) for each in Priority if each < priority) / self.servers
        return Forecast(ahead_s / self.servers / (1 - min(overtaking, MOST_OVERTAKEN)), mine.duration.p90_s)

    def join(self, model: str, urgency: Urgency, who: T) -> Place[T]:
        """Stand in line.

        Raises
        ------
        OverloadedError, DeadlineError
            Too many wait already, or it would not be served in time.
        """
        line, now = self.line(model), self._clock()
        forecast = self.forecast(model, urgency.priority)
        if sum(len(line.classes[each]) for each in Priority if each <= urgency.priority) >= self._max_queue_size:
            raise OverloadedError("too many studies wait", retry_after_s=forecast.wait_s, reason="queue_full")
        forecast.check(urgency, now)
        place = Place(who, line, urgency, now, next(self._numbers), waited=forecast.wait_s > 0)
        self._insert(place)
        self._inflows[urgency.priority].add(line.duration.mean_s, now)
        return place

    def leave(self, place: Place[T]) -> None:
        """Give up a place, unless it has come to its turn already."""
        if place.line.remove(place):
            self._on_drop(place.line.model, "expired" if self._clock() >= place.urgency.deadline else "left")

    def next(self) -> Place[T] | None:
        """Whose turn it is, taken out of the line; None where nobody waits."""
        now = self._clock()
        for line in self._lines.values():
            for place in line.aged(now):
                line.remove(place)
                place.counts_as = Priority.ROUTINE
                self._insert(place)
        for priority in Priority:
            while waiting := [line for line in self._lines.values() if line.classes[priority]]:
                line = min(waiting, key=lambda line: (line.served_s[priority], line.classes[priority][0].number))
                place = line.classes[priority].pop(0)
                if self._is_wanted(place, now):
                    return place
        return None

    def companions(self, place: Place[T], limit: int) -> list[Place[T]]:
        """Up to `limit` more of the same line, in its order."""
        found: list[Place[T]] = []
        for waiting in place.line.classes:
            while waiting and len(found) < limit:
                other = waiting.pop(0)
                if self._is_wanted(other, self._clock()):
                    found.append(other)
        return found

    def begin(self, places: Sequence[Place[T]], servers: int = 1) -> Served[T]:
        """Serve requests of one line together, with so many servers."""
        line, priority = places[0].line, places[0].counts_as
        predicted_s = len(places) * line.duration.mean_s
        self._now_s[priority] = max(self._now_s[priority], line.served_s[priority])
        line.served_s[priority] += predicted_s
        served = Served(places, servers, self._clock(), predicted_s)
        self._served.add(served)
        return served

    def end(self, served: Served[T], *, learn: bool = True) -> None:
        """They were served: the line is charged what it took, and learns from it unless that was no usual way to be served."""
        self._served.discard(served)
        line, took_s = served.places[0].line, self._clock() - served.since
        line.served_s[served.places[0].counts_as] += served.servers * took_s - served.predicted_s
        if learn:
            line.duration.observe(took_s, len(served.places))

    def _insert(self, place: Place[T]) -> None:
        line, priority = place.line, place.counts_as
        if not line.classes[priority]:  # who was away has saved up nothing
            line.served_s[priority] = max(line.served_s[priority], self._now_s[priority])
        line.insert(place)

    def _is_wanted(self, place: Place[T], now: float) -> bool:
        """Whether somebody waits for the answer and will get it in time; whoever does not is told."""
        answer = place.who.answer
        if answer.done():
            self._on_drop(place.line.model, "left")
            return False
        soonest = now + place.line.duration.mean_s if place.waited else now
        if soonest <= place.urgency.deadline:
            return True
        self._on_drop(place.line.model, "expired")
        wait_s = self.forecast(place.line.model, place.urgency.priority).wait_s
        answer.set_exception(DeadlineError("the deadline passed while the study waited", retry_after_s=wait_s))
        return False

"""One line for each model before a number of servers, and the rules of who is next.

1. The most urgent class that waits: stat, routine, batch. Yet for every PASSED_PER_OWED seconds of routine work that pass waiting
   batch work, batch is owed one: a day of routine does not stop a cohort, and no cohort holds up a ward. Nothing ever becomes stat.
2. Within a class, the model that was served least in it, in predicted seconds: start-time fair queueing (Goyal, SIGCOMM 1996). A flood
   on one model leaves the others their share, and an idle model saves up nothing.
3. Within a model, the earliest deadline, then the earliest arrival.

Whoever has left, or can no longer be served in time, is dropped before it is served. Whoever could not be served in time is not let in.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, islice
from typing import Generic

from service.errors import DeadlineError, OverloadedError
from service.waiting.duration import Inflow
from service.waiting.forecast import Forecast
from service.waiting.line import Line, Place, T
from service.waiting.urgency import Priority, Urgency

PASSED_PER_OWED = 8.0  # so batch has a ninth of the time that stat leaves, if it wants it
MOST_OVERTAKEN = 0.9  # of the servers' time that may be predicted to go to more urgent work: an estimate must not shut a class out


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
        self._owed_s = 0.0  # to batch work that waits
        self._numbers = count()

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    @property
    def free(self) -> int:
        """Servers that serve nobody."""
        return self.servers - sum(served.servers for served in self._served)

    @property
    def coming(self) -> int:
        """Who was let in at the door, and is on the way here."""
        return sum(sum(line.coming) for line in self._lines.values())

    def everybody(self) -> list[Place[T]]:
        """All who wait."""
        return [place for line in self._lines.values() for waiting in line.classes for place in waiting]

    def line(self, model: str) -> Line[T]:
        """The line of a model."""
        if model not in self._lines:
            self._lines[model] = Line(model, self._first_guess_s)
        return self._lines[model]

    @contextmanager
    def expecting(self, model: str, priority: Priority) -> Iterator[None]:
        """Somebody is let in at the door, and will not stand in this line before the end: whoever comes to the door meanwhile is behind."""
        coming = self.line(model).coming
        coming[priority] += 1
        try:
            yield
        finally:
            coming[priority] -= 1

    def forecast(self, model: str, priority: Priority, *, coming: bool = True) -> Forecast:
        """What a request that came to the door now would meet; to the line itself, if those on their way are not to count.

        The other models' work in its class, and more urgent work, are taken to come as of late.
        """
        mine, lines = self.line(model), self._lines.values()
        ahead = [sum(line.ahead(each, coming=coming) for line in lines) for each in Priority if each <= priority]
        if sum(ahead) < self.free and not any(line.classes[each] for line in lines for each in Priority if each <= priority):
            return Forecast(0.0, mine.duration.p90_s)
        own_s = mine.work_s(priority, coming=coming)
        own_s += sum(self._meanwhile_s(line, own_s, priority, coming=coming) for line in lines if line is not mine)
        urgent_s = [sum(line.work_s(each, coming=coming) for line in lines) for each in Priority if each < priority]
        return Forecast(self._served_after_s(own_s, urgent_s, priority) / self.servers, mine.duration.p90_s)

    def _meanwhile_s(self, line: Line[T], own_s: float, priority: Priority, *, coming: bool) -> float:
        """Of the servers' time, what another model takes until `own_s` were served: as much and a turn, if it has that or will get it."""
        there_s = line.work_s(priority, coming=coming)
        if not there_s:
            return 0.0
        comes_s = line.arrivals.per_second(self._clock()) * line.duration.mean_s * (own_s + there_s) / self.servers
        return min(own_s + line.duration.mean_s, there_s + comes_s)

    def _served_after_s(self, own_s: float, urgent_s: list[float], priority: Priority) -> float:
        """Of the servers' time: until what runs, what is more urgent, and `own_s` of the class have been served."""
        now = self._clock()
        running_s = sum(served.servers * max(0.0, served.predicted_s - (now - served.since)) for served in self._served)
        if priority is Priority.ROUTINE and self._foremost(Priority.BATCH) is not None:
            own_s *= 1 + 1 / PASSED_PER_OWED
        after_s = (running_s + sum(urgent_s) + own_s) / self._left_by(Priority(each) for each in range(priority))
        if priority is not Priority.BATCH:
            return after_s
        owed_after_s = running_s + urgent_s[Priority.STAT] + own_s * (1 + PASSED_PER_OWED)
        return min(after_s, owed_after_s / self._left_by([Priority.STAT]))

    def _left_by(self, classes: Iterable[Priority]) -> float:
        """The share of the servers' time that the work which came of late in those classes leaves."""
        taken = sum(self._inflows[each].per_second(self._clock()) for each in classes) / self.servers
        return 1 - min(taken, MOST_OVERTAKEN)

    def join(self, model: str, urgency: Urgency, who: T) -> Place[T]:
        """Stand in line.

        Raises
        ------
        OverloadedError, DeadlineError
            Too many wait already, or it would not be served in time.
        """
        line, now = self.line(model), self._clock()
        forecast = self.forecast(model, urgency.priority, coming=False)
        if sum(len(line.classes[each]) for each in Priority if each <= urgency.priority) >= self._max_queue_size:
            raise OverloadedError("too many studies wait", retry_after_s=forecast.wait_s, reason="queue_full")
        forecast.check(urgency, now)
        place = Place(who, line, urgency, now, next(self._numbers), waited=forecast.wait_s > 0)
        self._insert(place)
        self._inflows[urgency.priority].add(line.duration.mean_s, now)
        line.arrivals.add(1, now)
        return place

    def leave(self, place: Place[T]) -> None:
        """Give up a place, unless it has come to its turn already."""
        if place.line.remove(place):
            self._on_drop(place.line.model, "expired" if self._clock() >= place.urgency.deadline else "left")

    def next(self) -> Place[T] | None:
        """Whose turn it is, taken out of the line; None where nobody waits."""
        now = self._clock()
        for priority in self._turns():
            while (line := self._foremost(priority)) is not None:
                place = line.classes[priority].pop(0)
                if self._is_wanted(place, now):
                    return place
        return None

    def foremost(self) -> Line[T] | None:
        """The line whose turn it is; None where nobody waits."""
        return next((line for priority in self._turns() if (line := self._foremost(priority)) is not None), None)

    def now(self) -> float:
        """On the clock of the deadlines."""
        return self._clock()

    def slack_s(self, line: Line[T], count: int) -> float:
        """Until the earliest deadline of the first `count` of a line."""
        first = islice((place for waiting in line.classes for place in waiting), count)
        return min((place.urgency.deadline for place in first), default=math.inf) - self._clock()

    def arrivals_per_s(self, line: Line[T]) -> float:
        """Requests of a model that came in a second, of late."""
        return line.arrivals.per_second(self._clock())

    def _foremost(self, priority: Priority) -> Line[T] | None:
        """The line whose turn it is within a class."""
        waiting = [line for line in self._lines.values() if line.classes[priority]]
        return min(waiting, key=lambda line: (line.served_s[priority], line.classes[priority][0].number), default=None)

    def _turns(self) -> tuple[Priority, ...]:
        """The classes in the order in which they have their turn now."""
        batch = self._foremost(Priority.BATCH)
        if batch is None:
            self._owed_s = 0.0
        elif self._owed_s >= batch.duration.mean_s:
            return Priority.STAT, Priority.BATCH, Priority.ROUTINE
        return tuple(Priority)

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
        line, priority = places[0].line, places[0].urgency.priority
        predicted_s = len(places) * line.duration.mean_s
        self._owe(priority, predicted_s)
        self._now_s[priority] = max(self._now_s[priority], line.served_s[priority])
        line.served_s[priority] += predicted_s
        served = Served(places, servers, self._clock(), predicted_s)
        self._served.add(served)
        return served

    def end(self, served: Served[T], *, learn: bool = True) -> None:
        """They were served: the line is charged what it took, and learns from it unless that was no usual way to be served."""
        self._served.discard(served)
        line, took_s = served.places[0].line, self._clock() - served.since
        line.served_s[served.places[0].urgency.priority] += served.servers * took_s - served.predicted_s
        if learn:
            line.duration.observe(took_s, len(served.places))

    def _owe(self, priority: Priority, seconds: float) -> None:
        """Batch work that waits is passed by routine work, or has its turn."""
        if priority is Priority.BATCH:
            self._owed_s = max(0.0, self._owed_s - seconds)
        elif priority is Priority.ROUTINE and self._foremost(Priority.BATCH) is not None:
            self._owed_s += seconds / PASSED_PER_OWED

    def _insert(self, place: Place[T]) -> None:
        line, priority = place.line, place.urgency.priority
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

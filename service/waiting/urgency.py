"""How urgent a request is: its class, and when its answer is of no more use."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum


class Priority(IntEnum):
    """The classes, the most urgent first: in an emergency department, on a ward, a cohort at night."""

    STAT = 0
    ROUTINE = 1
    BATCH = 2

    @property
    def word(self) -> str:
        """As callers write it and as metrics label it."""
        return self.name.lower()


@dataclass(frozen=True)
class Urgency:
    """A class, and a deadline on the clock of `time.monotonic`."""

    priority: Priority = Priority.ROUTINE
    deadline: float = math.inf


WHENEVER = Urgency()

"""How long a piece of work takes, and how much of it comes, learned from what came before."""

from __future__ import annotations

import math
from collections import deque

SMOOTHING = 0.1  # weight of the newest run in the moving average: some ten runs are remembered
WINDOW = 50  # runs that the 90 % quantile is taken of
MEMORY_S = 10.0  # of an inflow: what came as long ago counts a third


class Duration:
    """Mean seconds of one request, and the seconds in which nine runs out of ten end.

    Parameters
    ----------
    first_guess_s
        Both, until something was measured.
    """

    def __init__(self, first_guess_s: float) -> None:
        self.mean_s = self.p90_s = first_guess_s
        self._seen = 0
        self._recent: deque[float] = deque(maxlen=WINDOW)

    def observe(self, seconds: float, requests: int = 1) -> None:
        """Learn from a run that served so many requests."""
        self._seen += 1
        self.mean_s += max(SMOOTHING, 1 / self._seen) * (seconds / requests - self.mean_s)  # at first the plain mean: no guess is left
        self._recent.append(seconds)
        self.p90_s = sorted(self._recent)[int(0.9 * len(self._recent))]


class Inflow:
    """Seconds of work that come in a second."""

    def __init__(self) -> None:
        self._work_s = 0.0
        self._at = 0.0

    def add(self, seconds: float, now: float) -> None:
        """Some work has come."""
        self._work_s = self._left(now) + seconds
        self._at = now

    def per_second(self, now: float) -> float:
        """The rate, of late."""
        return self._left(now) / MEMORY_S

    def _left(self, now: float) -> float:
        return self._work_s * math.exp(-(now - self._at) / MEMORY_S)

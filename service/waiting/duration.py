"""How long a piece of work takes, learned from those before it."""

from __future__ import annotations

from collections import deque

SMOOTHING = 0.1  # weight of the newest run in the moving average: some ten runs are remembered
WINDOW = 50  # runs that the 90 % quantile is taken of


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

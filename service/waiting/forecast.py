"""How long a request would wait, and whether it is let in."""

from __future__ import annotations

from dataclasses import dataclass

from service.errors import DeadlineError, OverloadedError
from service.waiting.urgency import Priority, Urgency

MARGIN = {Priority.STAT: 1.0, Priority.ROUTINE: 1.5, Priority.BATCH: 1.5}  # of a wait that is predicted at the door: others may come


@dataclass(frozen=True)
class Forecast:
    """How long a request that came now would wait, and then be served."""

    wait_s: float
    run_s: float

    def __add__(self, other: Forecast) -> Forecast:
        return Forecast(self.wait_s + other.wait_s, self.run_s + other.run_s)

    def check(self, urgency: Urgency, now: float, margin: float = 1.0) -> None:
        """Refuse what would not be answered in time, were the wait `margin` times what is predicted.

        Who has to wait for nobody is never refused: only a run corrects a wrong estimate.

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
        if self.wait_s and margin * self.wait_s + self.run_s > left_s:
            said = f"an answer is predicted in {self.wait_s + self.run_s:.2f} s, and the deadline is in {left_s:.2f} s"
            raise OverloadedError(said, retry_after_s=self.wait_s, reason="predicted_wait")

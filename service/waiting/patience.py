"""How many that wait are run together, and whether it pays to wait for more: for a device on which a batch costs less than its parts."""

from __future__ import annotations

from collections.abc import Mapping

LONGEST_S = 0.002  # that a free server waits for a fuller batch
SATURATED = 0.85  # of the time that batches of the present size would take of a second, if all that comes ran in them


def together(waiting: int, run_s: Mapping[int, float], slack_s: float) -> int:
    """How many of those that wait run now: as many as fill a batch size, or all of them in a larger one, whichever serves more a second.

    Parameters
    ----------
    run_s
        Batch size -> seconds of a run; a smaller batch is padded, and takes as long.
    slack_s
        Until the earliest of their deadlines.
    """
    sizes = _in_time(run_s, slack_s)
    below = max((size for size in sizes if size <= waiting), default=0)
    above = min((size for size in sizes if size >= waiting), default=0)
    if not below or not above:
        return min(waiting, max(below, above))
    return waiting if run_s[above] / waiting <= run_s[below] / below else below


def worth_waiting_s(waiting: int, run_s: Mapping[int, float], arrivals_per_s: float, slack_s: float) -> float:
    """Seconds that a free server waits for more to come; 0.0 where it does not pay, and a batch is run at once.

    It pays where more comes than batches of this size can serve, a larger batch is still in time, and the wait is no longer than what the
    larger batch takes longer. Nobody waits on a machine that has time left.
    """
    sizes = _in_time(run_s, slack_s)
    size = max((each for each in sizes if each <= waiting), default=0)
    larger = min((each for each in sizes if each > waiting), default=0)
    if not size or not larger or arrivals_per_s * run_s[size] / size <= SATURATED:
        return 0.0
    wait_s = min(LONGEST_S, run_s[larger] - run_s[size])
    return wait_s if 0 < wait_s < slack_s - run_s[larger] else 0.0


def _in_time(run_s: Mapping[int, float], slack_s: float) -> list[int]:
    """The batch sizes that end before the deadline; the smallest, where none does: it is too late for all, and shortest in that."""
    sizes = sorted(run_s)
    return [size for size in sizes if run_s[size] <= slack_s] or sizes[:1]

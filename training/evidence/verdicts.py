"""What an interval says of a claim, by one stated rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from training.ablation import Comparison, Study

BORNE_OUT, NOT_SHOWN, CONTRADICTED = "borne out", "not shown", "contradicted"
YES, NO = "yes", "the other way round"
RULE = (
    f"A claim whose difference has a 95 % interval above zero is **{BORNE_OUT}**, one with an interval below zero is **{CONTRADICTED}**, "
    f"and one whose interval holds zero is **{NOT_SHOWN}**: it may be true, but this experiment did not find it. What nothing here can "
    "decide is **cannot be tested here**, with the reason. No number of a paper enters a verdict."
)
Result = Mapping[str, Any]


@dataclass(frozen=True)
class Found:
    """A comparison and what came of it: by how much `one` is better, with its interval, and seed by seed."""

    comparison: Comparison
    metric: str
    difference: float
    low: float
    high: float
    seeds: Sequence[float]

    @property
    def verdict(self) -> str:
        """By `RULE`; the words for a question of ours differ from those for a claim."""
        return verdict(self.low, self.high, *((BORNE_OUT, CONTRADICTED) if self.comparison.claim else (YES, NO)))

    def __str__(self) -> str:
        return f"{self.difference:+.3f} ({self.low:+.3f} to {self.high:+.3f})"


def verdict(low: float, high: float, above: str = BORNE_OUT, below: str = CONTRADICTED) -> str:
    """What an interval from `low` to `high` says: `above` zero, `below` it, or nothing.

    Raises
    ------
    ValueError
        It is no interval.
    """
    if not low <= high:
        raise ValueError(f"no interval: {low} to {high}")
    if low > 0:
        return above
    return below if high < 0 else NOT_SHOWN


def findings(study: Study, result: Result) -> list[Found]:
    """The study's comparisons that the stored result can answer, in the study's order."""
    known = {_key(each["one"], each["other"], each["metric"], each["hidden"]): each for each in result["differences"]}
    found = []
    for comparison in study.comparisons:
        metric = comparison.metric or study.metrics[0]
        stored = known.get(_key(comparison.one, comparison.other, metric, comparison.hidden))
        if stored is not None and stored["difference"] is not None:
            difference, low, high = stored["difference"]
            found.append(Found(comparison, metric, difference, low, high, stored["seeds"]))
    return found


def _key(one: str, other: str, metric: str, hidden: float) -> tuple[str, str, str, float]:
    return one, other, metric, hidden

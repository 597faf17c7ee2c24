"""From records to figures: throughput, processor per request, latency, ratios with intervals. Knows no server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
Values = Sequence[float] | NDArray[np.float64]


@dataclass(frozen=True)
class Ratio:
    """A ratio and its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f}-{self.high:.2f})"


@dataclass(frozen=True)
class Cell:
    """One server with one payload: a value, or an array of values, for each round.

    Attributes
    ----------
    per_s
        Answers a second with all callers.
    cpu_ms
        Processor milliseconds of all the server's processes for each answer, with all callers.
    unloaded_ms, closed_ms, offered_ms
        Latencies: one caller; all callers; random arrivals at the rate that all servers are given.
    sent, failed
        Requests, and those that were refused or not answered, in all phases.
    resident_mb
        Memory of its processes after the last phase, what they share counted once.
    """

    per_s: NDArray[np.float64]
    cpu_ms: NDArray[np.float64]
    unloaded_ms: tuple[Values, ...]
    closed_ms: tuple[Values, ...]
    offered_ms: tuple[Values, ...]
    sent: int
    failed: int
    resident_mb: float

    @classmethod
    def of(cls, records: Sequence[dict[str, Any]], callers: int) -> Cell | None:
        """The cell of one server's records in whole rounds; None where there is no whole round."""
        phases = {name: {r["round"]: r for r in records if r["phase"] == name} for name in ("unloaded", "closed", "offered")}
        rounds = sorted(set.intersection(*(set(each) for each in phases.values())))
        if not rounds:
            return None
        unloaded, closed, offered = ([phases[name][number] for number in rounds] for name in phases)
        status = [code for record in (*unloaded, *closed, *offered) for code in record["status"]]
        return cls(
            np.array([throughput(record, callers) for record in closed]),
            np.array([1000 * record["cpu_s"] / max(1, record["status"].count(200)) for record in closed]),
            *(tuple(good_ms(record) for record in some) for some in (unloaded, closed, offered)),
            sent=len(status), failed=sum(code != 200 for code in status), resident_mb=offered[-1]["resident_mb"],
        )  # fmt: skip


def good_ms(record: dict[str, Any]) -> list[float]:
    """Latencies of what was answered."""
    return [ms for ms, status in zip(record["ms"], record["status"], strict=True) if status == 200]


def throughput(record: dict[str, Any], callers: int) -> float:
    """Answers a second while all callers were at work: from the first answer of the last caller to the end of the phase.

    Where that is too short to hold two answers, all answers over all the time they took.
    """
    at = sorted(t for t, status in zip(record["at_s"], record["status"], strict=True) if status == 200)
    busy = [t for t in at[callers - 1 :] if t <= record["asked_s"]]
    if len(busy) >= 3 and busy[-1] > busy[0]:
        return (len(busy) - 1) / (busy[-1] - busy[0])
    return len(at) / record["seconds"]


def quantile(rounds: Sequence[Values], q: float) -> float:
    """Of all rounds together; NaN where there is nothing."""
    values = np.concatenate([np.asarray(each, float) for each in rounds]) if rounds else np.array([])
    return float(np.quantile(values, q)) if len(values) else float("nan")


def mean_ratio(ours: Values, theirs: Values) -> Ratio:
    """Of means over rounds, ours / theirs, each round of one beside the same round of the other."""
    a, b = np.asarray(ours, float), np.asarray(theirs, float)
    return _bootstrapped(min(len(a), len(b)), lambda picks: float(a[picks].mean() / b[picks].mean()))


def quantile_ratio(ours: Sequence[Values], theirs: Sequence[Values], q: float) -> Ratio:
    """Of a quantile over all latencies, ours / theirs; whole rounds are drawn anew, for latencies within one are alike."""
    return _bootstrapped(
        min(len(ours), len(theirs)),
        lambda picks: quantile([ours[pick] for pick in picks], q) / quantile([theirs[pick] for pick in picks], q),
    )


def _bootstrapped(rounds: int, of: Callable[[NDArray[np.int64]], float]) -> Ratio:
    """A statistic of some rounds, with the 2.5 and 97.5 percentiles of it over rounds drawn with replacement."""
    rng = np.random.default_rng(0)
    drawn = [of(picks) for picks in rng.integers(0, rounds, (RESAMPLES, rounds))]
    low, high = np.nanquantile(drawn, (0.025, 0.975))  # a draw of rounds in which nothing came has no quantile
    return Ratio(of(np.arange(rounds)), float(low), float(high))


@dataclass(frozen=True)
class Bare:
    """Reading and running without any server: medians over all rounds, runs a second on all cores for each round."""

    read_ms: float
    read_cpu_ms: float
    run_ms: float  # on one thread or on all cores, whichever is faster
    run_cpu_ms: float
    per_s: NDArray[np.float64]

    @classmethod
    def of(cls, records: Sequence[dict[str, Any]]) -> Bare | None:
        """From the records of the phase `raw`; None where there are none."""
        if not records:
            return None
        return cls(
            quantile([r["read"]["ms"] for r in records], 0.5), quantile([r["read"]["cpu_ms"] for r in records], 0.5),
            min(quantile([r[name]["ms"] for r in records], 0.5) for name in ("run", "run_wide")),
            float(np.median([r["saturated"]["cpu_ms"] for r in records])), np.array([r["saturated"]["per_s"] for r in records]),
        )  # fmt: skip

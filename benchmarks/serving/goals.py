"""What the service wants to reach beside the bare network and its peers, and whether it did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from benchmarks.serving.figures import Bare, Cell, Ratio, Values, mean_ratio, quantile, quantile_ratio
from benchmarks.serving.studies import SMALL

OF_RAW = 0.92
AHEAD, AHEAD_OF_PLAIN = 1.10, 1.30
OF_P99 = 0.80
OVERHEAD_SHARE, OVERHEAD_MS = 1.05, 1.0
OVERHEAD_CPU_MS = 0.6
SPREAD = 1.15
ENOUGH = 100  # latencies that a 99th percentile needs: of fewer it is the longest
PLAIN = "plain"


@dataclass(frozen=True)
class Goal:
    """One goal: what for, what is asked, what was found."""

    about: str
    asked: str
    found: str
    met: bool | None  # None where too little was measured to say


def at_least(about: str, ratio: Ratio, least: float, *, clear: bool = False) -> Goal:
    """A ratio that must reach `least`; where it must be `clear`, its whole interval above 1 as well."""
    asked = f">= {least:.2f}" + (", all of the interval above 1" if clear else "")
    return Goal(about, asked, str(ratio), ratio.value >= least and (not clear or ratio.low > 1))


def at_most(about: str, found: float, most: float, unit: str = "") -> Goal:
    """A number that must not pass `most`."""
    return Goal(about, f"<= {most:.2f}{unit}", f"{found:.2f}{unit}", found <= most)


def if_enough(goal: Goal, *latencies: Sequence[Values]) -> Goal:
    """The goal, undecided where some server has answered too few requests for a 99th percentile."""
    fewest = min(sum(map(len, rounds)) for rounds in latencies)
    return goal if fewest >= ENOUGH else replace(goal, met=None)


def goals_of(where: str, payload: str, ours: Cell, bare: Bare | None, peers: Mapping[str, Cell]) -> Iterator[Goal]:
    """The goals of one model and payload; `peers` by name."""
    if bare is not None:
        if payload == SMALL:
            yield at_least(f"{where}: served / runs without a server", mean_ratio(ours.per_s, bare.per_s), OF_RAW)
        alone = bare.read_ms + bare.run_ms
        p50, most = quantile(ours.unloaded_ms, 0.5), OVERHEAD_SHARE * alone + OVERHEAD_MS - alone
        yield at_most(f"{where}: unloaded p50 less reading and running ({alone:.1f} ms)", p50 - alone, most, " ms")
        over = float(ours.cpu_ms.mean()) - bare.read_cpu_ms - bare.run_cpu_ms
        yield at_most(f"{where}: processor per request less reading and running", over, OVERHEAD_CPU_MS, " ms")
    closed = quantile(ours.closed_ms, 0.99) / quantile(ours.closed_ms, 0.5)
    yield if_enough(at_most(f"{where}: p99 / p50, closed loop", closed, SPREAD), ours.closed_ms)
    for name, peer in peers.items():
        ahead = mean_ratio(ours.per_s, peer.per_s)
        yield at_least(f"{where}: throughput / {name}", ahead, AHEAD_OF_PLAIN if name == PLAIN else AHEAD, clear=True)
        slow = quantile_ratio(ours.offered_ms, peer.offered_ms, 0.99)
        goal = Goal(f"{where}: p99 at equal load / {name}", f"<= {OF_P99:.2f}", str(slow), slow.value <= OF_P99)
        yield if_enough(goal, ours.offered_ms, peer.offered_ms)

"""docs/performance/serving.md and its plot, from the records."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from benchmarks.serving.figures import Bare, Cell, mean_ratio, quantile
from benchmarks.serving.goals import ENOUGH, Goal, goals_of
from benchmarks.serving.results import Results
from benchmarks.serving.servers import KINDS, OURS, RAW, TOLERANCE
from benchmarks.serving.studies import Sent

COLOURS = dict(zip(KINDS, ("#1b4f8a", "#d98b2b", "#7a9a3a", "#b0413e", "#7d6aa8", "#7fb0dd"), strict=True))
MET = {True: "yes", False: "**no**", None: "open"}
LOUD = 0.02  # of the time taken by the host, or of the processors by other programs: beyond it a run says little
HOW = """\
Each gives a server one caller, then {callers} callers that wait for their answers ({seconds} s), then
random arrivals (Poisson) at a rate that is the same for all. Every server has the same full-size network (random weights: its answers mean
nothing), one thread a run and as many runs at once as there are cores, the same decoder, and the same multipart body; servers that are not
measured stand still. The callers share the machine. Peers return the network's first output and nothing else; the service makes its whole
answer: intervals, thresholds, attention, the digest of the file. It may use all cores for a request that is alone, which no peer here
does. Its gate, which no peer has, is off; `--servers chiasm-gate` measures it. A ratio is Chiasm's figure over the other's, with a 95 %
bootstrap interval over rounds."""


@dataclass(frozen=True)
class Place:
    """One model and payload: what was measured of each server, of the bare network, and the rate that all were offered."""

    model: str
    payload: str
    cells: dict[str, Cell]
    bare: Bare | None
    rate: float


def places(results: Results, sent: Sequence[Sent], callers: int) -> Iterator[Place]:
    """What was measured of each file that was sent, without what has no whole round yet."""
    for each in sent:
        of = {"model": each.model, "payload": each.payload, "of": each.digest}
        found = {name: Cell.of(results.of(server=name, **of), callers) for name in KINDS}
        cells = {name: cell for name, cell in found.items() if cell is not None}
        rates = results.of(phase="rate", **of)
        if cells and rates:
            yield Place(each.model, each.payload, cells, Bare.of(results.of(server=RAW, **of)), rates[-1]["rate"])


def page(results: Results, found: Sequence[Place], about: dict[str, Any], absent: dict[str, str]) -> str:
    """The page in Markdown."""
    lines = [
        "# The service beside its peers", "",
        f"`make bench`: {about['rounds']} rounds in the order A B B A. {HOW.format(**about)}", "",
        f"Machine: {about['cpu']}, {about['cores']} cores; ONNX Runtime {about['onnxruntime']}; {versions(about['peers'])}.",
        noise(results), "",
        f"Answers: the service's are compared to the last bit, peers' within {TOLERANCE:g}. {wrong(results)}", "",
        *(f"{line}\n" for line in (*(f"{KINDS[name].title} is absent: {why}" for name, why in absent.items()), *refusals(results))),
        "![throughput, processor per request, p99](serving.png)", "",
    ]  # fmt: skip
    for place in found:
        lines += [f"## {place.model}, {place.payload}", "", *table(place), ""]
    goals = [goal for place in found for goal in _goals(place)]
    met, open_ = (sum(goal.met is what for goal in goals) for what in (True, None))
    said = f"{met} of {len(goals)} are met; {open_} are open: they need {ENOUGH} latencies of each server (`--seconds`, `--rounds`)."
    lines += ["## Goals", "", said, "", "| goal | asked | found | met |", "| --- | ---: | ---: | --- |"]
    lines += [f"| {goal.about} | {goal.asked} | {goal.found} | {MET[goal.met]} |" for goal in goals]
    return "\n".join([*lines, ""])


def table(place: Place) -> Iterator[str]:
    """One line for each server; ratios are Chiasm's over the server's, with 95 % bootstrap intervals over rounds."""
    if place.bare:
        yield (
            f"Without a server: reading {place.bare.read_ms:.1f} ms, running {place.bare.run_ms:.1f} ms alone; "
            f"{place.bare.per_s.mean():.1f} runs/s on all cores. Offered load: {place.rate:.1f} /s."
        )
        yield ""
    yield (
        "| server | CPU ms / request | Chiasm's / its | answers/s | Chiasm's / its | alone p50, p99 ms | all callers p50, p99 ms "
        "| offered load p50, p99 ms | failed | MB |"
    )
    yield "| --- |" + " ---: |" * 9
    ours = place.cells.get(OURS)
    for name, cell in place.cells.items():
        cost, speed = (str(mean_ratio(a, b)) if ours and name != OURS else "" for a, b in _pairs(ours or cell, cell))
        latency = (f"{quantile(each, 0.5):.0f}, {quantile(each, 0.99):.0f}" for each in (cell.unloaded_ms, cell.closed_ms, cell.offered_ms))
        cells = (
            KINDS[name].title, f"{cell.cpu_ms.mean():.1f}", cost, f"{cell.per_s.mean():.1f}", speed, *latency,
            f"{cell.failed} of {cell.sent}", f"{cell.resident_mb:.0f}",
        )  # fmt: skip
        yield "| " + " | ".join(cells) + " |"


def _pairs(ours: Cell, theirs: Cell) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    rounds = min(len(ours.per_s), len(theirs.per_s))
    return tuple((a[:rounds], b[:rounds]) for a, b in ((ours.cpu_ms, theirs.cpu_ms), (ours.per_s, theirs.per_s)))


def _goals(place: Place) -> Iterator[Goal]:
    peers = {name: cell for name, cell in place.cells.items() if not name.startswith(OURS)}
    if OURS in place.cells:
        yield from goals_of(f"{place.model}, {place.payload}", place.payload, place.cells[OURS], place.bare, peers)


def noise(results: Results) -> str:
    """What else had the machine while it was measured."""
    timed = [record for record in results.records if "wall_s" in record]
    wall = sum(record["wall_s"] for record in timed) * len(os.sched_getaffinity(0)) or 1.0
    steal = sum(record["steal_s"] for record in timed) / wall
    others = sum(record["busy_s"] - record["cpu_s"] - record["callers_cpu_s"] for record in timed) / wall
    loud = " **Too much: measure again on a quiet machine.**" if max(steal, others) > LOUD else ""
    return f"Taken by the host (steal): {steal:.1%} of the processors' time; by other programs: {max(0.0, others):.1%}.{loud}"


def wrong(results: Results) -> str:
    """Which servers answered otherwise than they should."""
    bad = sorted({str(record["server"]) for record in results.records if record.get("right") is False})
    checked = sum(record["status"].count(200) for record in results.records if "status" in record)
    return f"{checked} were compared: " + (f"**wrong ones came from {', '.join(bad)}**." if bad else "all are right.")


def versions(peers: dict[str, str]) -> str:
    """Of the peers' packages."""
    return ", ".join(f"{title} {version}" for title, version in peers.items()) or "no peer"


def refusals(results: Results) -> Iterator[str]:
    """What servers said where they did not answer."""
    said = {str(record["server"]): record["bad"][0] for record in reversed(results.records) if record.get("bad")}
    for name, words in said.items():
        yield f"{KINDS[name].title} did not always answer: {words}"


def plot(found: Sequence[Place], file: Path) -> None:
    """Throughput relative to each peer, processor per request, and p99 at the offered load: a row for each model."""
    mpl.use("Agg")
    models = list(dict.fromkeys(place.model for place in found))
    figure, axes = plt.subplots(len(models), 3, figsize=(12, 3.2 * len(models) + 0.4), squeeze=False, layout="constrained")
    for row, model in zip(axes, models, strict=True):
        some = [place for place in found if place.model == model]
        _ratios(row[0], some)
        _bars(row[1], some, "processor ms per request", lambda cell: float(cell.cpu_ms.mean()))
        _bars(row[2], some, "p99 ms at the offered load", lambda cell: quantile(cell.offered_ms, 0.99))
        row[0].set_ylabel(model)
    handles, labels = axes[0][1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    figure.savefig(file, dpi=90)
    plt.close(figure)


def _ratios(axis: Axes, some: Sequence[Place]) -> None:
    for number, place in enumerate(some):
        peers = [name for name in place.cells if name != OURS] if OURS in place.cells else []
        for step, name in enumerate(peers):
            ratio = mean_ratio(*_pairs(place.cells[OURS], place.cells[name])[1])
            x = number + 0.15 * (step - (len(peers) - 1) / 2)
            bars = [[max(0.0, ratio.value - ratio.low)], [max(0.0, ratio.high - ratio.value)]]
            axis.errorbar(x, ratio.value, yerr=bars, fmt="o", color=COLOURS[name], capsize=2, markersize=4)
    axis.axhline(1, color="#222222", linewidth=0.8)
    axis.set_xticks(range(len(some)), [place.payload for place in some])
    axis.set_title("Chiasm's throughput / its peer's", fontsize=10)


def _bars(axis: Axes, some: Sequence[Place], title: str, value: Callable[[Cell], float]) -> None:
    names = [name for name in KINDS if any(name in place.cells for place in some)]
    width = 0.8 / max(1, len(names))
    for step, name in enumerate(names):
        at = [number for number, place in enumerate(some) if name in place.cells]
        heights = [value(some[number].cells[name]) for number in at]
        middles = [number + width * (step - (len(names) - 1) / 2) for number in at]
        axis.bar(middles, heights, width, color=COLOURS[name], label=KINDS[name].title)
    axis.set_xticks(range(len(some)), [place.payload for place in some])
    axis.set_title(title, fontsize=10)

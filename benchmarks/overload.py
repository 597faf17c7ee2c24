"""What the service does when five times as much is asked of it as it can do.

    python -m benchmarks.overload [--networks full-size|reference] [--seconds N] [--deadline-ms MS] [--write FOLDER]

Starts the real service with the gate and full-size networks for two models (random weights), or all models with their reference
artifacts, which answer so fast that refusing weighs more. It is watched at rest. Then callers, as many as keep it busy, send
the examples of every model one after the other: the peak. Then five times the peak comes in, at random times and whether or not anything
is answered, each request with a deadline, one in twenty of them STAT; then nothing but one request after the other, until they are
answered as before. Half of the peak is taken before the load and half after: a machine that has become slower meanwhile says nothing of
the service. Callers run at a low priority in this process, and share the machine with the service: what they take of it is told.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.callers import NICE, Answer, Callers
from benchmarks.running import MODELS, ROOT, cpu_s, resident_mb, service

TIMES = 5.0
REST_S = 10.0
WARM_S = 5.0
NETWORKS = {"full-size": ("bmd", "breast"), "reference": MODELS}


@dataclass
class Figures:
    """What was found."""

    models: Sequence[str]
    idle_percent: float
    resident_mb: dict[str, float]
    weights_mb: float
    callers_cpu_s: dict[str, float] = field(default_factory=dict)  # by phase
    peak: list[Answer] = field(default_factory=list)
    load: list[Answer] = field(default_factory=list)
    halves: list[float] = field(default_factory=list)  # the peak before the load and after it
    recovery_s: float = 0.0
    peak_s: float = 0.0
    load_s: float = 0.0


def artifacts_of(networks: str) -> Path:
    """The folder of the artifacts, made once where they are full-size."""
    if networks == "reference":
        return ROOT / "artifacts"
    from benchmarks.serving.networks import full_size  # noqa: PLC0415  it brings torch

    work = ROOT / "build" / "bench"
    together = work / "together"
    together.mkdir(parents=True, exist_ok=True)
    parts = {name: full_size(name, work / "artifacts") for name in NETWORKS[networks]} | {"gate": ROOT / "artifacts" / "gate"}
    for name, folder in parts.items():
        (together / name).unlink(missing_ok=True)
        (together / name).symlink_to(folder.resolve())
    return together


def measure(networks: str, seconds: float, deadline_ms: int) -> Figures:
    """All phases."""
    models, artifacts = NETWORKS[networks], artifacts_of(networks)
    callers = 2 * len(os.sched_getaffinity(0)) + 4
    with service(models, artifacts) as (process, port):
        time.sleep(2)  # what the start left to do
        before = cpu_s(process.pid)
        time.sleep(REST_S)
        idle = 100 * (cpu_s(process.pid) - before) / REST_S
        weights = sum((artifacts / name / "model.onnx").stat().st_size for name in (*models, "gate")) / 1e6
        found = Figures(models, idle, {"at rest": resident_mb(process.pid)}, weights)
        os.nice(NICE)
        asyncio.run(_phases(found, port, seconds, callers, deadline_ms))
        found.resident_mb["after"] = resident_mb(process.pid)
        assert live(port)  # noqa: S101
    return found


async def _phases(found: Figures, port: int, seconds: float, callers: int, deadline_ms: int) -> None:
    await Callers(port, found.models, deadline_ms).closed(WARM_S, callers)  # the estimates have learned
    await _half_of_the_peak(found, port, seconds / 2, callers)
    crowd = Callers(port, found.models, deadline_ms)
    started, used = time.perf_counter(), time.process_time()
    await crowd.open(seconds, TIMES * rate(found.peak, found.peak_s))
    found.load, found.load_s = crowd.answers, seconds
    found.callers_cpu_s["load"] = time.process_time() - used
    found.recovery_s = await _recovered(found, port, deadline_ms, started + seconds)
    await _half_of_the_peak(found, port, seconds / 2, callers)


async def _half_of_the_peak(found: Figures, port: int, seconds: float, callers: int) -> None:
    busy = Callers(port, found.models, deadline_ms=60_000)
    started, used = time.perf_counter(), time.process_time()
    await busy.closed(seconds, callers)
    took = time.perf_counter() - started
    found.peak += busy.answers
    found.peak_s += took
    found.halves.append(rate(busy.answers, took))
    found.callers_cpu_s["peak"] = found.callers_cpu_s.get("peak", 0.0) + time.process_time() - used


async def _recovered(found: Figures, port: int, deadline_ms: int, since: float) -> float:
    """Seconds until one of each model was answered no slower than under the closed loop."""
    usual_s = 2 * float(np.median([answer.seconds for answer in found.peak if answer.status == 200]))
    after, good = Callers(port, found.models, deadline_ms), 0
    while good < len(found.models):
        answer = await after.send(found.models[len(after.answers) % len(found.models)])
        good = good + 1 if answer.status == 200 and answer.seconds <= usual_s else 0
    return time.perf_counter() - since


def rate(answers: Sequence[Answer], seconds: float, cost: dict[str, float] | None = None) -> float:
    """Answers a second; where there is a cost of each model, seconds of work a second."""
    return sum(cost[answer.model] if cost else 1.0 for answer in answers if answer.status == 200) / seconds


def live(port: int) -> bool:
    """Whether the service still lives."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/health/live")
    return connection.getresponse().status == 200


def _p99_ms(answers: Sequence[Answer]) -> str:
    return f"{1000 * np.percentile([answer.seconds for answer in answers], 99):.0f} ms" if answers else "none"


def rows(found: Figures, deadline_ms: int) -> list[tuple[str, str, str]]:
    """What was measured, what was found, and what was asked for."""
    load, deadline_s = found.load, deadline_ms / 1000
    answered = [each for each in load if each.status == 200]
    good = [each for each in answered if each.seconds <= deadline_s]
    refused = [each for each in load if each.refused]
    let_in = [each for each in load if not each.refused]
    stat = [each for each in answered if each.priority == "stat"]
    asked_stat = sum(each.priority == "stat" for each in load)
    peak = rate(found.peak, found.peak_s)
    cost = {name: float(np.median([each.work_ms for each in found.peak if each.model == name and each.work_ms])) for name in found.models}
    by_work = rate(good, found.load_s, cost) / rate(found.peak, found.peak_s, cost)
    cores = len(os.sched_getaffinity(0))
    taken = {phase: found.callers_cpu_s[phase] / cores / took for phase, took in (("peak", found.peak_s), ("load", found.load_s))}
    of_its_own = by_work * (1 - taken["peak"]) / (1 - taken["load"])
    at_most_mb = 2 * found.weights_mb + 300
    return [
        ("peak, closed loop: before the load, after", ", ".join(f"{each:.1f} /s" for each in found.halves), ""),
        ("offered, open loop", f"{len(load) / found.load_s:.1f} /s", "5 times the peak"),
        (f"answered within {deadline_s:g} s", f"{len(good) / found.load_s:.1f} /s", ""),
        ("goodput / peak, by answers", f"{len(good) / found.load_s / peak:.2f}", ""),
        ("goodput / peak, by work", f"{by_work:.2f}", ""),
        ("of the machine, taken by the callers: peak, load", f"{100 * taken['peak']:.1f} %, {100 * taken['load']:.1f} %", ""),
        ("goodput / peak, by work, of what they leave", f"{of_its_own:.2f}", "at least 0.95"),
        ("refused at once", f"{len(refused)} of {len(load)}", ""),
        ("time to refuse, p99", _p99_ms(refused), "under 50 ms"),
        ("let in and answered in time", f"{100 * len(good) / max(1, len(let_in)):.1f} %", "at least 99 %"),
        ("STAT answered", f"{len(stat)} of {asked_stat}", "all"),
        ("time to answer STAT, p99", _p99_ms(stat), ""),
        ("no answer at all", str(sum(each.status == 0 for each in load)), "0"),
        ("answered as before, after the load ended", f"{found.recovery_s:.1f} s", "under 10 s"),
        ("processor at rest, of one core", f"{found.idle_percent:.2f} %", "under 1 %"),
        ("resident at rest", f"{found.resident_mb['at rest']:.0f} MB", f"at most {at_most_mb:.0f} MB"),
        ("resident after the load", f"{found.resident_mb['after']:.0f} MB", f"at most {at_most_mb:.0f} MB"),
        ("weights of the artifacts", f"{found.weights_mb:.0f} MB", ""),
    ]


ABOUT = {
    "full-size": "full-size networks of bmd and breast with random weights and the gate, the examples (PNG)",
    "reference": "the reference artifacts of all models and the gate, the examples (PNG and NIfTI)",
}


def page(found: Figures, networks: str, seconds: float, deadline_ms: int, load_before: float) -> str:
    """docs/performance/overload.md."""
    cores = len(os.sched_getaffinity(0))
    lines = [f"| {what} | {value} | {goal} |" for what, value, goal in rows(found, deadline_ms)]
    return "\n".join([
        "# Five times too much", "",
        f"`make bench-overload`: {seconds:g} s of each phase, {ABOUT[networks]},",
        f"callers on the same {cores} cores. The load average of the machine before was {load_before:.1f}: with more than {cores},",
        "others had their share of it too. Cheap models get more answers out of the same share of the time; by work, each answer counts as",
        "what its model's studies took at the peak.", "", "| what | found | goal |", "| --- | ---: | --- |", *lines, "",
    ])  # fmt: skip


def main() -> None:
    """Measure, and print or write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", choices=list(NETWORKS), default="full-size")
    parser.add_argument("--seconds", type=float, default=120, help="of each phase (default: 120)")
    parser.add_argument("--deadline-ms", type=int, default=2000)
    parser.add_argument("--write", type=Path, help="folder for overload.md")
    given = parser.parse_args()
    load_before = os.getloadavg()[0]
    found = measure(given.networks, given.seconds, given.deadline_ms)
    text = page(found, given.networks, given.seconds, given.deadline_ms, load_before)
    print(text)
    if given.write:
        given.write.mkdir(parents=True, exist_ok=True)
        (given.write / "overload.md").write_text(text)


if __name__ == "__main__":
    main()

"""Whether answers stay the same, to the last bit, and memory flat, while the service works for long.

    python -m benchmarks.soak [--minutes N] [--studies N] [--write FOLDER]

Starts the real service with all models and their reference artifacts, and asks it each of N studies of every model while nothing else
runs. Then callers of three classes send the same studies in random order, as many at once as keep it busy, and every answer is compared
with the one that the study got alone; every ten seconds the memory of the service is written down. Exits with 1 where an answer differs
in anything but its id and its times, or memory has grown by more than a twentieth since the load had settled.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image
from tqdm import tqdm

from benchmarks.callers import NICE, example
from benchmarks.form import CONTENT_TYPE, body
from benchmarks.running import MODELS, resident_mb, service

CLASSES = ("stat", "routine", "routine", "batch")
EVERY_S = 10.0
SETTLED = 0.25  # of the time, after which memory is to be flat
GROWTH = 1.05
HEADERS = {"Content-Type": CONTENT_TYPE}


@dataclass
class Soak:
    """What was seen."""

    answers: Counter[str] = field(default_factory=Counter)  # by model
    others: Counter[int] = field(default_factory=Counter)  # answers that were refusals, by status
    different: list[str] = field(default_factory=list)  # models whose answer was another one
    resident: list[tuple[float, float]] = field(default_factory=list)  # seconds, MB

    @property
    def growth(self) -> float:
        """Memory at the end over memory when the load had settled: means of a tenth of the measurements each."""
        memory = np.array([mb for _, mb in self.resident])
        tenth, first = max(1, len(memory) // 10), int(SETTLED * len(memory))
        return float(memory[-tenth:].mean() / memory[first : first + tenth].mean())


def studies(model: str, count: int) -> list[bytes]:
    """Different studies: the example with its pictures moved and some of what is optional left out."""
    chance = random.Random(model)  # noqa: S311  the same on every run
    return [body([_varied(part, number, chance) for part in example(model)]) for number in range(count)]


def _varied(part: tuple[str, str, bytes], number: int, chance: random.Random) -> tuple[str, str, bytes]:
    name, file, data = part
    if file.endswith(".png"):
        moved, target = np.roll(np.asarray(Image.open(io.BytesIO(data))), number, axis=0), io.BytesIO()
        Image.fromarray(moved).save(target, "PNG")
        return name, file, target.getvalue()
    if name == "metadata" and number:
        said = json.loads(data)
        changed = {key: value + number / 8 if isinstance(value, float) and chance.random() < 0.5 else value for key, value in said.items()}
        return name, file, json.dumps(changed).encode()
    return part


def told(answer: httpx.Response) -> dict[str, Any]:
    """What an answer says, without what is new every time."""
    said: dict[str, Any] = answer.json()
    return {name: value for name, value in said.items() if name not in {"id", "timing_ms"}}


async def soak(port: int, pid: int, seconds: float, count: int) -> Soak:
    """Ask alone, then together."""
    seen = Soak()
    limits = httpx.Limits(max_connections=64)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=HEADERS, timeout=120, limits=limits) as client:
        asked = {model: studies(model, count) for model in MODELS}
        alone = {model: [told(await client.post(f"/predict/{model}", content=each)) for each in bodies] for model, bodies in asked.items()}
        if any("findings" not in each for answers in alone.values() for each in answers):
            raise SystemExit("a study was refused when it was alone")
        until = time.monotonic() + seconds
        callers = 2 * len(os.sched_getaffinity(0)) + 4

        async def call(caller: int) -> None:
            chance = random.Random(caller)  # noqa: S311
            while time.monotonic() < until:
                model, number = chance.choice(MODELS), chance.randrange(count)
                answer = await client.post(
                    f"/predict/{model}", content=asked[model][number], headers={"X-Priority": chance.choice(CLASSES)}
                )
                if answer.status_code != 200:
                    seen.others[answer.status_code] += 1
                    continue
                seen.answers[model] += 1
                if told(answer) != alone[model][number]:
                    seen.different.append(model)

        await asyncio.gather(_watch(seen, pid, seconds), *(call(caller) for caller in range(callers)))
    return seen


async def _watch(seen: Soak, pid: int, seconds: float) -> None:
    started = time.monotonic()
    with tqdm(total=round(seconds), unit="s", desc="soak") as bar:
        while (passed := time.monotonic() - started) < seconds:
            seen.resident.append((passed, resident_mb(pid)))
            bar.n = round(passed)
            bar.set_postfix(answers=seen.answers.total(), different=len(seen.different), MB=f"{seen.resident[-1][1]:.0f}")
            await asyncio.sleep(min(EVERY_S, seconds - passed))


def page(seen: Soak, seconds: float, count: int) -> str:
    """docs/performance/soak.md."""
    models = ", ".join(f"{model} {seen.answers[model]}" for model in MODELS)
    memory = [mb for _, mb in seen.resident]
    lines = [
        ("answers", f"{seen.answers.total()} ({models})"),
        ("that differ from what the study got alone", str(len(seen.different))),
        ("refused", ", ".join(f"{status}: {number}" for status, number in seen.others.items()) or "0"),
        ("memory of the service, first and last", f"{memory[0]:.0f} MB, {memory[-1]:.0f} MB"),
        ("memory at the end over memory when the load had settled", f"{seen.growth:.3f}"),
    ]
    return "\n".join([
        "# The same answers for long", "",
        f"`make soak`: {seconds / 60:g} minutes, {count} studies of each model, PNG and NIfTI, three classes of priority, the reference",
        f"artifacts, callers on the same {len(os.sched_getaffinity(0))} cores. Answers are compared number for number: JSON has all bits.",
        "",
        "| what | |", "| --- | ---: |", *(f"| {what} | {value} |" for what, value in lines), "",
        "![Memory of the service](soak.png)", "",
    ])  # fmt: skip


def plot(seen: Soak, file: Path) -> None:
    """Memory over time."""
    figure, axes = plt.subplots(figsize=(8, 3), layout="constrained")
    axes.plot([at / 60 for at, _ in seen.resident], [mb for _, mb in seen.resident], color="#3b6ea5")
    axes.set(xlabel="minutes", ylabel="resident, MB", ylim=(0, 1.1 * max(mb for _, mb in seen.resident)))
    figure.savefig(file, dpi=110)


def main() -> int:
    """Measure, and print or write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--studies", type=int, default=8, help="of each model")
    parser.add_argument("--write", type=Path, help="folder for soak.md and soak.png")
    given = parser.parse_args()
    with service() as (process, port):
        os.nice(NICE)
        seen = asyncio.run(soak(port, process.pid, 60 * given.minutes, given.studies))
    text = page(seen, 60 * given.minutes, given.studies)
    print(text)
    if given.write:
        given.write.mkdir(parents=True, exist_ok=True)
        (given.write / "soak.md").write_text(text)
        plot(seen, given.write / "soak.png")
    return int(bool(seen.different) or seen.growth > GROWTH)


if __name__ == "__main__":
    sys.exit(main())

"""What int8 gains on this processor: the reference artifacts, and full-size networks with random weights.

    python -m benchmarks.int8 [--write FOLDER]

Each network is quantised as `python -m training variant MODEL int8` does it, its activations scaled by phantoms, and timed beside float32
in alternating runs on one thread. Accuracy is not measured here: it is taken from where it was certified, artifacts/MODEL/int8.md.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from tqdm import tqdm

from benchmarks.running import MODELS, ROOT
from training.data import Cohort
from training.graphs import artifact_spec
from training.metrics import Estimate
from training.pipeline import read_cohort
from training.recipes import REFERENCE_SEED, recipe
from training.variants import FASTER, quantise, speedup

CASES = 24  # phantoms that scale the activations; how fast a graph is hardly depends on them
FULL_SIZE = ("bmd", "breast")
NEEDED = FASTER["int8"] or 0.0


@dataclass(frozen=True)
class Row:
    """One network."""

    model: str
    size: str
    megabytes: tuple[float, float]
    speedup: Estimate


def measure() -> Iterator[Row]:
    """Every network, one after the other."""
    from benchmarks.serving.networks import full_size  # noqa: PLC0415  it brings torch

    with TemporaryDirectory() as name:
        folder = Path(name)
        for model in tqdm(MODELS, unit="model"):
            cohort = _phantoms(model, folder / model)
            yield _row(model, "reference", ROOT / "artifacts" / model / "model.onnx", cohort, folder)
            if model in FULL_SIZE:
                yield _row(model, "full", full_size(model, ROOT / "build" / "bench" / "artifacts") / "model.onnx", cohort, folder)


def _phantoms(model: str, folder: Path) -> Cohort:
    write, rows = importlib.import_module(f"training.phantoms.{model}").write, recipe(model, "reference").phantom_rows
    write(folder, CASES, REFERENCE_SEED, rows=rows, progress=False)
    return read_cohort(model, folder, folder / "tensors", artifact_spec(ROOT / "artifacts" / model / "model.onnx"))


def _row(model: str, size: str, path: Path, cohort: Cohort, folder: Path) -> Row:
    target = folder / f"{model}-{size}.onnx"
    quantise(path, cohort, target)
    study = {name: np.asarray(array[:1]) for name, array in cohort.tensors.items()}
    megabytes = path.stat().st_size / 1e6, target.stat().st_size / 1e6
    return Row(model, size, megabytes, speedup(path, target, study))


def processor() -> str:
    """Its name, and whether it multiplies bytes in one instruction."""
    text = Path("/proc/cpuinfo").read_text()
    name = next(line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name"))
    return f"{name}, {'with' if 'vnni' in text else 'without'} VNNI"


def certified(model: str) -> str:
    """What the page of a reference artifact's variant says of its accuracy, and whether it is served."""
    text = (ROOT / "artifacts" / model / "int8.md").read_text()
    metric, difference = next(line.strip("| ").split(" | ") for line in text.splitlines() if "variant less float32" in line)
    return f"{metric.partition(',')[0]} {difference}, {'refused' if '**Not certified**' in text else 'served'}"


def page(rows: list[Row]) -> str:
    """docs/performance/int8.md."""
    lines = []
    for row in rows:
        before, after = row.megabytes
        reached = "yes" if row.speedup.low >= NEEDED else "no"
        accuracy = certified(row.model) if row.size == "reference" else ""
        lines.append(f"| {row.model} | {row.size} | {before:.1f} to {after:.1f} MB | {row.speedup} | {reached} | {accuracy} |")
    return "\n".join([
        "# What int8 gains", "", f"`python -m benchmarks.int8` on {processor()}: float32's time over int8's, one study, one thread,",
        "alternating runs, with the 95 % interval. Full-size networks have random weights: only their speed is told. What int8 does to the",
        "answers of the reference artifacts, and whether the service takes it:",
        ", ".join(f"[{model}](../../artifacts/{model}/int8.md)" for model in MODELS) + ".", "",
        f"| model | network | size | speed | {NEEDED:g} times as fast | accuracy less float32's |", "|---|---|---|---|---|---|", *lines, "",
    ])  # fmt: skip


def main() -> None:
    """Measure, and print or write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path, help="folder for int8.md")
    given = parser.parse_args()
    text = page(list(measure()))
    print(text)
    if given.write:
        (given.write / "int8.md").write_text(text)


if __name__ == "__main__":
    main()

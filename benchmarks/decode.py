"""From the bytes of a file to the network's tensor: this project's path beside pydicom's pixel path with the same resize.

    python -m benchmarks.decode [--sizes ...] [--syntaxes ...] [--rounds N] [--files FILE ...] [--cores N] [--write FOLDER]

Both sides run in one process in the order A B B A, on one core unless more are asked for: GDCM, which pydicom takes for JPEG 2000,
starts a thread for each core that it finds. The ratio is theirs / ours with a bootstrap interval. Memory is the peak of a fresh
process above what it held before decoding, in stored frames. Real files, if named, are measured too.
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pydicom
from PIL import Image as PillowImage
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from tqdm import tqdm

from benchmarks.payloads import ENCODERS, SIZES, Payload, payloads
from models.bmd import HIP
from models.decode import Limits, decode, read_header
from models.preprocess import image_tensor, sufficient_level, view_geometry

LIMITS = Limits()
RESAMPLES = 2000


@dataclass(frozen=True)
class Row:
    """One line of the table: milliseconds, ratio with its 95 % interval, and peaks in stored frames."""

    payload: Payload
    ours_ms: float
    theirs_ms: float
    ratio: float
    low: float
    high: float
    our_peak: float
    their_peak: float


def ours(data: bytes) -> np.ndarray:
    """The path of service and training, with the threads that the service gives a decoder process which is alone."""
    limits = replace(LIMITS, threads=len(os.sched_getaffinity(0)))
    header = read_header(data, LIMITS)
    level = sufficient_level(HIP, view_geometry(HIP, header, None))
    return image_tensor(HIP, decode(data, header, limits, apply_voi=True, level=level), None)[0]


def theirs(data: bytes) -> np.ndarray:
    """What one writes with pydicom: pixel_array, Modality LUT, VOI LUT, resize, stretch."""
    dataset = pydicom.dcmread(io.BytesIO(data))
    values = apply_voi_lut(apply_modality_lut(dataset.pixel_array, dataset), dataset)
    channels, height, width = HIP.shape
    small = np.asarray(PillowImage.fromarray(values.astype(np.float32)).resize((width, height), PillowImage.Resampling.BILINEAR))
    low, high = np.percentile(small, (0.5, 99.5))
    return np.repeat(np.clip((small - low) / (high - low), 0, 1)[np.newaxis], channels, axis=0)


SIDES: dict[str, Callable[[bytes], np.ndarray]] = {"ours": ours, "theirs": theirs}


def measured(payload: Payload, rounds: int) -> Row:
    """Time both sides in the order A B B A, then weigh each in a process of its own."""
    times: dict[str, list[float]] = {"ours": [], "theirs": []}
    for side in ("ours", "theirs"):
        SIDES[side](payload.data)
    for _ in range(rounds):
        for side in ("ours", "theirs", "theirs", "ours"):
            started = time.perf_counter()
            SIDES[side](payload.data)
            times[side].append(1000 * (time.perf_counter() - started))
    ratio, low, high = _ratio(times)
    ours_ms, theirs_ms = (float(np.median(times[side])) for side in ("ours", "theirs"))
    return Row(payload, ours_ms, theirs_ms, ratio, low, high, *(_peak(side, payload) for side in ("ours", "theirs")))


def _ratio(times: dict[str, list[float]]) -> tuple[float, float, float]:
    """Theirs over ours, of medians, with a percentile bootstrap over the rounds."""
    a, b = np.array(times["ours"]), np.array(times["theirs"])
    rng = np.random.default_rng(0)
    picks = rng.integers(0, len(a), (RESAMPLES, len(a)))
    low, high = np.percentile(np.median(b[picks], 1) / np.median(a[picks], 1), (2.5, 97.5))
    return float(np.median(b) / np.median(a)), float(low), float(high)


def _peak(side: str, payload: Payload) -> float:
    """The most that decoding adds to a process which has decoded the same file before, in stored frames."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "file"
        file.write_bytes(payload.data)
        command = [sys.executable, "-m", "benchmarks.decode", "--weigh", side, str(file)]
        # What is freed goes back at once, so that the second decode is seen whole.
        environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return int(done.stdout) / payload.frame_bytes


def weigh(side: str, file: Path) -> int:
    """Bytes by which the resident set rises while one file is decoded, once everything is imported."""
    data = file.read_bytes()
    SIDES[side](data)
    Path("/proc/self/clear_refs").write_text("5")  # proc(5): resets the peak
    before = _status("VmRSS")
    SIDES[side](data)
    return _status("VmHWM") - before


def _status(name: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) << 10


def real_payload(file: Path) -> Payload:
    """A file from disk."""
    data = file.read_bytes()
    header = read_header(data, LIMITS)
    bits = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True).BitsAllocated if header.format == "dicom" else 8
    return Payload(header.transfer_syntax, f"{header.rows} x {header.columns}, real", data, header.rows * header.columns * bits // 8)


def table(rows: list[Row]) -> str:
    """Markdown."""
    lines = [
        "| size | syntax | MB | ours ms | pydicom ms | faster by (95 %) | our peak | pydicom's peak |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        faster = f"**{row.ratio:.1f}** ({row.low:.1f}-{row.high:.1f})"
        cells = (row.payload.size, row.payload.syntax, f"{len(row.payload.data) / 1e6:.1f}", f"{row.ours_ms:.0f}", f"{row.theirs_ms:.0f}")
        lines.append("| " + " | ".join((*cells, faster, f"{row.our_peak:.1f}", f"{row.their_peak:.1f}")) + " |")
    return "\n".join(lines)


def page(rows: list[Row], cores: int) -> str:
    """docs/performance/decode.md."""
    return "\n".join([
        "# Reading pictures, beside pydicom", "",
        f"`make bench-decode`, on {cores} core(s): from the bytes of a file to the picture that a network of 224 x 224 pixels looks at, by",
        "our path and by pydicom's followed by a resize, in turns; medians, and the 95 % interval of the ratio. Peaks are what decoding",
        "adds to the process, in frames as they are stored.", "",
        "![times faster, and peak memory](decode.png)", "", table(rows), "",
    ])  # fmt: skip


def plot(rows: list[Row], file: Path) -> None:
    """How many times faster, with intervals, and the peaks, one bar for each size and syntax."""
    figure, (speed, memory) = plt.subplots(1, 2, figsize=(11, 0.32 * len(rows) + 1.2), sharey=True, layout="constrained")
    names = [f"{row.payload.syntax}, {row.payload.size}" for row in rows]
    ratios = np.array([(row.ratio, row.ratio - row.low, row.high - row.ratio) for row in rows]).T
    speed.barh(names, ratios[0], xerr=np.clip(ratios[1:], 0, None), color="#3b6ea5", ecolor="#222222")
    speed.axvline(1, color="#222222", linewidth=0.8)
    speed.set(xscale="log", xlabel="times faster than pydicom and a resize (log scale)")
    memory.barh(names, [row.their_peak for row in rows], color="#d9d9d9", label="pydicom")
    memory.barh(names, [row.our_peak for row in rows], color="#3b6ea5", height=0.5, label="ours")
    memory.set(xlabel="peak memory, in stored frames")
    memory.legend()
    speed.invert_yaxis()
    figure.savefig(file, dpi=110)


def _all(options: argparse.Namespace) -> Iterator[Payload]:
    for size in options.sizes:
        yield from payloads(size, set(options.syntaxes))
    yield from map(real_payload, options.files)


def main() -> None:
    """Measure, and print or write the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decode", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--sizes", nargs="*", choices=SIZES, default=list(SIZES), help="rows x columns (default: all)")
    parser.add_argument("--syntaxes", nargs="*", choices=ENCODERS, default=[], help="transfer syntaxes (default: all)")
    parser.add_argument("--rounds", type=int, default=5, help="of four decodes each (default: 5)")
    parser.add_argument("--files", nargs="*", type=Path, default=[], help="real files to measure beside the made ones")
    parser.add_argument("--cores", type=int, default=1, help="that both sides may use (default: 1)")
    parser.add_argument("--write", type=Path, help="folder for decode.md and decode.png")
    parser.add_argument("--weigh", nargs=2, metavar=("SIDE", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.weigh:
        print(weigh(options.weigh[0], Path(options.weigh[1])))
        return
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-options.cores :])
    rows = [measured(payload, options.rounds) for payload in tqdm(list(_all(options)), unit="file")]
    print(table(rows))
    if options.write:
        options.write.mkdir(parents=True, exist_ok=True)
        (options.write / "decode.md").write_text(page(rows, options.cores))
        plot(rows, options.write / "decode.png")


if __name__ == "__main__":
    main()

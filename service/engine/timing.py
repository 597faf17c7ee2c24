"""How long a network's runs take here, on one thread and on all cores: measured once for a machine, then read from a file."""

from __future__ import annotations

import hashlib
import json
import math
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnxruntime as ort

from service.engine.batch import Run, Tensors

LONGEST_S = 1.0  # of measuring one model
RUNS = 15  # and no more runs than this of each
CPU_INFO = Path("/proc/cpuinfo")
TELLING = (  # what makes two processors the same, as x86 and ARM kernels name it
    "vendor_id", "cpu family", "model", "model name", "stepping", "flags",
    "CPU implementer", "CPU architecture", "CPU variant", "CPU part", "CPU revision", "Features",
)


class Timed:
    """Measures, or remembers.

    Parameters
    ----------
    folder
        Where measurements are kept; None keeps none. One that cannot be written is no reason not to serve.
    digest
        The network's.
    threads
        Of a run on all cores.
    """

    def __init__(self, folder: Path | None, digest: str, threads: int, cpu_info: Path = CPU_INFO) -> None:
        self._threads = threads
        self._key = {"cpu": processor(cpu_info), "threads": threads, "onnxruntime": ort.__version__, "model": digest}
        name = hashlib.sha256(json.dumps(self._key, sort_keys=True).encode()).hexdigest()[:32]
        self._file = folder / f"{name}.json" if folder else None

    def __call__(self, narrow: Run, open_wide: Callable[[], Run] | None, tensors: Tensors) -> dict[int, float]:
        """Threads -> median milliseconds of a run."""
        known = self._read()
        if known or open_wide is None:
            return known or measure({1: narrow}, tensors)
        measured = measure({1: narrow, self._threads: open_wide()}, tensors)
        self._write(measured)
        return measured

    def _read(self) -> dict[int, float]:
        """What was measured before on such a machine; nothing where there is nothing to be believed."""
        if self._file is None:
            return {}
        try:
            kept = json.loads(self._file.read_text())
            alone_ms = {int(threads): float(milliseconds) for threads, milliseconds in kept["alone_ms"].items()}
        except (OSError, ValueError, KeyError, AttributeError, TypeError):
            return {}
        believed = kept.get("key") == self._key and alone_ms.keys() == {1, self._threads}
        return alone_ms if believed and all(math.isfinite(each) and each > 0 for each in alone_ms.values()) else {}

    def _write(self, alone_ms: Mapping[int, float]) -> None:
        if self._file is None:
            return
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            written = self._file.with_suffix(".new")
            written.write_text(json.dumps({"key": self._key, "alone_ms": alone_ms}))
            written.replace(self._file)
        except OSError:  # a read-only container: measured again at the next start
            pass


def measure(runs: Mapping[int, Run], tensors: Tensors) -> dict[int, float]:
    """Threads -> median milliseconds, the runs taking turns, so that a busy neighbour slows them alike."""
    one = {name: tensor[np.newaxis] for name, tensor in tensors.items()}
    until, took_ms = time.perf_counter() + LONGEST_S, {threads: list[float]() for threads in runs}
    for run in runs.values():
        run(one)  # the first run allocates
    for _ in range(RUNS):
        for threads, run in runs.items():
            started = time.perf_counter()
            run(one)
            took_ms[threads].append(1000 * (time.perf_counter() - started))
        if time.perf_counter() > until:
            break
    return {threads: statistics.median(each) for threads, each in took_ms.items()}


def processor(cpu_info: Path) -> str:
    """A digest of what the kernel says of the first processor."""
    try:
        lines = cpu_info.read_text().partition("\n\n")[0].splitlines()
    except OSError:
        return "unknown"
    told = sorted(line for line in lines if line.partition(":")[0].strip() in TELLING)
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]

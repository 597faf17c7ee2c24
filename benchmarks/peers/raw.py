"""No server at all: the network alone, as fast as a loop can call it. Commands as JSON lines on stdin, results as JSON lines on stdout.

{"image": FILE, "metadata": TEXT, "seconds": S} -> how long reading and running take alone, then runs on all cores for S seconds
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.peers.study import CORES, Network, artifact

ALONE_SHARE = 0.2  # of the seconds, for each of what is timed alone


def timed(seconds: float, call: Callable[[], object]) -> dict[str, list[float]]:
    """Milliseconds of each call, on the clock and of the processor."""
    clock, processor = [], []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        started, used = time.perf_counter(), time.process_time()
        call()
        clock.append(1000 * (time.perf_counter() - started))
        processor.append(1000 * (time.process_time() - used))
    return {"ms": clock, "cpu_ms": processor}


def saturated(seconds: float, call: Callable[[], object]) -> dict[str, float]:
    """Calls a second from a thread for each core, and the processor's milliseconds for each."""
    until = time.perf_counter() + seconds

    def loop() -> int:
        count = 0
        while time.perf_counter() < until:
            call()
            count += 1
        return count

    started, used = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(CORES) as threads:
        count = sum(threads.map(lambda _: loop(), range(CORES)))
    return {"per_s": count / (time.perf_counter() - started), "cpu_ms": 1000 * (time.process_time() - used) / count}


def measured(network: Network, wide: Network, image: bytes, metadata: dict[str, object], seconds: float) -> dict[str, object]:
    """All that one command asks for; `wide` runs on all cores."""
    tensors, alone = network.read(image, metadata), ALONE_SHARE * seconds
    for each in (network, wide):
        each.run(tensors)
    return {
        "read": timed(alone, lambda: network.read(image, metadata)),
        "run": timed(alone, lambda: network.run(tensors)),
        "run_wide": timed(alone, lambda: wide.run(tensors)),
        "saturated": saturated(seconds, lambda: network.run(tensors)),
        "answer": network.run(tensors).tolist(),
    }


def main() -> None:
    """Answer commands until there are no more."""
    network, wide = Network(artifact()), Network(artifact(), threads=CORES)
    for line in sys.stdin:
        asked = json.loads(line)
        result = measured(network, wide, Path(asked["image"]).read_bytes(), json.loads(asked["metadata"]), asked["seconds"])
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()

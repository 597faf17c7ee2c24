"""How long the health probe waits while mammograms decode on all cores.

    python -m benchmarks.probe [--seconds N] [--callers N] [--goal-ms MS]

Starts the real service with its reference artifact and as many decoders as it takes by itself. Callers, two for each decoder, send
4096 x 3328 images of 16 bits in JPEG 2000 and JPEG-LS without a pause, at a low priority, as they would come from another machine;
one more asks /health/live fifty times a second and writes down how long each answer took. Exits with 1 where the goal is missed.
"""

from __future__ import annotations

import argparse
import http.client
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np

from benchmarks.payloads import mammogram
from tests.models.decode.synthetic import J2K, LS, compressed

ROOT = Path(__file__).resolve().parents[1]
ROWS, COLUMNS = 4096, 3328
PAUSE_S = 0.02
CALLERS_NICE = 15
HIP = {"Modality": "DX", "BodyPartExamined": "HIP", "ImageLaterality": "L", "PatientSex": "F", "PatientAge": "071Y"}


def start(model: str) -> tuple[subprocess.Popen[str], int]:
    """The service with one model on a free port, and that port."""
    settings = {"CHIASM_PORT": "0", "CHIASM_MODELS": model, "CHIASM_ARTIFACTS": str(ROOT / "artifacts"), "CHIASM_LOG_LEVEL": "error"}
    settings["CHIASM_GATE"] = "false"  # mammograms, some of them sent as hips, to keep the decoders busy
    command = [sys.executable, "-m", "service", "serve"]
    service = subprocess.Popen(command, env=os.environ | settings, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    said = service.stderr.readline() if service.stderr else ""
    return service, int(said.rsplit(":", 1)[1].split("/")[0])


def call(port: int, bodies: list[bytes], until: float, seen: Counter[int]) -> None:
    """Send one image after the other."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    while time.monotonic() < until:
        connection.request("POST", "/predict/bmd", bodies[seen.total() % len(bodies)], {"Content-Type": "application/dicom"})
        answer = connection.getresponse()
        answer.read()
        seen[answer.status] += 1


def probe(port: int, until: float) -> np.ndarray:
    """Milliseconds of each answer of /health/live, as one caller with a kept connection waits for them."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    waited = []
    while time.monotonic() < until:
        time.sleep(PAUSE_S)
        started = time.perf_counter()
        connection.request("GET", "/health/live")
        connection.getresponse().read()
        waited.append(1000 * (time.perf_counter() - started))
    return np.array(waited)


def load(port: int, seconds: float, callers: int) -> None:
    """What runs in the callers' process: print what the service answered."""
    os.nice(CALLERS_NICE)
    seen: Counter[int] = Counter()
    bodies = [compressed(mammogram(ROWS, COLUMNS, 16), syntax, bits=16, **HIP) for syntax in (J2K, LS)]
    print(f"{callers} callers send files of {', '.join(f'{len(body) / 1e6:.0f}' for body in bodies)} MB", flush=True)
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=call, args=(port, bodies, until, seen)) for _ in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(", ".join(f"{count} x {status}" for status, count in sorted(seen.items())), flush=True)


def measure(seconds: float, callers: int) -> np.ndarray:
    """Probe an idle service for a moment, then a loaded one."""
    service, port = start("bmd")
    try:
        print("idle:   ", told(probe(port, time.monotonic() + 3)))
        command = [sys.executable, "-m", "benchmarks.probe", "--load", str(port), "--seconds", str(seconds + 2), "--callers", str(callers)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as callers_process:
            assert callers_process.stdout  # noqa: S101
            print(callers_process.stdout.readline().strip())  # when their images are made
            waited = probe(port, time.monotonic() + seconds)
            print("answers:", callers_process.stdout.read().strip())
        print("loaded: ", told(waited))
        return waited
    finally:
        service.terminate()
        service.wait()


def told(waited: np.ndarray) -> str:
    """The distribution of some milliseconds, in words."""
    p50, p99, p999 = np.percentile(waited, (50, 99, 99.9))
    return f"{len(waited)} times, p50 {p50:.1f} ms, p99 {p99:.1f} ms, p99.9 {p999:.1f} ms, longest {waited.max():.1f} ms"


def main() -> int:
    """Measure, and compare with the goal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--callers", type=int, default=2 * len(os.sched_getaffinity(0)))
    parser.add_argument("--goal-ms", type=float, default=50)
    parser.add_argument("--load", type=int, metavar="PORT", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.load:
        load(given.load, given.seconds, given.callers)
        return 0
    return int(np.percentile(measure(given.seconds, given.callers), 99) >= given.goal_ms)


if __name__ == "__main__":
    sys.exit(main())

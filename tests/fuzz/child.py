"""The process that is fuzzed, and may die: ``python -m tests.fuzz.child FOLDER RUNS SEED``. Limited and silenced like a decoder worker.

Coverage guides it where atheris is installed: FOLDER/corpus grows by every input that reaches new code of ours. Without it the
mutator walks from the seeds alone.
"""

from __future__ import annotations

import ctypes
import random
import resource
import signal
import sys
from pathlib import Path

from tests.fuzz.tally import GUIDED, LARGEST, Tally, keep

if GUIDED:
    import atheris

    with atheris.instrument_imports(include=["models", "service.decoding"]):
        from tests.fuzz import target
else:
    from tests.fuzz import target

from service.decoding.confine import PR_SET_PDEATHSIG
from service.decoding.worker import _silence
from tests.fuzz.mutation import mutate

MEMORY_BYTES = 2 << 30  # as a decoder worker by default, and what libFuzzer itself maps


def main(folder: Path, runs: int, seed: int) -> None:
    """Read `runs` inputs, most of them mutated ones."""
    seeds = tuple(path.read_bytes() for path in sorted((folder / "seeds").iterdir()))
    tally = Tally(folder / "tally")
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    _silence()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def read(data: bytes) -> None:
        tally.begin(data[:LARGEST])
        found = target.finding(data[:LARGEST])
        tally.count(read=1)
        if found:
            keep(folder / "findings", found, data)

    def mutated(data: bytes, largest: int, chance: int) -> bytes:
        tally.count(mutated=1)
        return mutate(data, random.Random(chance), seeds)[:largest]  # noqa: S311  the same inputs for the same seed

    if GUIDED:
        _guided(folder, runs, seed, read, mutated)
    else:
        chance = random.Random(seed)  # noqa: S311
        for _ in range(runs):
            read(mutated(chance.choice(seeds), LARGEST, chance.getrandbits(32)))


def _guided(folder, runs, seed, read, mutated) -> None:
    options = [
        f"-runs={runs}",
        f"-seed={seed}",
        f"-max_len={LARGEST}",
        "-rss_limit_mb=0",
        "-timeout=600",
        "-len_control=0",
        "-print_final_stats=0",
    ]
    off = [f"-handle_{signal}=0" for signal in ("segv", "bus", "abrt", "ill", "fpe", "int", "term", "xfsz")]  # the supervisor sees them
    atheris.Setup(["fuzz", str(folder / "corpus"), str(folder / "seeds"), *options, *off], read, custom_mutator=mutated)
    atheris.Fuzz()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))

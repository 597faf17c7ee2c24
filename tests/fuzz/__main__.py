"""``python -m tests.fuzz [SECONDS] [FOLDER]``: fuzz the worker's entry, restart what dies, and say what was found.

Exits with 1 where anything was found: a death of the process, a hang, an error that is no refusal, an answer that is not finite or
not the same twice. Each finding lies in FOLDER/findings, one input for each kind.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.mutation import SYNTAX_UIDS
from tests.fuzz.seeds import seeds
from tests.fuzz.tally import GUIDED, Tally, keep

RUNS = 50_000  # of one process; native decoders leak a little
HANG_S = 20.0
LOOK_S = 1.0
SILENT = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def fuzz(seconds: float, folder: Path, runs: int = RUNS) -> Tally:
    """Fuzz for so long; the corpus in `folder` is taken up again where an earlier run left it."""
    for name in ("seeds", "corpus", "findings"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name, data in seeds().items():
        (folder / "seeds" / name).write_bytes(data)
    tally = Tally(folder / "tally")
    until = time.monotonic() + seconds
    for seed in itertools.count(int(time.time())):
        if time.monotonic() >= until:
            return tally
        _one_process(folder, tally, runs, seed, until)
    raise AssertionError


def _one_process(folder: Path, tally: Tally, runs: int, seed: int, until: float) -> None:
    """Let one process read its inputs; how it died, if it did, is a finding."""
    command = [sys.executable, "-m", "tests.fuzz.child", str(folder), str(runs), str(seed)]
    with subprocess.Popen(command, env=_environment(), **SILENT) as child:
        began = before = tally.read
        moved = time.monotonic()
        while child.poll() is None:
            time.sleep(LOOK_S)
            if tally.read != before:
                before, moved = tally.read, time.monotonic()
            hangs = time.monotonic() - moved > HANG_S
            if hangs or time.monotonic() >= until:
                child.kill()
                child.wait()
                if hangs:
                    keep(folder / "findings", f"hang of {_kind(tally.current)}", tally.current)
                return
    if tally.read == began and child.returncode > 0:
        raise RuntimeError(f"the fuzzed process does not start: {' '.join(command)}")
    if child.returncode != 0:
        how = signal.Signals(-child.returncode).name if child.returncode < 0 else f"exit {child.returncode}"
        keep(folder / "findings", f"{how} of {_kind(tally.current)}", tally.current)


def _kind(data: bytes) -> str:
    """What an input claims to be: its transfer syntax."""
    named = [uid for uid in SYNTAX_UIDS if uid.rstrip(b"\0") in data[132:1000]]
    return max(named, key=len).rstrip(b"\0").decode() if named else "another file"


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])}


def main(arguments: list[str]) -> int:
    """Fuzz, report, and return the exit status."""
    seconds = float(arguments[0]) if arguments else 3600.0
    folder = Path(arguments[1]) if len(arguments) > 1 else Path(tempfile.mkdtemp(prefix="fuzz-"))
    tally = fuzz(seconds, folder)
    found = sorted(path.name for path in (folder / "findings").iterdir())
    guided = "guided by coverage" if GUIDED else "not guided: atheris is not installed"
    said = f"{tally.read} inputs read, {tally.mutated} of them mutated ({guided}), {len(found)} findings in {folder}"
    sys.stdout.write("\n".join((said, *found, "")))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

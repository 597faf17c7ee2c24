"""The service as a process of its own, and what it uses of the machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MODELS = ("bmd", "breast", "chest", "alzheimer")


@contextmanager
def service(models: Sequence[str] = MODELS, artifacts: Path = ROOT / "artifacts") -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The service with its models, ready, and its port."""
    served = {"CHIASM_ARTIFACTS": str(artifacts), "CHIASM_MODELS": ",".join(models)}
    settings = {"CHIASM_PORT": "0", "CHIASM_LOG_LEVEL": "error", **served}
    command = [sys.executable, "-m", "service", "serve"]
    process = subprocess.Popen(command, env=os.environ | settings, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    try:
        said = [process.stderr.readline() if process.stderr else "" for _ in models]
        assert all("is ready" in line for line in said), said  # noqa: S101
        yield process, int(said[0].rsplit(":", 1)[1].split("/")[0])
    finally:
        process.terminate()
        process.wait(60)


def cpu_s(pid: int) -> float:
    """Processor seconds that the threads of a process have used."""
    return sum(int(file.read_text().split()[0]) for file in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def resident_mb(pid: int) -> float:
    """Memory of a process, without that of its decoders."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

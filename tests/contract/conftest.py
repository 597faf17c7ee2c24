"""What the contract tests look at: the tree as it is, and the service as a user starts it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
START_S = 120  # the promise: ready under two minutes once packages are cached


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def readme() -> str:
    return (ROOT / "README.md").read_text()


@pytest.fixture(scope="session")
def tree() -> list[Path]:
    """Every file that is in the project or would be with the next commit."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return [path for name in sorted(set(listed.split("\0"))) if name and (path := ROOT / name).is_file()]


@pytest.fixture(scope="session")
def serve_python() -> Path:
    """The interpreter that `make serve` runs the service with."""
    python = ROOT / ".venv/serve/bin/python"
    if not python.exists():
        pytest.skip("the serve environment is not there: make test makes it")
    return python


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def clean_environment() -> dict[str, str]:
    """A newcomer's environment: no settings of ours, and no make around us."""
    ours = ("CHIASM_", "MAKE", "MFLAGS", "PORT", "COV_", "COVERAGE_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def wait_until_ready(process: subprocess.Popen[bytes], address: str) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        assert process.poll() is None, f"make serve ended with {process.returncode} before it was ready"
        try:
            urllib.request.urlopen(f"{address}/health/ready", timeout=2).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"make serve was not ready within {START_S} s")


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory, serve_python: Path) -> Iterator[str]:
    """`make serve` on a free port, ready; its address."""
    assert serve_python.exists()
    port = free_port()
    log = tmp_path_factory.mktemp("serve") / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["make", "serve", f"PORT={port}"], cwd=ROOT, env=clean_environment(), stdout=out, stderr=out, start_new_session=True
        )
        try:
            wait_until_ready(process, f"http://127.0.0.1:{port}")
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(60)

"""A throw-away cluster of PostgreSQL, in a folder of its own, as a user who is not root."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.service.gateway.peers import free_port


def program(name: str) -> str:
    """Debian keeps them out of the way."""
    found = [shutil.which(name), *map(str, sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}")))]
    existing = [path for path in found if path]
    if not existing:
        pytest.skip("PostgreSQL (Debian package postgresql) is not installed")
    return existing[-1]


def somebody() -> dict[str, Any]:
    """Arguments that make a process run as a user whom PostgreSQL does not refuse."""
    if os.geteuid() != 0:
        return {}
    names = {each.pw_name for each in pwd.getpwall()}
    return {"user": "postgres" if "postgres" in names else "nobody", "group": "postgres" if "postgres" in names else "nogroup"}


@contextmanager
def cluster() -> Iterator[str]:
    """The URL of an empty database."""
    initdb, postgres, who, port = program("initdb"), program("postgres"), somebody(), free_port()
    folder = Path(tempfile.mkdtemp(prefix="postgres-", dir="/tmp"))
    if who:
        shutil.chown(folder, who["user"])
    try:
        command = [initdb, "-D", folder / "data", "-A", "trust", "-U", "chiasm", "-N", "-E", "UTF8"]
        made = subprocess.run(command, cwd=folder, capture_output=True, check=False, **who)
        assert made.returncode == 0, made.stderr.decode()
        command = [postgres, "-D", folder / "data", "-p", str(port), "-h", "127.0.0.1", "-k", str(folder), "-F"]
        server = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **who)
        try:
            ready = [program("pg_isready"), "-h", "127.0.0.1", "-p", str(port), "-q"]
            until = time.monotonic() + 60
            while subprocess.run(ready, check=False).returncode:
                assert server.poll() is None
                assert time.monotonic() < until
                time.sleep(0.05)
            yield f"postgresql+pg8000://chiasm@127.0.0.1:{port}/postgres"
        finally:
            server.send_signal(signal.SIGINT)  # a fast shutdown: who is connected is cut off
            server.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)

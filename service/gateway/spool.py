"""Files that outlive a power cut: what `write` has returned for is on the disk, whole, under its name."""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Iterable
from pathlib import Path

LOCK = "lock"


class Spool:
    """A folder of files whose names say nothing of a patient."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def write(self, pieces: Iterable[bytes | memoryview]) -> str:
        """Store bytes durably and return the name to read them by."""
        name = f"{uuid.uuid4().hex}.dcm"
        folder = self.root / name[:2]  # a few hundred folders: directories stay small
        if not folder.is_dir():
            folder.mkdir(exist_ok=True)
            _sync(self.root)
        partial = folder / f"{name}.partial"
        try:
            _write(partial, pieces)
        except BaseException:
            partial.unlink(missing_ok=True)  # a full disk needs the space
            raise
        partial.rename(folder / name)
        _sync(folder)
        return name

    def lock(self) -> int:
        """Be the only one who uses this folder, until the process ends or the descriptor that is returned is closed.

        Raises BlockingIOError where another process is.
        """
        descriptor = os.open(self.root / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise
        return descriptor

    def read(self, name: str) -> bytes:
        """The bytes of a file."""
        return self.path(name).read_bytes()

    def path(self, name: str) -> Path:
        """Where a file lies."""
        return self.root / name[:2] / name

    def remove(self, name: str) -> None:
        """Forget a file; one that is gone already is no error."""
        self.path(name).unlink(missing_ok=True)

    def free_bytes(self) -> int:
        """Space that is left for whoever runs the gateway."""
        return os.statvfs(self.root).f_bavail * os.statvfs(self.root).f_frsize

    def sweep(self, known: set[str], older_than: float) -> int:
        """Remove files that no ledger knows and that were written before a time: what a crash left between disk and ledger."""
        removed = 0
        for path in self.root.glob("??/*"):
            if path.name not in known and path.stat().st_mtime < older_than:
                path.unlink(missing_ok=True)
                removed += 1
        return removed


def _write(path: Path, pieces: Iterable[bytes | memoryview]) -> None:
    with path.open("wb") as file:
        for piece in pieces:
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Files that outlive a power cut: what `write` has returned for is on the disk, whole, under its name."""

from __future__ import annotations

import contextlib
import fcntl
import os
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

LOCK = "lock"


class Draft:
    """A file that is being written; it is there, under its name, when it is kept."""

    def __init__(self, folder: Path) -> None:
        self.name = f"{uuid.uuid4().hex}.dcm"
        self._final = folder / self.name[:2] / self.name  # a few hundred folders: directories stay small
        if not self._final.parent.is_dir():
            self._final.parent.mkdir(exist_ok=True)
            _sync(folder)
        self.partial = self._final.with_suffix(".dcm.partial")
        self._file = self.partial.open("wb")

    def write(self, piece: bytes | memoryview) -> None:
        """Add to it."""
        self._file.write(piece)

    def flush(self) -> None:
        """Let what was written be read through `partial`."""
        self._file.flush()

    def keep(self) -> str:
        """Make it durable, and return the name to read it by."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self.partial.rename(self._final)
        _sync(self._final.parent)
        return self.name

    def drop(self) -> None:
        """Leave nothing of it, unless it was kept: a full disk needs the space."""
        with contextlib.suppress(OSError):
            self._file.close()  # a disk without room refuses what was not written yet, again
        self.partial.unlink(missing_ok=True)


class Spool:
    """A folder of files whose names say nothing of a patient."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def write(self, pieces: Iterable[bytes | memoryview]) -> str:
        """Store bytes durably and return the name to read them by."""
        with self.draft() as draft:
            for piece in pieces:
                draft.write(piece)
            return draft.keep()

    @contextlib.contextmanager
    def draft(self) -> Iterator[Draft]:
        """A file to be written piece by piece; what was not kept at the end of the block is gone."""
        draft = Draft(self.root)
        try:
            yield draft
        finally:
            draft.drop()

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


def _sync(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

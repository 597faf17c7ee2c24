"""Files that are whole or not there, and folders that one process at a time works in: what makes a killed run safe to go on with."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


class RecordError(Exception):
    """A folder holds no run, or not the one that is needed."""


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write that takes the place of `path` when it is complete and on the disk; until then `path` stays as it was."""
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


@contextmanager
def locked(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """The folder for this process alone, made where it is missing; the lock goes with the process, however that ends.

    Raises
    ------
    FileExistsError
        Another process works there, and `wait` is not asked for.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise FileExistsError(f"another process is working in {folder}: wait for it, or choose another --run") from None
        yield

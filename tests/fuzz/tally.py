"""What the fuzzing process and its supervisor share: how many inputs were read, and which one is being read now.

The input lies in shared memory before it is read: a process that dies in native code, or is killed, has told what killed it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import mmap
import struct
from pathlib import Path

HEAD = struct.Struct("<QQI")  # inputs read, of them mutated ones, bytes of the input that is being read
LARGEST = 1 << 16
GUIDED = importlib.util.find_spec("atheris") is not None


class Tally:
    """Counters and the current input in a file that two processes map."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(HEAD.size + LARGEST))
        with path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), HEAD.size + LARGEST)

    @property
    def read(self) -> int:
        """Inputs that were read from beginning to end."""
        return int(HEAD.unpack_from(self._shared)[0])

    @property
    def mutated(self) -> int:
        """Inputs that the mutator made."""
        return int(HEAD.unpack_from(self._shared)[1])

    @property
    def current(self) -> bytes:
        """The input that is being read, or was read last."""
        length = HEAD.unpack_from(self._shared)[2]
        return self._shared[HEAD.size : HEAD.size + length]

    def begin(self, data: bytes) -> None:
        """Say what will be read."""
        read, mutated, _ = HEAD.unpack_from(self._shared)
        self._shared[HEAD.size : HEAD.size + len(data)] = data
        HEAD.pack_into(self._shared, 0, read, mutated, len(data))

    def count(self, *, read: int = 0, mutated: int = 0) -> None:
        """Add to the counters."""
        before = HEAD.unpack_from(self._shared)
        HEAD.pack_into(self._shared, 0, before[0] + read, before[1] + mutated, before[2])


def keep(folder: Path, what: str, data: bytes) -> None:
    """Save an input under what it did: one for each kind of finding."""
    name = "".join(letter if letter.isalnum() else "_" for letter in what)
    if not list(folder.glob(f"{name}-*")):
        (folder / f"{name}-{hashlib.sha256(data).hexdigest()[:12]}").write_bytes(data)

"""One decoder process: started with limits, fed through a socket, and killed when it is no more of use."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.decode.selftest import Tested
from service.decoding import wire
from service.errors import DecoderCrashedError

COMMAND = (sys.executable, "-m", "service.decoding.worker")
ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 60.0  # importing the decoders takes one to two seconds on an idle machine
PIECE_BYTES = 256 << 10  # written at once: the event loop has its turn between two


@dataclass(frozen=True)
class Bounds:
    """What one study may cost, and how many may wait."""

    max_queue_size: int = 32
    timeout_s: float = 20.0
    memory_bytes: int = 2 << 30
    studies_per_worker: int = 5000  # native code may leak: 3,000 pictures of each syntax took 1.5 MB, and a new process takes 0.4 s
    cores: int = 1  # that the workers share; one that is alone with its study may use those of the others


class Worker:
    """One decoder process and the socket to it."""

    def __init__(self, command: Sequence[str], bounds: Bounds) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            arguments = (theirs.fileno(), os.getpid(), bounds.memory_bytes, int(bounds.timeout_s) + 1)
            self._process = subprocess.Popen(  # noqa: S603  our own interpreter and module
                [*command, *map(str, arguments)], pass_fds=[theirs.fileno()], env=_environment(), cwd="/",
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,  # stderr stays, until the worker has started
            )
        self._socket = ours
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.studies = 0
        self.renewed = False  # whether another is on its way in its place
        self.retired = False  # whether that one has come
        self.tested: tuple[Tested, ...] = ()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    async def start(self) -> None:
        """Wait until the worker is ready for its first study."""
        self._streams = await asyncio.open_connection(sock=self._socket)
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                ready, _ = await self._receive()
        except (EOFError, OSError, TimeoutError):
            raise DecoderCrashedError("a decoder process could not start; its own words are on stderr") from None
        if isinstance(ready, wire.Ready):
            self.tested = ready.tested

    async def read(self, pieces: Iterable[bytes]) -> tuple[wire.Reply, list[bytes]]:
        """Send one study and return the worker's reply."""
        assert self._streams is not None  # noqa: S101  start() came first
        self.studies += 1
        writer = self._streams[1]
        for piece in pieces:
            for start in range(0, len(piece), PIECE_BYTES):
                writer.write(memoryview(piece)[start : start + PIECE_BYTES])
                await writer.drain()
        return await self._receive()

    async def stop(self) -> None:
        """Kill the process and wait for it, so that neither a zombie nor a socket is left."""
        self._process.kill()
        if self._streams is None:
            self._socket.close()
        else:
            writer = self._streams[1]
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        await asyncio.to_thread(self._process.wait)

    async def _receive(self) -> tuple[wire.Reply, list[bytes]]:
        assert self._streams is not None  # noqa: S101  start() came first
        reader = self._streams[0]
        header_bytes = int.from_bytes(await reader.readexactly(wire.PREFIX_BYTES), "little")
        wire.check_size(header_bytes)
        header = wire.decode_reply(await reader.readexactly(header_bytes))
        wire.check_size(header_bytes, sum(header.sizes))
        return header, [await reader.readexactly(size) for size in header.sizes]


def _environment() -> dict[str, str]:
    """No more than a worker needs: no secrets, one thread for each numerical library, no fault handler that prints frames."""
    threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR")}
    paths = os.pathsep.join(path for path in (str(ROOT), os.environ.get("PYTHONPATH", "")) if path)
    return {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1", "LANG": "C.UTF-8", **threads}

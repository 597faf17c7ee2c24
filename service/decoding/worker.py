"""A decoder process: reads one study after the other from a socket, and answers with tensors or with what is wrong.

Started as ``python -m service.decoding.worker FD PARENT MEMORY_BYTES CPU_SECONDS``. It says `Ready` once its decoders are
imported and have passed or failed their self-test, so that the first study is as fast as the next. Whatever native code prints
goes nowhere: it may hold values.
"""

from __future__ import annotations

import functools
import io
import logging
import os
import socket
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

from models.decode import Limits
from models.decode.selftest import self_test, without_failed
from models.errors import StudyError
from models.prediction import Reading
from models.spec import ModelSpec
from models.study import Study, read_study
from service.decoding import wire
from service.decoding.confine import allow_cpu, confine

Stream = io.BufferedRWPair
Read = Callable[[ModelSpec, Study, Limits], Reading]


@functools.cache
def _spec(encoded: bytes) -> ModelSpec:
    return ModelSpec.model_validate_json(encoded)


def main(arguments: list[str], read: Read = read_study) -> None:
    """Serve studies until the service closes its end of the socket."""
    descriptor, parent, memory_bytes, cpu_seconds = map(int, arguments)
    confine(parent, memory_bytes)
    _silence()
    tested = self_test()
    with socket.socket(fileno=descriptor) as connection, connection.makefile("rwb") as stream:
        _send(stream, wire.message(wire.Ready(tested)))
        while (received := _receive(stream)) is not None:
            allow_cpu(cpu_seconds)
            order, blobs = received
            _send(stream, _reply(read, order, blobs, without_failed(order.limits, tested)))


def _silence() -> None:
    """From here on files are read: no warning, no log, and no word of native code on stderr may repeat what stands in them."""
    logging.disable()
    warnings.simplefilter("ignore")
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), sys.stderr.fileno())


def _reply(read: Read, order: wire.Order, blobs: list[bytes], limits: Limits) -> Iterable[bytes]:
    try:
        return wire.answer(read(_spec(order.spec), wire.study_of(order, blobs), limits))
    except StudyError as error:
        return wire.message(wire.Refusal(type(error).__name__, str(error), error.hint, error.details))
    except Exception as error:  # noqa: BLE001  a decoder may raise anything; what it was crosses as a class name and a place
        frames = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
        return wire.message(wire.Failure(type(error).__name__, frames))


def _receive(stream: Stream) -> tuple[wire.Order, list[bytes]] | None:
    prefix = stream.read(wire.PREFIX_BYTES)
    if len(prefix) < wire.PREFIX_BYTES:
        return None
    order = wire.decode_order(stream.read(int.from_bytes(prefix, "little")))
    return order, [stream.read(size) for size in order.sizes]


def _send(stream: Stream, pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        stream.write(piece)
    stream.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
    os._exit(0)  # skip the finalisers of native libraries: nothing here needs them

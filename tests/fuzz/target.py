"""What a decoder worker does with one file, and what its answer must hold to: an order on the wire in, a reply on the wire out."""

from __future__ import annotations

import time
import traceback
import zlib
from pathlib import Path

import numpy as np

from models import SPECS
from models.decode import Limits
from models.errors import StudyError
from models.prediction import Tensors
from models.study import Part, Study, read_study
from service.decoding import wire

# A network small enough that decoding, not resizing, takes the time; and small files for it.
HIP = SPECS["bmd"].images[0]
SPEC = SPECS["bmd"].model_copy(update={"images": (HIP.model_copy(update={"shape": (3, 16, 16), "min_side_pixels": 8}),)})
LIMITS = Limits(max_pixels=1 << 16)
METADATA: dict[str, object] = {"sex": "female"}
SLOW_S = 2.0  # of one processor for a small file
AGAIN = 16  # one input in so many is read twice: the same bytes give the same answer, or memory was read that nobody wrote


def ask(data: bytes) -> Tensors | StudyError:
    """The tensors of a study of one file, or its refusal, having crossed the wire both ways."""
    header, *blobs = wire.order(b"", Study((Part(data),), METADATA), LIMITS)
    order = wire.decode_order(header[wire.PREFIX_BYTES :])
    try:
        reading = read_study(SPEC, wire.study_of(order, blobs), order.limits)
    except StudyError as error:
        return error
    header, *blobs = wire.answer(reading)
    reply = wire.decode_reply(header[wire.PREFIX_BYTES :])
    assert isinstance(reply, wire.Answer)
    return wire.reading_of(reply, blobs).tensors


def finding(data: bytes) -> str | None:
    """What is wrong about the answer to these bytes; None where it is a reading, or a refusal of the study."""
    started = time.process_time()
    try:
        told = ask(data)
    except Exception as error:  # noqa: BLE001  any of them is a finding
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
    if time.process_time() - started > SLOW_S:
        return "slow"
    if isinstance(told, StudyError):
        return None
    if not all(np.isfinite(tensor).all() for tensor in told.values()):
        return "an answer that is not finite"
    return "another answer to the same bytes" if zlib.crc32(data) % AGAIN == 0 and not _same(ask(_elsewhere(data)), told) else None


def _elsewhere(data: bytes) -> bytes:
    """The same bytes, after memory of the size of an image was filled and let go: what a decoder does not write shows."""
    for size in (1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 16):
        np.full(size, len(data) % 251 + 1, np.uint8)
    return bytes(bytearray(data))


def _same(told: Tensors | StudyError, before: Tensors) -> bool:
    return isinstance(told, dict) and all(np.array_equal(told[name], tensor) for name, tensor in before.items())

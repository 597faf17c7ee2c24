"""What passes between the service and its decoder workers: MessagePack headers, then raw bytes. No pickle.

A message is the length of its header (4 bytes, little-endian), the header, and the blobs whose sizes the header lists.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from models.decode import Limits
from models.decode.selftest import Tested
from models.errors import Detail, StudyError
from models.prediction import FieldValue, Quality, Reading, UnusedImage, UsedGenotypes, UsedImage
from models.study import Part, Study
from service.errors import DecoderCrashedError, ServiceError

PREFIX_BYTES = 4
MAX_HEADER_BYTES = 16 << 20  # metadata is 64 KiB at most; what is larger is not a header of ours
MAX_BLOB_BYTES = 1 << 30


class Order(msgspec.Struct):
    """Read this study. `inputs` names the image input of each part; the parts' bytes follow."""

    spec: bytes
    limits: Limits
    metadata: dict[str, Any]
    inputs: list[str | None]
    sizes: list[int]


class Ready(msgspec.Struct, tag=True):
    """The worker has imported its decoders, tried each, and waits for work."""

    tested: tuple[Tested, ...] = ()
    sizes: list[int] = []


class Answer(msgspec.Struct, tag=True):
    """A Reading; the bytes of its tensors, then of its thumbnails, follow: float32 in C order."""

    images: tuple[UsedImage, ...]
    unused_images: tuple[UnusedImage, ...]
    metadata: dict[str, FieldValue]
    quality: tuple[Quality, ...]
    timing_ms: dict[str, float]
    shapes: dict[str, tuple[int, ...]]
    thumbnail_shapes: dict[str, tuple[int, ...]]
    sizes: list[int]
    genotypes: UsedGenotypes | None = None


class Refusal(msgspec.Struct, tag=True):
    """A StudyError, by the name of its class."""

    kind: str
    message: str
    hint: str
    details: tuple[Detail, ...]
    sizes: list[int] = []


class Failure(msgspec.Struct, tag=True):
    """Anything else that was raised: which class, and where. Never its message, which may hold values of the file."""

    kind: str
    frames: list[str]
    sizes: list[int] = []


Reply = Ready | Answer | Refusal | Failure
decode_order = msgspec.msgpack.Decoder(Order).decode
decode_reply = msgspec.msgpack.Decoder(Reply).decode
_encode = msgspec.msgpack.Encoder().encode


def message(header: msgspec.Struct, pieces: Sequence[bytes] = ()) -> list[bytes]:
    """The pieces of one message, in order; those of its blobs are passed on, not copied."""
    encoded = _encode(header)
    return [len(encoded).to_bytes(PREFIX_BYTES, "little") + encoded, *pieces]


def order(spec: bytes, study: Study, limits: Limits) -> list[bytes]:
    """A study as a message."""
    sizes = [sum(map(len, part.pieces)) for part in study.parts]
    header = Order(spec, limits, study.metadata, [part.input for part in study.parts], sizes)
    return message(header, [piece for part in study.parts for piece in part.pieces])


def study_of(header: Order, blobs: Sequence[bytes]) -> Study:
    """The study that an order carries."""
    return Study(tuple(Part(blob, name) for blob, name in zip(blobs, header.inputs, strict=True)), header.metadata)


def answer(reading: Reading) -> list[bytes]:
    """A reading as a message."""
    groups = (reading.tensors, reading.thumbnails)
    blobs = [np.ascontiguousarray(array, np.float32).tobytes() for group in groups for array in group.values()]
    shapes, thumbnail_shapes = ({name: array.shape for name, array in group.items()} for group in groups)
    header = Answer(
        reading.images, reading.unused_images, reading.metadata, reading.quality, reading.timing_ms,
        shapes, thumbnail_shapes, [len(blob) for blob in blobs], reading.genotypes,
    )
    return message(header, blobs)


def reading_of(header: Answer, blobs: Sequence[bytes]) -> Reading:
    """The reading that an answer carries; ValueError where its samples do not fit its shapes."""
    shapes = [*header.shapes.values(), *header.thumbnail_shapes.values()]
    if any(length < 0 for shape in shapes for length in shape):  # numpy takes it for "whatever is left"
        raise ValueError("a length is negative")
    arrays = [np.frombuffer(blob, np.float32).reshape(shape) for shape, blob in zip(shapes, blobs, strict=True)]
    tensors = dict(zip(header.shapes, arrays, strict=False))
    thumbnails = dict(zip(header.thumbnail_shapes, arrays[len(tensors) :], strict=True))
    return Reading(
        tensors, header.images, header.unused_images, header.metadata, header.quality, header.timing_ms, thumbnails, header.genotypes
    )


def error_of(header: Ready | Refusal | Failure) -> StudyError | ServiceError:
    """The error that a worker reports: the same class of StudyError again, or a crash."""
    if isinstance(header, Refusal):
        kind = _study_errors().get(header.kind)
        if kind is not None:
            return kind(header.message, hint=header.hint, details=header.details)
    return DecoderCrashedError("the decoder failed on this study")


def check_size(header_bytes: int, blob_bytes: int = 0) -> None:
    """Refuse a message that neither side would send."""
    if header_bytes > MAX_HEADER_BYTES or blob_bytes > MAX_BLOB_BYTES:
        raise ValueError("a message between the service and its decoders is larger than any of ours")


def _study_errors() -> dict[str, type[StudyError]]:
    """Class name -> class, for the whole tree."""
    kinds: dict[str, type[StudyError]] = {}
    pending: list[type[StudyError]] = [StudyError]
    while pending:
        kind = pending.pop()
        kinds[kind.__name__] = kind
        pending += kind.__subclasses__()
    return kinds

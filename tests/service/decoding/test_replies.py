"""A decoder that was taken over may answer anything: whatever it writes, the service raises an error of its two trees, or reads numbers."""

import asyncio
import random

import numpy as np
import pytest

from models import SPECS
from models.decode import Limits
from models.errors import Detail, StudyError
from models.prediction import Reading
from models.study import Part, Study, read_study
from service.decoding import wire
from service.decoding.pool import DecoderPool, _Turn
from service.decoding.process import Bounds, Worker
from service.errors import DecoderCrashedError, ServiceError
from service.waiting.urgency import WHENEVER
from tests.service.studies import METADATA, hip_dicom

SPEC = SPECS["bmd"]
STUDY = Study((Part(hip_dicom(), "image"),), dict(METADATA))
REPLIES = {
    "answer": b"".join(wire.answer(read_study(SPEC, STUDY, Limits()))),
    "refusal": b"".join(wire.message(wire.Refusal("TooLargeError", "too large", "", (Detail("/a", "b"),)))),
    "failure": b"".join(wire.message(wire.Failure("RuntimeError", ["a.py:1"]))),
    "ready": b"".join(wire.message(wire.Ready())),
}
HEADER_BYTES = 1200  # where the structure of an answer stands; behind it are the samples


class Liar(Worker):
    """A worker without a process, whose whole reply is given."""

    def __init__(self, reply: bytes) -> None:
        reader = asyncio.StreamReader()
        reader.feed_data(reply)
        reader.feed_eof()
        self._streams = (reader, None)
        self.studies, self.renewed, self.retired = 0, False, False

    async def read(self, _):
        return await self._receive()


async def told(reply: bytes) -> Reading | Exception:
    pool = DecoderPool(0, Limits(), Bounds(timeout_s=2))
    served = pool._lines.begin([pool._lines.join(SPEC.name, WHENEVER, _Turn(asyncio.get_running_loop().create_future()))])
    pool._closed = True  # nothing to replace
    try:
        return await pool._read(Liar(reply), served, SPEC, STUDY)
    except (StudyError, ServiceError) as error:
        return error


def damaged(reply: bytes, chance: random.Random) -> bytes:
    data = bytearray(reply)
    for _ in range(chance.choice((1, 1, 2, 4))):
        at, length = chance.randrange(min(len(data), HEADER_BYTES)), chance.choice((1, 1, 4, 9))
        data[at : at + chance.choice((0, length))] = chance.choice((b"", chance.randbytes(length), b"\xff" * length, b"\xcf" + b"\x7f" * 8))
    return bytes(data[: chance.choice((len(data), len(data), chance.randrange(len(data) + 1)))])


@pytest.mark.parametrize("kind", REPLIES)
async def test_any_reply_is_a_reading_or_an_error_of_ours(kind):
    for seed in range(1500 if kind != "answer" else 700):
        await told(damaged(REPLIES[kind], random.Random(seed)))  # noqa: S311  the same on every run


def answer(shapes, blobs):
    header = wire.Answer((), (), {}, (), {}, shapes, {}, [len(blob) for blob in blobs])
    return b"".join(wire.message(header, blobs))


@pytest.mark.parametrize(("shapes", "blobs"), [
    ({"image": (3, 3)}, [bytes(4)]), ({"image": (1 << 40, 1 << 40)}, [bytes(4)]), ({"image": (1,)}, []), ({"image": (-5, 2)}, [bytes(8)]),
    ({"image": (1,), "other": (1,)}, [bytes(4)]),
])  # fmt: skip
async def test_shapes_that_do_not_fit_their_samples_are_a_crash_of_the_decoder(shapes, blobs):
    assert isinstance(await told(answer(shapes, blobs)), DecoderCrashedError)


async def test_an_undamaged_reply_is_read():
    reading = await told(REPLIES["answer"])
    assert isinstance(reading, Reading)
    assert np.isfinite(reading.tensors["image"]).all()
    assert (await told(REPLIES["refusal"])).code == "too_large"

"""Requests that were damaged on the way: whatever arrives, it is a problem of the caller's or an answer, and never a fault of ours."""

import base64
import json
import random

import pytest

from tests.service.studies import METADATA, hip_dicom

pytestmark = pytest.mark.asyncio(loop_scope="session")
IMAGE = hip_dicom()
DISPOSITION = b'--b\r\nContent-Disposition: form-data; name="'
FORM = DISPOSITION + b'image"; filename="x"\r\n\r\n' + IMAGE + b"\r\n" + DISPOSITION + b'metadata"\r\n\r\n'
REQUESTS = {
    "multipart/form-data; boundary=b": FORM + json.dumps(METADATA).encode() + b"\r\n--b--\r\n",
    'multipart/related; type="application/dicom"; boundary=b': b"--b\r\nContent-Type: application/dicom\r\n\r\n" + IMAGE + b"\r\n--b--",
    "application/dicom": IMAGE,
    "application/json": json.dumps({"images": {"image": [{"data": base64.b64encode(IMAGE).decode()}]}, "metadata": METADATA}).encode(),
}


def damaged(body: bytes, chance: random.Random) -> bytes:
    """Flip, drop, repeat or insert a few bytes, mostly near the beginning or the end, where the structure is."""
    data = bytearray(body)
    for _ in range(chance.randint(1, 4)):
        place = chance.choice([chance.randrange(min(700, len(data))), len(data) - 1 - chance.randrange(min(300, len(data)))])
        length = chance.randint(1, 30)
        piece = chance.choice([b"", chance.randbytes(length), bytes(data[place : place + length]) * 2, b"\r\n--b", b'"', b"\0" * length])
        data[place : place + chance.choice([0, 1, length])] = piece
    return bytes(data)


@pytest.mark.parametrize("kind", REQUESTS)
async def test_a_damaged_request_is_never_a_fault_of_ours(client, kind):
    chance = random.Random(kind)  # noqa: S311  the same damage on every run
    for _ in range(40):
        answer = await client.post("/predict/bmd", content=damaged(REQUESTS[kind], chance), headers={"Content-Type": kind})
        assert answer.status_code in {200, 400, 413, 415, 422}, answer.text
        assert answer.status_code == 200 or answer.json()["code"] not in {"decoder_crashed", "decoding_timeout"}, answer.text

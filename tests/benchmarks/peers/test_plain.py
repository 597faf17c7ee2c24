"""The plain server beside the service: one file, one artifact, the same number."""

import json

import httpx
import numpy as np
import pytest

from benchmarks.form import CONTENT_TYPE, body
from benchmarks.peers.plain import create_app as plain_app
from benchmarks.peers.study import Network
from benchmarks.serving.answers import answer_of
from benchmarks.serving.studies import ours
from service.app import create_app
from service.settings import Settings
from tests.contract.conftest import ROOT


async def posted(app, path, body):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://bench") as client:
        answer = await client.post(path, content=body, headers={"Content-Type": CONTENT_TYPE})
    assert answer.status_code == 200, answer.text
    return answer_of(answer.content)


@pytest.mark.parametrize("model", ["bmd", "breast"])
async def test_the_plain_server_answers_what_the_service_answers(model):
    folder, example = ROOT / "artifacts" / model, ROOT / "examples" / model
    metadata = (example / "metadata.json").read_text()
    service = create_app(Settings(artifacts=ROOT / "artifacts", models=(model,), gate=False, decoder_workers=1, threads=1))
    network = Network(folder)
    async with service.router.lifespan_context(service):
        await service.state.proved.wait()
        for file in ("image.png", "image.dcm"):
            image = (example / file).read_bytes()
            sent = body([("image", "image", image), ("metadata", "", metadata.encode())])
            plain = await posted(plain_app(folder), "/predict", sent)
            assert plain == tuple(network.run(network.read(image, json.loads(metadata))).tolist())
            assert ours(network, np.array(plain, np.float32)) == await posted(service, f"/predict/{model}", sent)

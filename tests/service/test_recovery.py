"""A service on a GPU that fails: every request is answered, and readiness, metrics, the models and the answers say where.

No GPU is needed: the device is the real engine on the CPU, which calls itself a GPU and raises what ONNX Runtime raises.
"""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import numpy as np
import onnx
import pytest

from models import SPECS
from models.decode import Limits
from models.golden import Golden
from models.levels import uploads
from models.study import Part, Study, read_study
from service.app import create_app
from service.engine.gpu.ladder import Ladder
from service.engine.gpu.lane import Lane
from service.engine.gpu.opening import Reopened
from service.engine.providers import Device
from service.engine.runtime import Runtime
from service.errors import ArtifactError
from service.settings import Settings
from tests.service.artifact import build_artifact
from tests.service.studies import METADATA, hip_dicom, hip_png
from training.upload import in_levels

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
MEMORY, LOST = "Failed to allocate memory for requested buffer of size 1", "CUDA failure 700: an illegal memory access was encountered"
DICOM = {"Content-Type": "application/dicom"}


class Gpu(Lane):
    """A lane that says it is a GPU, and fails while there are `faults`."""

    def __init__(self, path: Path, faults: list[str]) -> None:
        super().__init__(lambda graphs: Runtime(path, uploads=uploads), 8)  # noqa: ARG005
        self.provider = CUDA
        self.faults = faults

    def __call__(self, tensors, names=()):
        if self.faults:
            raise RuntimeError(self.faults.pop(0))
        return super().__call__(tensors, names)


class Machine:
    """Opens networks on one GPU, which can be made to fail."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.gone = False
        self.asked: list[Device] = []
        self.slept: list[float] = []

    def __call__(self, path: Path, device: Device) -> Ladder:
        self.asked.append(device)

        def open_device() -> Gpu:
            if self.gone:
                raise RuntimeError("CUDA failure 100: no CUDA-capable device is detected")
            return Gpu(path, self.faults)

        opens = Reopened(path, device, Runtime(path, uploads=uploads).digest, uploads)
        return Ladder(open_device, opens.on_cpu, sleep=self.slept.append)


@asynccontextmanager
async def running(artifacts: Path, machine: Machine, **settings):
    wanted = Settings(artifacts=artifacts, models=("bmd",), gate=False, decoder_workers=1, provider="cuda", max_batch_size=8, **settings)
    app = create_app(wanted, machine)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://chiasm") as client:
        await app.state.proved.wait()
        yield app, client


async def ask(client: httpx.AsyncClient) -> httpx.Response:
    return await client.post("/predict/bmd", content=hip_dicom(), headers=DICOM)


def value(answer: httpx.Response) -> float:
    return answer.json()["measurements"][0]["value"]


def provider(answer: httpx.Response) -> str:
    return answer.json()["model"]["execution_provider"]


async def test_on_a_gpu_that_works_everything_says_so(artifacts):
    machine = Machine()
    async with running(artifacts, machine, gpu_memory_mb=100, cuda_graphs=False, cache="/cache") as (_, client):
        assert provider(await ask(client)) == CUDA
        assert (await client.get("/health/ready")).json() == {"status": "ready", "models": {"bmd": "ready"}}
        told = (await client.get("/models/bmd")).json()
        assert (told["execution_provider"], told["execution"]["max_batch_size"]) == (CUDA, 8)
        assert told["execution"]["device"]["state"] == "full"
        assert told["execution"]["device"]["milliseconds_by_batch"].keys() == {"1", "2", "4", "8"}
        assert 'chiasm_engine_degraded{model="bmd"} 0.0' in (await client.get("/metrics")).text
    assert machine.asked == [Device("cuda", 100 << 20, cache=Path("/cache/tensorrt/bmd-fp32"), graphs=False, largest_batch=8)]


async def test_out_of_memory_is_answered_in_smaller_batches(artifacts):
    machine = Machine()
    async with running(artifacts, machine) as (_, client):
        before = value(await ask(client))
        machine.faults += [MEMORY]
        answers = await asyncio.gather(*(ask(client) for _ in range(5)))
        assert [answer.status_code for answer in answers] == [200] * 5
        assert {(value(answer), provider(answer)) for answer in answers} == {(before, CUDA)}
        told = (await client.get("/models/bmd")).json()["execution"]
        assert (told["device"]["state"], told["max_batch_size"]) == ("reduced", 4)
        assert (await client.get("/health/ready")).json()["status"] == "ready"
        assert 'chiasm_engine_faults_total{fault="out_of_memory",model="bmd"} 1.0' in (await client.get("/metrics")).text


async def test_a_lost_device_that_comes_back_is_used_again(artifacts):
    machine = Machine()
    async with running(artifacts, machine) as (_, client):
        machine.faults += [LOST]
        answer = await ask(client)
        assert (answer.status_code, provider(answer), machine.slept) == (200, CUDA, [1.0])
        assert (await client.get("/models/bmd")).json()["execution"]["device"]["state"] == "rebuilt"


async def test_a_new_session_has_room_for_the_largest_batches_again(artifacts):
    machine = Machine()
    async with running(artifacts, machine) as (_, client):
        machine.faults += [MEMORY]
        await ask(client)
        assert (await client.get("/models/bmd")).json()["execution"]["max_batch_size"] == 4
        machine.faults += [LOST]
        await ask(client)
        assert (await client.get("/models/bmd")).json()["execution"]["max_batch_size"] == 8


async def test_without_its_gpu_the_cpu_answers_and_everything_says_so(artifacts, caplog):
    machine = Machine()
    async with running(artifacts, machine) as (_, client):
        before = value(await ask(client))
        machine.faults.append(LOST)
        machine.gone = True
        with caplog.at_level(logging.ERROR, "chiasm"):
            answers = await asyncio.gather(*(ask(client) for _ in range(6)))
        assert [answer.status_code for answer in answers] == [200] * 6
        assert {value(answer) for answer in answers} == {before}
        assert CPU in {provider(answer) for answer in answers}
        assert provider(await ask(client)) == CPU

        ready = await client.get("/health/ready")
        assert (ready.status_code, ready.json()) == (200, {"status": "degraded", "models": {"bmd": "degraded"}})
        told = (await client.get("/models/bmd")).json()
        assert (told["execution_provider"], told["state"], told["execution"]["max_batch_size"]) == (CPU, "ready", 1)
        assert told["execution"]["device"] == {
            "state": "degraded", "cuda_graphs": False, "page_locked_uploads": False, "milliseconds_by_batch": {},
        }  # fmt: skip
        metrics = (await client.get("/metrics")).text
        assert 'chiasm_engine_degraded{model="bmd"} 1.0' in metrics
        assert f'provider="{CPU}"' in metrics
        assert f'provider="{CUDA}"' not in metrics
        record = next(record for record in caplog.records if "the CPU answers" in record.message)
        assert (record.model, record.kind, record.provider) == ("bmd", "device_lost", CPU)


async def test_admission_follows_the_slower_cpu(artifacts):
    machine = Machine()
    async with running(artifacts, machine, threads=3) as (app, client):
        infer = app.state.serving.predictors["bmd"]._infer
        infer._scheduler.lines.line("bmd").duration.mean_s = 1e-9  # a GPU of another time
        machine.faults.append(LOST)
        machine.gone = True
        await ask(client)
        assert infer._scheduler.lines.line("bmd").duration.mean_s > 1e-6
        assert infer._scheduler.lines.servers == 3


async def test_where_the_cpu_answers_otherwise_the_model_is_out_of_service(artifacts, tmp_path):
    machine = Machine()
    async with running(artifacts, machine) as (app, client):
        runtime = app.state.serving.predictors["bmd"]._infer.modes.narrow.func.__self__
        other = tmp_path / "bmd"
        build_artifact(other, SPECS["bmd"], Study((Part(hip_png(), "image"),), dict(METADATA)), offset=0.01)
        runtime._open_cpu = lambda: Runtime(other / "model.onnx")
        machine.faults.append(LOST)
        machine.gone = True
        answer = await ask(client)
        assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
        ready = await client.get("/health/ready")
        assert (ready.status_code, ready.json()["detail"]) == (503, "bmd is failed")
        assert 'chiasm_model_ready{model="bmd",version="1.0.0"} 0.0' in (await client.get("/metrics")).text
        assert (await ask(client)).status_code == 503


async def test_an_error_of_the_network_is_not_taken_for_one_of_the_gpu(artifacts):
    machine = Machine()
    async with running(artifacts, machine) as (_, client):
        machine.faults.append("[ONNXRuntimeError] : 2 : INVALID_ARGUMENT")
        assert (await ask(client)).status_code == 500
        assert (await ask(client)).status_code == 200
        assert (await client.get("/models/bmd")).json()["execution"]["device"]["state"] == "full"


async def test_a_variant_that_reads_bytes_is_served_and_survives_its_gpu(artifacts, tmp_path):
    folder = Path(shutil.copytree(artifacts, tmp_path / "artifacts")) / "bmd"
    model = in_levels(onnx.load(folder / "model.onnx"), SPECS["bmd"])
    said = {entry.key: entry.value for entry in model.metadata_props}
    onnx.helper.set_model_props(model, said | {"variant": json.dumps({"kind": "fp16u8", "certified": True, "reasons": []})})
    onnx.save(model, folder / "fp16u8.onnx")
    golden, runtime = Golden.load(folder / "golden.npz"), Runtime(folder / "fp16u8.onnx", uploads=uploads)
    tensors = read_study(SPECS["bmd"], golden.study, Limits()).tensors
    outputs = runtime({name: tensor[np.newaxis] for name, tensor in tensors.items()})
    Golden(golden.study, {name: output[0] for name, output in outputs.items()}).save(folder / "fp16u8.npz")

    machine = Machine()
    async with running(folder.parent, machine) as (_, client):
        exact = value(await ask(client))
    async with running(folder.parent, machine, variants={"bmd": "fp16u8"}) as (_, client):
        first = await ask(client)
        assert value(first) == pytest.approx(exact, abs=1e-3)
        machine.faults.append(LOST)
        machine.gone = True
        second = await ask(client)
        assert (provider(first), provider(second)) == (CUDA, CPU)
        assert value(first) == value(second)
        assert second.json()["model"]["variant"] == "fp16u8"
    assert machine.asked[-1].half


@pytest.mark.parametrize("name", ["cuda", "tensorrt"])
def test_a_build_without_a_gpu_does_not_start_on_the_cpu_instead(artifacts, name):
    with pytest.raises(ArtifactError, match="this build of ONNX Runtime has no"):
        create_app(Settings(artifacts=artifacts, models=("bmd",), provider=name))


def test_an_exchanged_artifact_is_not_opened_again(artifacts, tmp_path):
    opens = Reopened(artifacts / "bmd" / "model.onnx", Device())
    assert opens.on_cpu().provider == CPU
    path = tmp_path / "bmd"
    build_artifact(path, SPECS["bmd"], Study((Part(hip_png(), "image"),), dict(METADATA)), offset=0.01)
    opens._path = path / "model.onnx"
    with pytest.raises(ArtifactError, match="has changed"):
        opens.on_cpu()

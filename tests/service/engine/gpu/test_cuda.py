"""The real thing, where there is a GPU: the engine on CUDA answers what it answers on the CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from models import SPECS
from models.decode import Limits
from models.golden import Golden
from models.study import read_study
from service.engine.gpu.ladder import Ladder
from service.engine.gpu.opening import open_network
from service.engine.providers import Device, Provider
from service.engine.runtime import Runtime
from service.predictor import exported_spec

ARTIFACTS = Path(__file__).parents[4] / "artifacts"
TOLERANCE = 1e-4  # of every output, as for the golden case


def here(provider: str) -> bool:
    """Whether this build has the provider, and the machine a device for it."""
    return provider in ort.get_available_providers() and Path("/dev/nvidiactl").exists()


pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not here("CUDAExecutionProvider"), reason="no CUDA device")]


def opened(name: str, provider: Provider, *, graphs: bool = True) -> tuple[Ladder, dict[str, np.ndarray], Golden]:
    """A model on the GPU, warm, with the tensors of its golden case and that case."""
    folder = ARTIFACTS / name
    network = open_network(folder / "model.onnx", Device(provider, largest_batch=8, graphs=graphs))
    assert isinstance(network, Ladder)
    golden = Golden.load(folder / "golden.npz")
    spec = exported_spec(SPECS[name], network.metadata)
    tensors = read_study(spec, golden.study, Limits()).tensors
    network.prepare(tensors)
    return network, tensors, golden


@pytest.mark.parametrize("graphs", [True, False])
@pytest.mark.parametrize("name", SPECS)
def test_every_model_reproduces_its_golden_case_in_every_batch_size(name, graphs):
    network, tensors, golden = opened(name, "cuda", graphs=graphs)
    for size in (1, 2, 3, 5, 8, 11):
        outputs = network({key: np.repeat(tensor[np.newaxis], size, 0) for key, tensor in tensors.items()})
        for row in range(size):
            assert golden.drift({key: output[row] for key, output in outputs.items()}) <= golden.tolerance
    assert (network.state, network.provider) == ("full", "CUDAExecutionProvider")
    network.close()


@pytest.mark.parametrize("name", SPECS)
def test_other_studies_beside_it_do_not_change_an_answer(name):
    network, tensors, _ = opened(name, "cuda")
    other = {key: np.float32(0.5) * tensor[..., ::-1] if tensor.ndim > 2 else tensor for key, tensor in tensors.items()}
    beside = {key: np.stack([tensor, other[key], other[key]]) for key, tensor in tensors.items()}
    twice = {key: np.stack([tensor, tensor, tensor]) for key, tensor in tensors.items()}
    one, two = network(beside), network(twice)
    assert all(np.abs(one[key][0] - two[key][0]).max() <= TOLERANCE for key in one)
    network.close()


def test_uploads_are_page_locked_and_runs_replay_graphs():
    network, _, _ = opened("bmd", "cuda")
    assert (network.placement.pinned, network.placement.graphs) == (True, True)
    network.close()


def test_what_runs_out_of_memory_is_known_as_such():
    path = ARTIFACTS / "bmd" / "model.onnx"
    network = open_network(path, Device("cuda", memory_bytes=48 << 20, largest_batch=32))
    assert isinstance(network, Ladder)
    runtime = Runtime(path)
    study = {key: np.zeros(shape, np.float32) for key, shape in runtime.inputs.items()}
    network.prepare(study)
    assert network.largest < 32, "a batch of 32 does not fit into 48 MiB"
    network.close()


@pytest.mark.skipif(not here("TensorrtExecutionProvider"), reason="no CUDA device with TensorRT")
@pytest.mark.parametrize("name", SPECS)
def test_tensorrt_reproduces_the_golden_case(name):
    network, tensors, golden = opened(name, "tensorrt")
    outputs = network({key: tensor[np.newaxis] for key, tensor in tensors.items()})
    assert golden.drift({key: output[0] for key, output in outputs.items()}) <= golden.tolerance
    network.close()

"""A session on a GPU, by what ONNX Runtime is asked for and what it says: its class is stood in for, as this machine may have no GPU."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import onnxruntime as ort
import pytest

from service.engine.gpu.ladder import Ladder
from service.engine.gpu.opening import open_network
from service.engine.providers import NAMES, Device
from service.engine.runtime import Runtime
from service.errors import ArtifactError
from tests.service.engine.gpu.graphs import save

REAL = ort.InferenceSession


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return save(tmp_path / "model.onnx")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A build with all providers. `said` is what each session says of its providers, `nodes` of its nodes; `asked` is what it was asked."""
    told = SimpleNamespace(asked=[], said=None, nodes=[(NAMES["cuda"], "Conv"), (NAMES["cpu"], "Shape")], fails=None)

    class Session:
        def __init__(self, model, options, providers, **rest):
            self.real = REAL(model, providers=["CPUExecutionProvider"])
            self.names = [name for name, _ in providers]
            if self.names != [NAMES["cpu"]]:
                told.asked.append((dict(providers), rest, options))
                if told.fails:
                    raise told.fails

        def get_providers(self):
            return told.said or self.names

        def get_provider_graph_assignment_info(self):
            return [SimpleNamespace(ep_name=name, get_nodes=lambda node=node: [SimpleNamespace(op_type=node)]) for name, node in told.nodes]

        def __getattr__(self, name):
            return getattr(self.real, name)

    monkeypatch.setattr(ort, "InferenceSession", Session)
    monkeypatch.setattr(ort, "get_available_providers", lambda: list(NAMES.values()))
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "1")
    return told


def test_a_session_never_goes_on_with_the_cpu_by_itself(path, gpu):
    assert Runtime(path, "cuda").provider == NAMES["cuda"]
    ((providers, rest, options),) = gpu.asked
    assert list(providers) == [NAMES["cuda"]]
    assert rest == {"enable_fallback": 0}
    assert options.get_session_config_entry("session.record_ep_graph_assignment_info") == "1"


def test_tensorrt_is_told_the_shapes_and_to_compute_in_float32(path, gpu):
    cache = path.parent / "engines" / "bmd"
    assert Runtime(path, Device("tensorrt", largest_batch=4, cache=cache)).provider == NAMES["tensorrt"]
    assert cache.is_dir()
    ((providers, _, _),) = gpu.asked
    assert providers[NAMES["tensorrt"]]["trt_profile_max_shapes"] == "picture:4x3x24x24,fields:4x5"
    assert os.environ["NVIDIA_TF32_OVERRIDE"] == "0"


def test_a_gpu_that_does_not_start_is_not_replaced(path, gpu):
    gpu.said = ["CPUExecutionProvider"]
    with pytest.raises(ArtifactError, match="could not start on this machine"):
        Runtime(path, "cuda")


def test_a_network_of_which_a_part_would_run_on_the_cpu_is_refused(path, gpu):
    gpu.nodes = [*gpu.nodes, (NAMES["cpu"], "GridSample")]
    with pytest.raises(ArtifactError, match="cannot compute GridSample of this network"):
        Runtime(path, "cuda")


def test_without_memory_for_one_study_it_does_not_start_and_says_what_to_do(path, gpu, monkeypatch):
    monkeypatch.setattr(ort.OrtValue, "ortvalue_from_shape_and_type", no_memory)
    with pytest.raises(ArtifactError, match="cannot be placed on the GPU: out_of_memory") as refused:
        open_network(path, Device("cuda", largest_batch=8))
    assert "CHIASM_MAX_BATCH_SIZE" in refused.value.hint
    assert gpu.asked


def no_memory(*_: object) -> None:
    raise RuntimeError("CUDA failure 2: out of memory ; GPU=0")


@pytest.mark.parametrize(("provider", "graphs", "asked"), [("cuda", True, "1"), ("cuda", False, "0"), ("tensorrt", True, "0")])
@pytest.mark.usefixtures("on_the_host")
def test_graphs_are_captured_where_the_provider_has_one_for_each_bucket(path, gpu, provider, graphs, asked):
    network = open_network(path, Device(provider, graphs=graphs, largest_batch=2))
    assert isinstance(network, Ladder)
    assert network.provider == NAMES[provider]
    assert network.placement.graphs is (asked == "1")
    assert gpu.asked[0][0][NAMES["cuda"]]["enable_cuda_graph"] == asked
    network.close()


@pytest.fixture
def on_the_host(monkeypatch):
    """Buffers of a device lie in the host's memory, which is all that there is here."""
    real = ort.OrtValue.ortvalue_from_shape_and_type
    monkeypatch.setattr(ort.OrtValue, "ortvalue_from_shape_and_type", lambda shape, kind, place, number: real(shape, kind, "cpu", 0))  # noqa: ARG005

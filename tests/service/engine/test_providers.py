from pathlib import Path

import onnxruntime as ort
import pytest

from service.engine.providers import Device, chain, strays
from service.engine.runtime import Runtime, assigned
from service.errors import ArtifactError

ARTIFACTS = Path(__file__).parents[3] / "artifacts"
INPUTS = {"image": (3, 224, 224), "present": (10,)}


def test_the_cpu_is_asked_for_nothing_else_than_before():
    assert chain(Device(), INPUTS) == [("CPUExecutionProvider", {"arena_extend_strategy": "kSameAsRequested"})]


def test_cuda_computes_in_float32_searches_once_and_keeps_to_its_memory():
    ((name, options),) = chain(Device("cuda", memory_bytes=1 << 30), INPUTS)
    assert name == "CUDAExecutionProvider"
    assert options == {
        "arena_extend_strategy": "kSameAsRequested", "cudnn_conv_algo_search": "EXHAUSTIVE", "cudnn_conv_use_max_workspace": "1",
        "enable_cuda_graph": "1", "use_tf32": "0", "gpu_mem_limit": str(1 << 30),
    }  # fmt: skip
    ((_, without),) = chain(Device("cuda", graphs=False), INPUTS)
    assert without["enable_cuda_graph"] == "0"
    assert "gpu_mem_limit" not in without


def test_tensorrt_builds_one_engine_for_all_buckets_and_cuda_stands_behind_it():
    (trt, options), (cuda, behind) = chain(Device("tensorrt", largest_batch=32, cache=Path("/cache/bmd")), INPUTS)
    assert (trt, cuda) == ("TensorrtExecutionProvider", "CUDAExecutionProvider")
    assert options["trt_profile_min_shapes"] == "image:1x3x224x224,present:1x10"
    assert options["trt_profile_max_shapes"] == options["trt_profile_opt_shapes"] == "image:32x3x224x224,present:32x10"
    assert (options["trt_fp16_enable"], options["trt_cuda_graph_enable"], behind["enable_cuda_graph"]) == ("0", "0", "0")
    assert options["trt_engine_cache_path"] == options["trt_timing_cache_path"] == "/cache/bmd"


def test_tensorrt_computes_in_half_only_what_was_certified_so_and_keeps_nothing_without_a_folder():
    options = dict(chain(Device("tensorrt", half=True, memory_bytes=5), INPUTS))["TensorrtExecutionProvider"]
    assert (options["trt_fp16_enable"], options["trt_max_workspace_size"]) == ("1", "5")
    assert not [name for name in options if "cache" in name]


def test_shapes_may_be_computed_on_the_cpu_and_nothing_else():
    gpu, cpu = "CUDAExecutionProvider", "CPUExecutionProvider"
    assert strays([(gpu, "Conv"), (cpu, "Shape"), (cpu, "Concat"), (gpu, "Expand")]) == ()
    assert strays([(cpu, "MatMul"), (cpu, "Conv"), (cpu, "Conv"), (gpu, "Relu")]) == ("Conv", "MatMul")


@pytest.mark.parametrize("name", ["bmd", "breast", "chest", "alzheimer"])
def test_onnx_runtime_says_of_every_node_where_it_runs(name):
    options = ort.SessionOptions()
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    nodes = assigned(ort.InferenceSession(ARTIFACTS / name / "model.onnx", options, providers=["CPUExecutionProvider"]))
    assert "Conv" in strays(nodes), "a network that fell back to the CPU is noticed"


@pytest.mark.parametrize(("provider", "told"), [("cuda", "onnxruntime-gpu"), ("tensorrt", "TensorRT")])
def test_a_build_without_the_provider_is_refused_with_what_to_install(provider, told):
    with pytest.raises(ArtifactError, match="this build of ONNX Runtime has no") as refused:
        Runtime(ARTIFACTS / "gate/model.onnx", provider)
    assert told in refused.value.hint

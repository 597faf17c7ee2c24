import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from service.engine import cores
from service.engine.runtime import MAX_ARTIFACT_BYTES, Runtime
from service.errors import ArtifactError


def adder(batch: str | int = "batch", kind: int = TensorProto.FLOAT) -> onnx.ModelProto:
    """y = x + 1, for x (B, 4)."""
    one = numpy_helper.from_array(np.ones(4, helper.tensor_dtype_to_np_dtype(kind)), "one")
    tensors = [helper.make_tensor_value_info(name, kind, [batch, 4]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Add", ["x", "one"], ["y"])], "adder", tensors[:1], tensors[1:], [one])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, {"spec": "{}"})
    return model


@pytest.fixture
def path(tmp_path: Path) -> Path:
    onnx.save(adder(), tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


def test_arrays_in_arrays_out(path):
    runtime = Runtime(path)
    assert runtime({"x": np.zeros((3, 4), np.float32)})["y"].tolist() == np.ones((3, 4)).tolist()
    assert (runtime.inputs, runtime.outputs, runtime.metadata) == ({"x": (4,)}, {"y": (4,)}, {"spec": "{}"})
    assert runtime.provider == "CPUExecutionProvider"
    assert runtime.digest == "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("tensors", [{"x": (1, 5)}, {"x": (1, 4), "z": (1, 4)}, {"z": (1, 4)}, {}])
def test_other_tensors_than_the_network_reads_are_refused(path, tensors):
    with pytest.raises(ArtifactError):
        Runtime(path)({name: np.zeros(shape, np.float32) for name, shape in tensors.items()})


def convolutions(count: int, channels: int, size: int = 8) -> onnx.ModelProto:
    """A chain of 3 x 3 convolutions of x (B, `channels`, `size`, `size`)."""
    weights = np.random.default_rng(7).normal(size=(count, channels, channels, 3, 3)).astype(np.float32)
    held = [numpy_helper.from_array(each, f"w{index}") for index, each in enumerate(weights)]
    nodes = [
        helper.make_node("Conv", [f"h{index}" if index else "x", f"w{index}"], [f"h{index + 1}"], pads=[1] * 4) for index in range(count)
    ]
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", channels, size, size]) for name in ("x", f"h{count}")]
    graph = helper.make_graph(nodes, "convolutions", tensors[:1], tensors[1:], held)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


WEIGHED = """
import resource, sys
from pathlib import Path
import numpy as np
from service.engine.runtime import Runtime
resident = lambda: int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
path = Path(sys.argv[1])
def run():
    runtime = Runtime(path)
    runtime({name: np.zeros((1, *shape), np.float32) for name, shape in runtime.inputs.items()})
    return runtime
"""


def printed(script: str, path: Path) -> list[int]:
    """What a process of its own prints, which has `Runtime` and `path`."""
    process = subprocess.run([sys.executable, "-c", WEIGHED + script, path], capture_output=True, text=True, check=True, timeout=60)
    return [int(word) for word in process.stdout.split()]


def test_a_network_takes_the_memory_of_its_weights_once(tmp_path):
    path, small = tmp_path / "model.onnx", tmp_path / "small.onnx"
    onnx.save(convolutions(16, 256), path)
    onnx.save(adder(), small)
    first = "Runtime(path.with_name('small.onnx'));"  # what the first one of all takes is not the weights'
    (grown,) = printed(first + "before = resident(); kept = Runtime(path); print(resident() - before)", path)
    assert grown < 1.3 * path.stat().st_size


def test_no_thread_is_busy_after_a_run(tmp_path):
    onnx.save(convolutions(4, 64, size=64), tmp_path / "model.onnx")
    script = """
import time
runtime = Runtime(path, threads=2)
runtime({name: np.zeros((1, *shape), np.float32) for name, shape in runtime.inputs.items()})
before = time.process_time_ns()
time.sleep(0.5)
print(time.process_time_ns() - before)
"""
    assert printed(script, tmp_path / "model.onnx")[0] < 20e6


def test_what_one_network_has_computed_with_the_next_one_computes_with(tmp_path):
    onnx.save(convolutions(4, 16, size=512), tmp_path / "model.onnx")
    script = "before = resident(); one = run(); after = resident(); two = run(); print(after - before, resident() - after)"
    one, two = printed(script, tmp_path / "model.onnx")
    assert one > 16 * 512 * 512 * 4
    assert two < one / 4


def test_weights_outside_the_file_are_never_read(tmp_path, monkeypatch):
    path = tmp_path / "model.onnx"
    onnx.save(adder(), path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    monkeypatch.chdir(tmp_path)  # even where the relative path would resolve
    with pytest.raises(ArtifactError):
        Runtime(path)


@pytest.mark.parametrize("model", [adder(batch=1), adder(kind=TensorProto.DOUBLE)], ids=["fixed batch", "double"])
def test_a_network_that_is_not_float32_with_a_free_batch_axis_is_refused(tmp_path, model):
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(ArtifactError, match="tensor x"):
        Runtime(tmp_path / "model.onnx")


def test_a_damaged_or_absent_or_huge_file_is_refused(path):
    with pytest.raises(ArtifactError, match="cannot be read"):
        Runtime(path.with_name("absent.onnx"))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ArtifactError, match="cannot load"):
        Runtime(path)
    with path.open("wb") as file:
        file.truncate(MAX_ARTIFACT_BYTES + 1)
    with pytest.raises(ArtifactError, match="larger"):
        Runtime(path)


def test_cuda_does_not_silently_become_the_cpu(path):
    with pytest.raises(ArtifactError, match="CUDAExecutionProvider"):
        Runtime(path, "cuda")


@pytest.mark.parametrize(("quota", "granted"), [("max 100000", None), ("100000 100000", 1), ("50000 100000", 1), ("nonsense", None)])
def test_the_containers_quota_bounds_the_cores(tmp_path, quota, granted):
    (tmp_path / "cpu.max").write_text(quota)
    assert cores.available(tmp_path / "cpu.max") == (granted or cores.available(tmp_path / "absent"))

import hashlib
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

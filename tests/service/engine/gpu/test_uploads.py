"""A network that reads its pictures as bytes is given the same float32, and answers the same wherever it runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.levels import Levels, uploads
from service.engine.gpu.lane import Lane
from service.engine.gpu.opening import open_network
from service.engine.providers import Device
from service.engine.runtime import Runtime
from service.errors import ArtifactError

SHAPE = (3, 6, 5)
LEVELS = Levels.of(3, 0.5, 0.25)


def save(path: Path, shape: tuple[int | str, ...] = ("batch", 1, 6, 5)) -> Path:
    """The sum of a picture's levels, and of what stands beside it."""
    axes = numpy_helper.from_array(np.array([1, 2, 3]), "axes")
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["float", "axes"], ["sum"], keepdims=0),
        helper.make_node("Unsqueeze", ["sum", "one"], ["column"]), helper.make_node("Add", ["column", "table"], ["y"]),
    ]
    table, answer = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 2]) for name in ("table", "y"))
    inputs, outputs = [helper.make_tensor_value_info("image", TensorProto.UINT8, shape), table], [answer]
    graph = helper.make_graph(nodes, "sum", inputs, outputs, [axes, numpy_helper.from_array(np.array([1]), "one")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, {"levels": json.dumps({"image": LEVELS})})
    onnx.save(model, path)
    return path


def studies(count: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(count)
    grey = np.repeat(rng.random((count, 1, 6, 5), dtype=np.float32), 3, 1)
    return {"image": (grey - np.float32(0.5)) / np.float32(0.25), "table": rng.random((count, 2), dtype=np.float32)}


def expected(batch: dict[str, np.ndarray]) -> np.ndarray:
    return LEVELS(batch["image"]).astype(np.float32).sum(axis=(1, 2, 3))[:, np.newaxis] + batch["table"]


def test_a_session_reads_levels_and_is_given_pictures(tmp_path):
    runtime = Runtime(save(tmp_path / "model.onnx"), uploads=uploads)
    assert runtime.inputs == {"image": SHAPE, "table": (2,)}
    batch = studies(3)
    assert np.array_equal(runtime(batch)["y"], expected(batch))


def test_so_does_a_lane_in_every_batch_size(tmp_path):
    path = save(tmp_path / "model.onnx")
    lane = Lane(lambda graphs: Runtime(path, uploads=uploads), 4)  # noqa: ARG005
    lane.warm({name: tensor[0] for name, tensor in studies(1).items()})
    for count in (1, 2, 3, 4, 7):
        batch = studies(count)
        assert np.array_equal(lane(batch)["y"], expected(batch))
    lane.close()


def test_who_expects_float32_refuses_it(tmp_path):
    with pytest.raises(ArtifactError, match="tensor image is tensor\\(uint8\\)"):
        Runtime(save(tmp_path / "model.onnx"))


@pytest.mark.parametrize("shape", [("batch", 3, 6, 5), (1, 1, 6, 5)])
def test_bytes_of_another_shape_are_refused(tmp_path, shape):
    with pytest.raises(ArtifactError, match="not uint8 of one channel"):
        Runtime(save(tmp_path / "model.onnx", shape), uploads=uploads)


def test_on_the_cpu_a_network_is_opened_as_ever(tmp_path):
    with pytest.raises(ArtifactError, match="uint8"):
        open_network(save(tmp_path / "model.onnx"), Device(), uploads)

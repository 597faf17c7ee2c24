"""Small networks for the device's logic, with a free batch axis."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

PICTURE, FIELDS, CLASSES, MAP = (3, 24, 24), (5,), (4,), (8, 24, 24)


def save(path: Path, *, coupled: bool = False) -> Path:
    """A convolution and a product, of a picture and of fields. `coupled`, the answer of each row depends on all rows."""
    rng = np.random.default_rng(5)
    weights = {"w": rng.standard_normal((8, 3, 3, 3)), "v": rng.standard_normal((8, 4)), "u": rng.standard_normal((5, 4))}
    constants = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]
    constants.append(numpy_helper.from_array(np.array([0]), "rows"))
    nodes = [
        helper.make_node("Conv", ["picture", "w"], ["c"], pads=[1, 1, 1, 1]), helper.make_node("Relu", ["c"], ["map"]),
        helper.make_node("GlobalAveragePool", ["map"], ["p"]), helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("MatMul", ["f", "v"], ["seen"]), helper.make_node("MatMul", ["fields", "u"], ["told"]),
        helper.make_node("ReduceMean", ["told", "rows"], ["mean"], keepdims=1), helper.make_node("Add", ["seen", "told"], ["sum"]),
        helper.make_node("Add", ["sum", "mean"], ["answer"]) if coupled else helper.make_node("Identity", ["sum"], ["answer"]),
    ]
    used = nodes if coupled else [node for node in nodes if node.op_type != "ReduceMean"]
    inputs, outputs = {"picture": PICTURE, "fields": FIELDS}, {"answer": CLASSES, "map": MAP}
    tensors = [[_info(name, shape) for name, shape in some.items()] for some in (inputs, outputs)]
    graph = helper.make_graph(used, "small", *tensors, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


def studies(count: int, seed: int = 0) -> dict[str, np.ndarray]:
    """A batch of them."""
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal((count, *shape)).astype(np.float32) for name, shape in {"picture": PICTURE, "fields": FIELDS}.items()}


def first(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Its first study, without a batch axis."""
    return {name: tensor[0] for name, tensor in batch.items()}


def _info(name: str, shape: tuple[int, ...]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape])

"""A tiny valid artifact for any spec: a few ONNX nodes that read every input, and a golden case."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.decode import Limits
from models.golden import Golden
from models.spec import ErrorDistribution, ImageAttention, ImageInput, Measured, ModelSpec, Range, Regression
from models.study import Study, read_study
from service.engine.runtime import Runtime

SYNTHETIC = "synthetic phantoms"


def measured(spec: ModelSpec, training_data: str = SYNTHETIC) -> Measured:
    """What a training run might have measured."""
    errors = ErrorDistribution(level=0.9, half_width=0.1, cases=100, absolute_errors=tuple(np.linspace(0, 0.2, 21).tolist()))
    ranges = {"age_at_xray_years": Range(low=40, high=90)}
    each = {part.name: errors for part in spec.regressions}
    return Measured(training_data=training_data, recipe="test", seed=0, errors=each, errors_without_context=each, field_ranges=ranges)


def build_artifact(folder: Path, spec: ModelSpec, study: Study, *, training_data: str = SYNTHETIC, offset: float = 0.0) -> ModelSpec:
    """Write model.onnx and golden.npz to `folder`; `offset` is added to every regression of the model, not of the golden case."""
    exported = spec.with_measured(measured(spec, training_data))
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(network(exported), folder / "model.onnx")
    reading = read_study(exported, study, Limits())
    outputs = Runtime(folder / "model.onnx")({name: tensor[np.newaxis] for name, tensor in reading.tensors.items()})
    Golden(study, {name: output[0] for name, output in outputs.items()}).save(folder / "golden.npz")
    if offset:
        onnx.save(network(exported, offset), folder / "model.onnx")
    return exported


def network(spec: ModelSpec, offset: float = 0.0) -> onnx.ModelProto:
    """Regressions from the image's mean and the metadata, attention from the image and from what is present."""
    graph = _Graph()
    _mix(graph, spec)
    for part in spec.regressions:
        _regression(graph, part, offset)
    if spec.metadata_attention is not None:
        graph.nodes.append(helper.make_node("ReduceSum", [spec.table.mask, "last"], ["count"], keepdims=1))
        graph.nodes.append(helper.make_node("Div", [spec.table.mask, "count"], [spec.metadata_attention.tensor]))
        graph.outputs.append((spec.metadata_attention.tensor, (len(spec.table.network_fields),)))
    for attention in spec.image_attention:
        _image_attention(graph, spec.images[0], attention)
    model = helper.make_model(graph.proto(spec), opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, {"spec": spec.model_dump_json()})
    return model


@dataclass
class _Graph:
    """Nodes, constants and outputs as they are put together."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, Any] = field(default_factory=dict)
    outputs: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)

    def proto(self, spec: ModelSpec) -> onnx.GraphProto:
        image, table, fields = spec.images[0], spec.table, len(spec.table.network_fields)
        inputs = [(image.name, image.shape), (table.name, (fields,)), (table.mask, (fields,))]
        weights = [numpy_helper.from_array(np.asarray(value), name) for name, value in self.constants.items()]
        return helper.make_graph(self.nodes, spec.name, [_info(*each) for each in inputs], [_info(*each) for each in self.outputs], weights)


def _mix(graph: _Graph, spec: ModelSpec) -> None:
    """One number in [-1, 1] that depends on every pixel and every field that is present."""
    table, fields = spec.table, len(spec.table.network_fields)
    graph.constants |= {name: np.array(axes, np.int64) for name, axes in {"last": [-1], "every": [1, 2, 3], "channel": [1]}.items()}
    graph.constants["weights"] = np.linspace(1e-4, 2e-4, fields, dtype=np.float32).reshape(fields, 1)
    graph.nodes += [
        helper.make_node("ReduceMean", [spec.images[0].name, "every"], ["brightness"], keepdims=0),
        helper.make_node("Unsqueeze", ["brightness", "last"], ["brightness_column"]),
        helper.make_node("Mul", [table.name, table.mask], ["known"]),
        helper.make_node("MatMul", ["known", "weights"], ["clinical"]),
        helper.make_node("Add", ["brightness_column", "clinical"], ["sum"]),
        helper.make_node("Tanh", ["sum"], ["mixed"]),
    ]


def _regression(graph: _Graph, part: Regression, offset: float) -> None:
    span = part.high - part.low
    graph.constants[f"{part.tensor}_scale"] = np.float32(span / 8)
    graph.constants[f"{part.tensor}_middle"] = np.float32((part.high + part.low) / 2 - span / 6 + offset)
    graph.nodes.append(helper.make_node("Mul", ["mixed", f"{part.tensor}_scale"], [f"{part.tensor}_scaled"]))
    graph.nodes.append(helper.make_node("Add", [f"{part.tensor}_scaled", f"{part.tensor}_middle"], [part.tensor]))
    graph.outputs.append((part.tensor, (1,)))


def _image_attention(graph: _Graph, image: ImageInput, attention: ImageAttention) -> None:
    _, height, width = image.shape
    cell = [height // attention.rows, width // attention.columns]
    graph.constants["flat"] = np.array([0, attention.rows * attention.columns], np.int64)
    graph.constants["grid"] = np.array([0, attention.rows, attention.columns], np.int64)
    graph.nodes += [
        helper.make_node("AveragePool", [image.name], ["cells"], kernel_shape=cell, strides=cell),
        helper.make_node("ReduceMean", ["cells", "channel"], ["grey"], keepdims=0),
        helper.make_node("Reshape", ["grey", "flat"], ["row"]),
        helper.make_node("Softmax", ["row"], ["softened"], axis=1),
        helper.make_node("Reshape", ["softened", "grid"], [attention.tensor]),
    ]
    graph.outputs.append((attention.tensor, (attention.rows, attention.columns)))


def _info(name: str, shape: tuple[int, ...]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape])

"""A tiny valid artifact for any spec: a few ONNX nodes that read every input, and a golden case."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.decode import Limits
from models.golden import Golden
from models.spec import ErrorDistribution, Measured, ModelSpec, Range
from models.study import Study, read_study
from service.engine.runtime import Runtime

SYNTHETIC = "synthetic phantoms"


def measured(spec: ModelSpec, training_data: str = SYNTHETIC) -> Measured:
    """What a training run might have measured."""
    errors = ErrorDistribution(level=0.9, half_width=0.1, cases=100, absolute_errors=tuple(np.linspace(0, 0.2, 21).tolist()))
    ranges = {"age_at_xray_years": Range(low=40, high=90)}
    return Measured(
        training_data=training_data, recipe="test", seed=0, errors={part.name: errors for part in spec.regressions}, field_ranges=ranges
    )


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
    image, table = spec.images[0], spec.table
    fields = len(table.network_fields)
    weights = np.linspace(1e-4, 2e-4, fields, dtype=np.float32).reshape(fields, 1)
    constants = {name: np.array(axes, np.int64) for name, axes in {"last": [-1], "every": [1, 2, 3], "channel": [1]}.items()}
    constants["weights"] = weights
    nodes = [
        helper.make_node("ReduceMean", [image.name, "every"], ["brightness"], keepdims=0),
        helper.make_node("Unsqueeze", ["brightness", "last"], ["brightness_column"]),
        helper.make_node("Mul", [table.name, table.mask], ["known"]),
        helper.make_node("MatMul", ["known", "weights"], ["clinical"]),
        helper.make_node("Add", ["brightness_column", "clinical"], ["sum"]),
        helper.make_node("Tanh", ["sum"], ["mixed"]),
    ]
    outputs = []
    for part in spec.regressions:
        constants[f"{part.tensor}_scale"] = np.float32((part.high - part.low) / 8)
        constants[f"{part.tensor}_middle"] = np.float32((part.high + part.low) / 2 - (part.high - part.low) / 6 + offset)
        nodes.append(helper.make_node("Mul", ["mixed", f"{part.tensor}_scale"], [f"{part.tensor}_scaled"]))
        nodes.append(helper.make_node("Add", [f"{part.tensor}_scaled", f"{part.tensor}_middle"], [part.tensor]))
        outputs.append((part.tensor, (1,)))
    if spec.metadata_attention is not None:
        nodes.append(helper.make_node("ReduceSum", [table.mask, "last"], ["count"], keepdims=1))
        nodes.append(helper.make_node("Div", [table.mask, "count"], [spec.metadata_attention.tensor]))
        outputs.append((spec.metadata_attention.tensor, (fields,)))
    for attention in spec.image_attention:
        _, height, width = image.shape
        cell = [height // attention.rows, width // attention.columns]
        constants["flat"] = np.array([0, attention.rows * attention.columns], np.int64)
        constants["grid"] = np.array([0, attention.rows, attention.columns], np.int64)
        nodes += [
            helper.make_node("AveragePool", [image.name], ["cells"], kernel_shape=cell, strides=cell),
            helper.make_node("ReduceMean", ["cells", "channel"], ["grey"], keepdims=0),
            helper.make_node("Reshape", ["grey", "flat"], ["row"]),
            helper.make_node("Softmax", ["row"], ["softened"], axis=1),
            helper.make_node("Reshape", ["softened", "grid"], [attention.tensor]),
        ]
        outputs.append((attention.tensor, (attention.rows, attention.columns)))
    inputs = [(image.name, image.shape), (table.name, (fields,)), (table.mask, (fields,))]
    graph = helper.make_graph(
        nodes, spec.name, [_info(*each) for each in inputs], [_info(*each) for each in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, {"spec": spec.model_dump_json()})
    return model


def _info(name: str, shape: tuple[int, ...]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape])

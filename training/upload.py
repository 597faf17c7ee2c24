"""A graph that reads its pictures as 256 grey levels, and normalises them itself."""

from __future__ import annotations

import json

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.levels import HIGHEST, PROPERTY, Levels
from models.spec import ImageInput, ModelSpec


def in_levels(model: onnx.ModelProto, spec: ModelSpec) -> onnx.ModelProto:
    """Put the normalisation of every image before the graph, in float32, and say so in the file's properties."""
    for part in spec.images:
        _normalise(model.graph, part)
    told = {part.name: Levels.of(part.shape[0], part.mean[0], part.std[0]) for part in spec.images}
    properties = {entry.key: entry.value for entry in model.metadata_props}
    helper.set_model_props(model, properties | {PROPERTY: json.dumps(told)})
    return model


def _normalise(graph: onnx.GraphProto, part: ImageInput) -> None:
    """(B, 1, H, W) uint8 -> (B, C, H, W) float32: (level / 255 - mean) / std, as one product and one difference."""
    (taken,) = (node for node in graph.input if node.name == part.name)
    batch, (channels, height, width) = taken.type.tensor_type.shape.dim[0].dim_param, part.shape
    taken.CopyFrom(helper.make_tensor_value_info(part.name, TensorProto.UINT8, [batch, 1, height, width]))
    mean, std = (np.asarray(values, np.float32).reshape(1, channels, 1, 1) for values in (part.mean, part.std))
    names = {each: f"{part.name}_{each}" for each in ("levels", "scaled", "normalised", "by", "less")}
    for node in graph.node:
        node.input[:] = [names["normalised"] if name == part.name else name for name in node.input]
    graph.initializer.append(numpy_helper.from_array(1 / (HIGHEST * std), names["by"]))
    graph.initializer.append(numpy_helper.from_array(mean / std, names["less"]))
    before = [
        helper.make_node("Cast", [part.name], [names["levels"]], names["levels"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [names["levels"], names["by"]], [names["scaled"]], names["scaled"]),
        helper.make_node("Sub", [names["scaled"], names["less"]], [names["normalised"]], names["normalised"]),
    ]
    nodes = [*before, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)

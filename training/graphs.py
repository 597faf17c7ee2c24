"""ONNX files: what they say, what they hold, and what they answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import numpy_helper

from models.levels import uploads
from models.prediction import Tensors
from models.spec import ModelSpec

ABSOLUTE_TOLERANCE = 2e-5  # between PyTorch and ONNX Runtime, over every output
OPSET = 20


class ParityError(Exception):
    """ONNX Runtime does not reproduce PyTorch: nothing was exported."""


def strip(path: Path) -> None:
    """Take out what the exporter notes of each node: stack traces, with the paths of the machine that it ran on."""
    model = onnx.load(path)
    graph = model.graph
    for part in (graph, *graph.node, *graph.initializer, *graph.value_info, *graph.input, *graph.output):
        del part.metadata_props[:]
        part.doc_string = ""
    onnx.save(model, path)


def stamp(path: Path, properties: Mapping[str, str]) -> None:
    """Write properties into the file, so that it says what it is."""
    model = onnx.load(path)
    onnx.helper.set_model_props(model, dict(properties))
    onnx.save(model, path)


Graph = Callable[..., Tensors]


def open_graph(path: Path, threads: int = 0) -> Graph:
    """A graph as a function of its inputs, and of the names of the outputs that are wanted, or all; batched as the inputs are.

    `threads` is how many a run may use; 0 for all cores.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    in_levels = uploads(session.get_modelmeta().custom_metadata_map)

    def run(inputs: Tensors, names: list[str] | None = None) -> Tensors:
        taken: dict[str, NDArray[Any]] = {node.name: inputs[node.name] for node in session.get_inputs()}
        taken |= {name: levels(inputs[name]) for name, levels in in_levels.items()}
        wanted = names or [node.name for node in session.get_outputs()]
        return dict(zip(wanted, session.run(wanted, taken), strict=True))

    return run


def run_onnx(path: Path, inputs: Tensors, names: list[str] | None = None) -> Tensors:
    """Outputs of a graph that is run only once: see `open_graph`."""
    return open_graph(path)(inputs, names)


def in_half_precision(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store float weights as float16 with a cast behind each; ONNX Runtime folds the casts when it loads the file."""
    casts = []
    for weight in model.graph.initializer:
        if weight.data_type == onnx.TensorProto.FLOAT and np.prod(weight.dims) > 64:
            name = weight.name
            weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight).astype(np.float16), f"{name}_half"))
            casts.append(onnx.helper.make_node("Cast", [f"{name}_half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def artifact_spec(path: Path) -> ModelSpec:
    """The spec that stands in an artifact."""
    properties = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    return ModelSpec.model_validate_json(properties["spec"])

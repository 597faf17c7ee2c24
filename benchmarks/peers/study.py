"""What every server here does with a request: read the image as the service reads it, run the network, return its first output.

Nothing else: no gate, no digest of the file, no thresholds, no attention, no intervals. So a peer does less than the service does.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from models.decode import Limits, decode, read_header
from models.metadata import resolve, validate
from models.prediction import Tensors
from models.preprocess import image_tensor, sufficient_level, table_tensors, view_geometry
from models.spec import ModelSpec, answer_names

ARTIFACT, PORT = "BENCH_ARTIFACT", "BENCH_PORT"
CORES = len(os.sched_getaffinity(0))
LIMITS = Limits()
TIMEOUT_S = 120  # far beyond any answer: what a server does under overload is measured elsewhere


class Network:
    """One artifact in one ONNX Runtime session."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = ort.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])
        self.spec = ModelSpec.model_validate_json(self._session.get_modelmeta().custom_metadata_map["spec"])
        self._names = answer_names(self.spec)
        parts = self.spec.regressions or self.spec.classifications
        self._first = self._names.index(parts[0].tensor)

    def read(self, image: bytes, metadata: Mapping[str, object]) -> Tensors:
        """A file and its metadata -> what the network takes, with a batch axis of one."""
        part, table = self.spec.images[0], self.spec.table
        header = read_header(image, LIMITS)
        values, _ = resolve(table, validate(table, metadata), header)
        stated = values["laterality"].value if "laterality" in values else None
        side = stated if stated in ("left", "right") else None
        level = sufficient_level(part, view_geometry(part, header, side))
        picture = decode(image, header, LIMITS, apply_voi=part.intensity.apply_voi, level=level)
        tensors = {part.name: image_tensor(part, picture, side)[0], **table_tensors(table, values)}
        return {name: tensor[np.newaxis] for name, tensor in tensors.items()}

    def run(self, tensors: Tensors) -> NDArray[np.float32]:
        """(1, ...) -> (K,): the estimate, or the probability of each class, before any calibration."""
        output: NDArray[np.float32] = self._session.run(self._names, tensors)[self._first][0]
        return output

    def answer(self, image: bytes, metadata: Mapping[str, object]) -> dict[str, list[float]]:
        """What a server answers."""
        return {"answer": self.run(self.read(image, metadata)).tolist()}


def artifact() -> Path:
    """The folder of the artifact that this process serves."""
    return Path(os.environ[ARTIFACT])


def port() -> int:
    """Where it listens."""
    return int(os.environ[PORT])

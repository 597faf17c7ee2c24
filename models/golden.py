"""One recorded case inside an artifact: input bytes and the answer. Catches changed code, as the digest catches changed data."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.prediction import Tensors
from models.study import Part, Study

TOLERANCE = 1e-4  # processors add in different orders: far above their differences, far below any change of meaning


@dataclass(frozen=True)
class Golden:
    """A study, and the network's outputs for it (without a batch axis)."""

    study: Study
    outputs: Tensors
    tolerance: float = TOLERANCE

    def drift(self, outputs: Tensors) -> float:
        """The largest absolute difference over all outputs; infinite where one is absent or of another shape."""
        return max(_difference(expected, outputs.get(name)) for name, expected in self.outputs.items())

    def save(self, path: Path) -> None:
        """Write as ``.npz`` without pickle."""
        about: dict[str, Any] = {"inputs": [part.input for part in self.study.parts], "metadata": self.study.metadata}
        if self.tolerance != TOLERANCE:
            about["tolerance"] = self.tolerance
        arrays: dict[str, Any] = {"about": np.frombuffer(json.dumps(about).encode(), np.uint8)}
        arrays |= {f"part_{i}": np.frombuffer(part.data, np.uint8) for i, part in enumerate(self.study.parts)}
        arrays |= {f"output_{name}": output for name, output in self.outputs.items()}
        np.savez_compressed(path, **arrays)

    @classmethod
    def load(cls, path: Path) -> Golden:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            about = json.loads(arrays["about"].tobytes())
            parts = tuple(Part(arrays[f"part_{i}"].tobytes(), name) for i, name in enumerate(about["inputs"]))
            outputs = {key.removeprefix("output_"): arrays[key] for key in arrays.files if key.startswith("output_")}
        return cls(Study(parts, about["metadata"]), outputs, about.get("tolerance", TOLERANCE))


def _difference(expected: NDArray[np.float32], actual: object) -> float:
    if not isinstance(actual, np.ndarray) or actual.shape != expected.shape:
        return float("inf")
    difference = np.abs(expected - actual).max()
    return float(difference) if np.isfinite(difference) else float("inf")

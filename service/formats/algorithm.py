"""Which network answered, for every rendering that says so."""

from __future__ import annotations

from typing import Protocol

from models.postprocess import SYNTHETIC
from models.spec import ModelSpec

MANUFACTURER = "Chiasm"


class Algorithm(Protocol):
    """What identifies a network: its exported spec, the digest of its artifact, and where it runs."""

    @property
    def spec(self) -> ModelSpec:
        """The exported spec, with what training measured."""

    @property
    def digest(self) -> str:
        """SHA-256 of model.onnx."""

    @property
    def provider(self) -> str:
        """The execution provider."""


def is_synthetic(algorithm: Algorithm) -> bool:
    """Whether nobody may act on what this network says."""
    measured = algorithm.spec.measured
    return measured is None or measured.training_data == SYNTHETIC

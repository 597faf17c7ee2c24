"""What was planted in a phantom, so that maps and rankings of fields can be held against it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Place:
    """Where something was planted: a box in shares of the picture, or a disc in mm of the patient (y to the back, z to the head)."""

    input: str
    of: str  # the finding, or the measurement
    box: tuple[float, float, float, float] | None = None  # x0, y0, x1, y1
    disc_mm: tuple[float, float, float] | None = None  # y, z, radius


@dataclass(frozen=True)
class Planted:
    """Places, and for each metadata field how much it has to do with the answer, in any unit; fields that are not named have nothing."""

    patient: str
    places: tuple[Place, ...]
    causes: Mapping[str, float] = field(default_factory=dict)

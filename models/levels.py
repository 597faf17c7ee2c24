"""Pictures as 256 grey levels: what a graph reads in place of float32 if it was made and certified so. A twelfth of three channels' bytes.

The channels of a picture are one picture, normalised for each channel: one channel tells it, and the graph normalises it again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

PROPERTY = "levels"  # of the file: input -> [channels, scale, offset]
HIGHEST = 255


class Levels(NamedTuple):
    """How a normalised picture becomes levels: by the mean and deviation of its first channel, in levels."""

    channels: int
    scale: float
    offset: float

    @classmethod
    def of(cls, channels: int, mean: float, std: float) -> Levels:
        """For a picture in [0, 1], of which `mean` was taken and which was divided by `std`."""
        return cls(channels, HIGHEST * std, HIGHEST * mean)

    def __call__(self, tensor: NDArray[np.float32]) -> NDArray[np.uint8]:
        """(..., C, H, W) normalised -> (..., 1, H, W) in levels, rounded to the nearest."""
        grey = tensor[..., :1, :, :] * np.float32(self.scale)
        grey += np.float32(self.offset)
        return np.clip(np.rint(grey, out=grey), 0, HIGHEST, out=grey).astype(np.uint8)


def uploads(properties: Mapping[str, str]) -> dict[str, Levels]:
    """The inputs that a graph with these properties reads in levels."""
    return {name: Levels(*values) for name, values in json.loads(properties.get(PROPERTY, "{}")).items()}

"""The greyscale pipeline: stored values -> Modality LUT -> VOI LUT -> Presentation LUT (PS3.3 C.11, PS3.4 N.2).

One clause per function, in float32 throughout: pydicom's own steps go through float64 and turn 27 MB into 109 MB.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]
Stored = NDArray[np.integer]
Range = tuple[float, float]
Function = Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"]


@dataclass(frozen=True)
class Rescale:
    """Rescale Slope and Rescale Intercept (PS3.3 C.11.1.1.2)."""

    slope: float = 1.0
    intercept: float = 0.0


@dataclass(frozen=True)
class Lut:
    """A lookup table (PS3.3 C.11.1.1): `entries` (n,) of `bits` each, the first for the input `first`."""

    first: int
    bits: int
    entries: NDArray[np.uint16]

    @property
    def output_range(self) -> Range:
        """What the bits of its entries can hold."""
        return 0.0, float((1 << self.bits) - 1)


@dataclass(frozen=True)
class Window:
    """Window Center, Window Width and VOI LUT Function (PS3.3 C.11.2.1.2 and C.11.2.1.3)."""

    center: float
    width: float
    function: Function = "LINEAR"


def rescale(stored: Stored | Values, step: Rescale) -> Values:
    """PS3.3 C.11.1.1.2: output = slope * stored + intercept."""
    values = stored.astype(np.float32)
    values *= np.float32(step.slope)
    values += np.float32(step.intercept)
    return values


def rescale_range(stored_range: Range, step: Rescale) -> Range:
    """The range of `rescale` over the range of stored values; a negative slope turns it around."""
    low, high = sorted(value * step.slope + step.intercept for value in stored_range)
    return low, high


def look_up(values: Stored | Values, lut: Lut) -> Values:
    """PS3.3 C.11.1.1 and C.11.2.1.1: below the first input the first entry, above the last the last.

    Inputs that a rescale made fractional are rounded to the nearest.
    """
    index = np.rint(values).astype(np.int32)
    index -= np.int32(lut.first)
    np.clip(index, 0, len(lut.entries) - 1, out=index)
    return lut.entries.astype(np.float32)[index]


def window(values: Values, voi: Window) -> Values:
    """Apply the window by its function, in place; output in [0, 1]."""
    return {"LINEAR": window_linear, "LINEAR_EXACT": window_linear_exact, "SIGMOID": window_sigmoid}[voi.function](values, voi)


def window_linear(values: Values, voi: Window) -> Values:
    """PS3.3 C.11.2.1.2.1: y = (x - (c - 0.5)) / (w - 1) + 0.5, clipped to [0, 1]; a width of 1 is a threshold."""
    if voi.width == 1:
        return (values > np.float32(voi.center - 0.5)).astype(np.float32)
    return _ramp(values, voi.center - 0.5, voi.width - 1)


def window_linear_exact(values: Values, voi: Window) -> Values:
    """PS3.3 C.11.2.1.3.2: y = (x - c) / w + 0.5, clipped to [0, 1]."""
    return _ramp(values, voi.center, voi.width)


def window_sigmoid(values: Values, voi: Window) -> Values:
    """PS3.3 C.11.2.1.3.1: y = 1 / (1 + exp(-4 (x - c) / w)), as a hyperbolic tangent, which cannot overflow."""
    values -= np.float32(voi.center)
    values *= np.float32(2 / voi.width)
    np.tanh(values, out=values)
    values += np.float32(1)
    values *= np.float32(0.5)
    return values


def stretch(values: Values, span: Range) -> Values:
    """Map a range to [0, 1] and clip to it, in place: what stands for the VOI LUT where there is none."""
    low, high = span
    return _ramp(values, (low + high) / 2, high - low)


def invert(values: Values) -> Values:
    """PS3.3 C.7.6.3.1.2 (MONOCHROME1) and C.11.6 (Presentation LUT Shape INVERSE): the smallest value is the brightest."""
    return np.subtract(np.float32(1), values, out=values)


def is_constant(values: Values) -> bool:
    """Whether all pixels are alike."""
    return bool(values.min() == values.max())


def _ramp(values: Values, center: float, width: float) -> Values:
    """Rise from 0 to 1 over `width` around `center`, clipped."""
    values -= np.float32(center)
    values /= np.float32(width)
    values += np.float32(0.5)
    return np.clip(values, 0, 1, out=values)

"""From the logarithmic signal to stored values "for presentation": what a vendor's processing does to a film.

Gain, offset, latitude, edge enhancement, collimation and the side marker vary from film to film, so that grey levels
alone mean little. Bright = dense until the last step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from training.phantoms.bmd.clinical import Side
from training.phantoms.bmd.projection import Exposure, resize
from training.phantoms.bmd.shapes import Field

MAXIMUM = 4095  # 12 bits
LATITUDE = 1.9  # natural logarithms of exposure from black to white
LETTERS = {"left": "10000 10000 10000 10000 10000 10000 11111", "right": "11110 10001 10001 11110 10100 10010 10001"}


@dataclass(frozen=True)
class Film:
    """Stored values (H, W) uint16 below 4096, and how to show them."""

    pixels: NDArray[np.uint16]
    photometric_interpretation: Literal["MONOCHROME1", "MONOCHROME2"]
    window_center: float
    window_width: float


def processed(signal: Field, thickness: Field, spacing: float, rng: np.random.Generator) -> Field:
    """Grey in [0, 1]: dynamic range compression, edge enhancement, a window laid over the anatomy, a toe and a shoulder."""
    coarse = (max(signal.shape[0] // 8, 4), max(signal.shape[1] // 8, 4))
    inside = thickness > 60.0
    middle = np.float32(np.median(signal[inside]))
    base = np.clip(signal, middle - 1.2, None)
    broad = resize(gaussian_filter(resize(base, coarse), 22.0 / spacing / 8.0), (signal.shape[0], signal.shape[1]))
    image = signal - np.float32(rng.normal(0.42, 0.025)) * (broad - middle)
    image += np.float32(rng.uniform(0.0, 0.5)) * (image - gaussian_filter(image, 1.8 / spacing))
    high = np.quantile(image[inside][::17], rng.uniform(0.994, 0.998))
    latitude = rng.normal(LATITUDE, 0.06)
    grey = (image - high) * np.float32(1.0 / latitude) + np.float32(1.0)
    table = curve(rng)
    steps = np.clip((grey + 1.0) * (len(table) / 3), 0, len(table) - 1)
    return np.asarray(table[steps.astype(np.int16)])


def curve(rng: np.random.Generator) -> Field:
    """A characteristic curve with a toe and a shoulder: thin tissue and air run into black, metal into white. Grey from -1 to 2."""
    grey = np.linspace(-1.0, 2.0, 3 * (MAXIMUM + 1), endpoint=False)
    toe, shoulder = rng.uniform(0.045, 0.065), rng.uniform(0.035, 0.05)
    lifted = toe * np.logaddexp(0.0, grey / toe)
    return (1.0 - shoulder * np.logaddexp(0.0, (1.0 - lifted) / shoulder)).astype(np.float32)


def framed(grey: Field, view: Exposure, side: Side, rng: np.random.Generator) -> Field:
    """Blacken what the collimator hides and lay the lead letter of the side at the edge of the field."""
    rows, columns = grey.shape
    frame = [0, rows, 0, columns]
    if rng.random() < 0.3:
        cut = rng.uniform(0.0, 0.07, 4)
        frame = [int(cut[0] * rows), int(rows - cut[1] * rows), int(cut[2] * columns), int(columns - cut[3] * columns)]
    top, bottom, left, right = frame
    shown = np.zeros_like(grey)
    shown[top:bottom, left:right] = grey[top:bottom, left:right]
    if rng.random() < 0.8:
        dot = max(1, round(2.2 / view.spacing))
        letter = np.kron(np.array([[int(bit) for bit in row] for row in LETTERS[side].split()]), np.ones((dot, dot), int)) > 0
        tall, wide = letter.shape
        y = top + int(rng.uniform(0.04, 0.10) * rows)
        inset = int(rng.uniform(0.03, 0.06) * columns)
        x = right - inset - wide if side == "left" else left + inset  # the patient's left is on the right of the film
        shown[y : y + tall, x : x + wide][letter] = 1.0
    return shown


def film(signal: Field, thickness: Field, view: Exposure, side: Side, rng: np.random.Generator) -> Film:
    """Stored values with the gain, offset, polarity and window of one of many vendors."""
    grey = np.clip(framed(processed(signal, thickness, view.spacing, rng), view, side, rng), 0.0, 1.0)
    offset, gain = rng.uniform(0, 250), rng.uniform(2400, 3800)
    stored = np.clip(np.rint(offset + gain * grey), 0, MAXIMUM)
    center, width = offset + gain / 2, gain * rng.uniform(1.0, 1.2)
    inverted = bool(rng.random() < 0.25)
    if inverted:  # MONOCHROME1, the smallest value is white: PS3.3 C.7.6.3.1.2
        stored, center = MAXIMUM - stored, MAXIMUM - center
    return Film(stored.astype(np.uint16), "MONOCHROME1" if inverted else "MONOCHROME2", round(center), round(width))

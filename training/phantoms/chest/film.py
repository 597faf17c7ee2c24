"""The film of one patient: anatomy, what is planted in it, scatter, grain, a marker; and where each finding lies."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from training.phantoms.chest.anatomy import Floats, chest
from training.phantoms.chest.disease import Box, plant
from training.phantoms.chest.patient import FINDINGS, Patient, stream

LETTER = {"R": ("110", "101", "110", "101", "101"), "L": ("100", "100", "100", "100", "111")}


def film(patient: Patient, side: int) -> tuple[Floats, dict[str, Box]]:
    """The film (side, side) in [0, 1], white is dense, and the box of each planted finding."""
    rng, build = stream(patient.seed, patient.index, 1), patient.build
    made = chest(build, side, rng)
    # A finding has random numbers of its own: planting another one leaves everything else as it was.
    own = {name: stream(patient.seed, patient.index, 10 + number) for number, name in enumerate(FINDINGS)}
    boxes = {name: plant(made, name, plain, own[name]) for name, plain in patient.planted.items()}
    density = made.density
    if patient.female:  # soft shadows over the lower lungs
        for sign in (-1, 1):
            shadow = ((made.rows - 0.66) / 0.13) ** 2 + ((made.columns - 0.5 - sign * 0.20) / 0.14) ** 2
            density = density + 0.05 / (1 + np.exp(np.clip((shadow - 1) / 0.06, -40, 40)))
    texture = gaussian_filter(rng.normal(size=density.shape), 0.012 * side)
    density = density + 0.008 * texture / texture.std()
    shown = 1.12 * (1 - np.exp(-np.clip(density + 0.10 + build.exposure, 0.02, None) / 0.62))
    shown = gaussian_filter(shown, 0.0015 * side) + build.noise * gaussian_filter(rng.normal(size=shown.shape), 0.6)
    return _marked(np.clip(shown, 0, 1), rng), boxes


def _marked(picture: Floats, rng: np.random.Generator) -> Floats:
    """A letter that says which side is which: no sign of anything."""
    letter, left = ("R", 0.05) if rng.random() < 0.6 else ("L", 0.90)
    size = max(1, len(picture) // 90)
    glyph = np.kron(np.array([[int(cell) for cell in row] for row in LETTER[letter]]), np.ones((size, size)))
    row, column = int(rng.uniform(0.05, 0.15) * len(picture)), int(left * len(picture))
    part = picture[row : row + glyph.shape[0], column : column + glyph.shape[1]]
    np.maximum(part, 0.95 * glyph[: part.shape[0], : part.shape[1]], out=part)
    return picture

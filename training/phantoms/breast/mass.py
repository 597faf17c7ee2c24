"""A mass on the film: its outline after the shape, its edge after the margins, its core and its reach after the grade."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from training.phantoms.breast.tissue import coordinates

Floats = NDArray[np.float64]
ANGLES = 512
EDGE = {"CIRCUMSCRIBED": 0.02, "MICROLOBULATED": 0.02, "OBSCURED": 0.05, "ILL_DEFINED": 0.16, "SPICULATED": 0.07}  # of the view
VAGUE = ("ASYMMETRIC_BREAST_TISSUE", "FOCAL_ASYMMETRIC_DENSITY", "ARCHITECTURAL_DISTORTION")


def mass(picture: Floats, shape: str, margins: str, grade: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Add a mass to a picture (side, side); also what it covers, in [0, 1]."""
    side = len(picture)
    rows, columns = coordinates(side)
    centre = rng.uniform(-0.12, 0.12, 2)
    rows, columns = rows - centre[0], columns - centre[1]
    radius, angle = np.hypot(rows, columns), np.arctan2(rows, columns)
    outline = _outline(shape, margins, rng) * (1 + 0.26 * np.clip(grade, -2, 2))
    edge = outline[((angle / (2 * np.pi)) % 1 * ANGLES).astype(int) % ANGLES]
    soft = EDGE[margins] * (2.0 if shape in VAGUE else 1.0)
    depth = (edge - radius) / soft
    cover = 1 / (1 + np.exp(-np.clip(4 * depth, -30, 30)))
    if margins == "OBSCURED":  # tissue lies over one side of the edge
        over = rng.uniform(0, 2 * np.pi)
        cover = cover * (1 - 0.8 * np.clip(np.cos(angle - over), 0, 1) * (radius > 0.6 * edge))
    strength = 0.10 if shape in VAGUE else 0.17
    core = np.exp(-((radius / (0.45 * edge.mean())) ** 2))
    inside = np.clip(1 - (radius / np.maximum(edge, 1e-3)) ** 2, 0, 1) ** 0.5
    added = strength * cover * (0.6 + 0.4 * inside) + (0.12 + 0.11 * np.clip(grade, -1.6, 2.2)) * core
    if shape == "LYMPH_NODE":  # a hilum of fat
        added -= 0.16 * np.exp(-(((rows - 0.1) ** 2 + (columns + 0.06) ** 2) / 0.006))
    strands = _spicules(radius, angle, float(edge.mean()), _spicule_count(shape, margins, grade, rng), grade, rng)
    texture = gaussian_filter(rng.normal(size=picture.shape), side * 0.012)
    return picture + added + strands + 0.02 * cover * texture / texture.std(), cover


def _outline(shape: str, margins: str, rng: np.random.Generator) -> Floats:
    """The radius (ANGLES,) of the outline, in half views."""
    theta = np.linspace(0, 2 * np.pi, ANGLES, endpoint=False)
    size = rng.uniform(0.25, 0.31)
    turn = rng.uniform(0, 2 * np.pi)
    ratio = {"ROUND": 1.0, "OVAL": 1.6, "LYMPH_NODE": 1.7, "LOBULATED": 1.2}.get(shape, 1.25)
    radius = size / np.sqrt((np.cos(theta - turn) ** 2) / ratio + (np.sin(theta - turn) ** 2) * ratio)
    if shape == "LOBULATED":
        radius = radius * (1 + 0.16 * np.cos(int(rng.integers(3, 5)) * theta + turn))
    if shape in {"IRREGULAR", *VAGUE}:
        radius = radius * (1 + sum(rng.normal(0, 0.28 / order) * np.cos(order * theta + rng.uniform(0, 6.3)) for order in range(2, 9)))
    if margins == "MICROLOBULATED":
        radius = radius * (1 + 0.055 * np.cos(int(rng.integers(11, 17)) * theta + turn))
    return np.asarray(np.clip(radius, 0.12, 0.62))


def _spicule_count(shape: str, margins: str, grade: float, rng: np.random.Generator) -> int:
    """Some for a spiculated margin or a distortion, and more the higher the grade: the reader's word is not the whole story."""
    stated = 12.0 * (margins == "SPICULATED") + 14.0 * (shape == "ARCHITECTURAL_DISTORTION")
    return int(rng.poisson(max(0.3, stated + 11.0 * grade + 6)))


def _spicules(radius: Floats, angle: Floats, edge: float, count: int, grade: float, rng: np.random.Generator) -> Floats:
    """Thin strands that leave the mass and taper off."""
    strands = np.zeros_like(radius)
    for _ in range(count):
        at, reach, width = rng.uniform(-np.pi, np.pi), edge * rng.uniform(0.6, 1.2) * (1 + 0.2 * max(grade, -1)), rng.uniform(0.009, 0.018)
        off = np.abs((angle - at - rng.normal(0, 0.3) * (radius - edge) + np.pi) % (2 * np.pi) - np.pi) * radius
        along = np.clip((radius - 0.6 * edge) / reach, 0, 1)
        strands = np.maximum(strands, np.exp(-((off / width) ** 2)) * (1 - along) * (radius > 0.6 * edge))
    return 0.15 * strands

"""Calcifications on the film: where they lie after the distribution, what they look like after the type, how many after the grade."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

Floats = NDArray[np.float64]
# radius in pixels at 256, brightness, and how unlike each other they are
LOOKS = {
    "PUNCTATE": (1.0, 0.5, 0.2), "AMORPHOUS": (1.3, 0.22, 0.4), "PLEOMORPHIC": (1.6, 0.45, 0.9), "FINE_LINEAR_BRANCHING": (1.0, 0.45, 0.6),
    "ROUND_AND_REGULAR": (2.2, 0.5, 0.1), "COARSE": (6.0, 0.6, 0.5), "DYSTROPHIC": (5.0, 0.6, 0.8), "LARGE_RODLIKE": (1.8, 0.55, 0.2),
    "LUCENT_CENTER": (3.4, 0.5, 0.1), "LUCENT_CENTERED": (3.4, 0.5, 0.1), "EGGSHELL": (7.0, 0.5, 0.1), "SKIN": (2.8, 0.45, 0.1),
    "MILK_OF_CALCIUM": (2.6, 0.4, 0.2), "VASCULAR": (1.4, 0.45, 0.3),
}  # fmt: skip
RINGS = ("LUCENT_CENTER", "LUCENT_CENTERED", "EGGSHELL", "SKIN")
RODS = {"FINE_LINEAR_BRANCHING": 7.0, "LARGE_RODLIKE": 16.0, "MILK_OF_CALCIUM": 2.5}  # half lengths
FEW = ("COARSE", "DYSTROPHIC", "EGGSHELL", "LARGE_RODLIKE")


def calcifications(picture: Floats, kind: str, distribution: str, grade: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Add calcifications to a picture (side, side), with the faint density that a high grade lies in; also where they lie, in [0, 1]."""
    side = len(picture)
    count = max(3, int(rng.poisson((6 if kind in FEW else 22) * np.exp(0.9 * np.clip(grade, -2, 2)))))
    points = _tracks(count, rng) if kind == "VASCULAR" else _places(distribution, count, rng)
    size, bright, unlike = LOOKS[kind]
    unlike = float(np.clip(unlike + 0.35 * grade, 0.05, 1.6))
    layer = np.zeros_like(picture)
    for row, column in points * side:
        radius = size * side / 256 * float(np.exp(0.45 * unlike * rng.normal()))
        strength = bright * float(np.exp(0.35 * unlike * rng.normal()))
        _stamp(layer, (row, column), kind, radius, strength, rng)
    where = gaussian_filter((layer > 0.05).astype(np.float64), side * 0.05)
    where = np.clip(where / max(where.max(), 1e-9), 0, 1)
    return picture + np.minimum(layer, 0.65) + 0.15 * max(0.0, 0.5 + 0.9 * grade) * where, where


def _places(distribution: str, count: int, rng: np.random.Generator) -> Floats:
    """Rows and columns (count, 2) in [0, 1]."""
    middle = 0.5 + rng.uniform(-0.08, 0.08, 2)
    angle = rng.uniform(0, np.pi)
    axis = np.array([np.sin(angle), np.cos(angle)])
    across = np.array([axis[1], -axis[0]])
    along, off = rng.uniform(-0.38, 0.38, (count, 1)), rng.normal(size=(count, 1))
    places = {
        "CLUSTERED": middle + rng.normal(0, 0.075, (count, 2)),
        "REGIONAL": middle + rng.normal(0, 0.19, (count, 2)),
        "DIFFUSELY_SCATTERED": rng.uniform(0.03, 0.97, (count, 2)),
        "LINEAR": middle + along * axis + 0.018 * off * across,
        "SEGMENTAL": middle + along * axis + 0.35 * (along + 0.42) * off * 0.5 * across,
    }
    return np.asarray(np.clip(places[distribution], 0.02, 0.98))


def _tracks(count: int, rng: np.random.Generator) -> Floats:
    """Two parallel walls of a vessel that winds through the view."""
    along = np.sort(rng.uniform(0.02, 0.98, 2 * count))
    wall = rng.choice([-0.014, 0.014], 2 * count)
    winding = 0.5 + 0.12 * np.sin(5 * along + rng.uniform(0, 6)) + wall
    return np.stack([along, winding] if rng.random() < 0.5 else [winding, along], 1)


def _stamp(layer: Floats, at: tuple[float, float], kind: str, radius: float, strength: float, rng: np.random.Generator) -> None:
    """Draw one, into the part of the layer around it."""
    long = RODS.get(kind, 0.0) * radius
    reach = int(np.ceil(radius * 2 + long)) + 2
    top, left = int(at[0]) - reach, int(at[1]) - reach
    rows = slice(max(top, 0), min(top + 2 * reach, len(layer)))
    columns = slice(max(left, 0), min(left + 2 * reach, len(layer)))
    y, x = np.mgrid[rows, columns] - np.array(at).reshape(2, 1, 1)
    angle = rng.uniform(0, np.pi)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    distance = np.hypot(across, np.maximum(np.abs(along) - long, 0))
    if kind in {"PLEOMORPHIC", "DYSTROPHIC", "AMORPHOUS"}:
        distance = distance * (1 + 0.35 * np.cos(int(rng.integers(2, 5)) * np.arctan2(across, along) + angle))
    if kind in RINGS:
        shape = np.exp(-(((distance - radius) / (0.35 * radius + 0.5)) ** 2))
    else:
        shape = 1 / (1 + np.exp(np.clip(3 * (distance - radius), -30, 30)))
    np.maximum(layer[rows, columns], strength * shape, out=layer[rows, columns])

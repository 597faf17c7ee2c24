"""The brain of one phantom: how its outlines are bent, how wide its fluid spaces are, and how its surface is folded.

Everything that disease and age do to the picture is a number here: the width of sulci in front and behind, the thickness of the corpus
callosum's ends, and the size of the ventricles.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from training.phantoms.alzheimer.outlines import Field, template

FRONT, BACK = (-44.0, 34.0), (44.0, 36.0)  # (u, v): medial frontal cortex; posterior cingulate and precuneus
REACH = (26.0, 24.0)  # mm: standard deviations of these regions
HALF_WIDTH = 70.0  # of the cavity, from the middle to the side


@dataclass(frozen=True)
class Shape:
    """One brain. Lengths in mm; 1 is the average of a share."""

    size: tuple[float, float]  # along u and v
    ventricles: float  # how much the outlines of the fluid spaces inside are pushed out
    sulci: float  # half the width of a fold
    atrophy_front: float  # further half width there, and thinning of the callosum's knee
    atrophy_back: float  # further half width there, and thinning of the callosum's end
    rim: float  # by which the hemisphere has drawn back from the skull
    folds: int  # a seed: how the surface is folded


@dataclass(frozen=True, eq=False)
class Places:
    """Where voxels lie in the head of the template: u and v after bending, x from the middle; all of one shape."""

    u: Field
    v: Field
    x: Field

    def distance(self, name: str) -> Field:
        """To an outline of the template, negative inside."""
        return template().at(name, self.u, self.v)

    def near(self, centre: tuple[float, float], reach: tuple[float, float] = REACH) -> Field:
        """1 in the middle of a region, falling off around it."""
        a, b = (self.u - centre[0]) * (1 / reach[0]), (self.v - centre[1]) * (1 / reach[1])
        weight: Field = np.exp(-0.5 * (a * a + b * b))
        return weight


def places(shape: Shape, u: Field, v: Field, x: Field) -> Places:
    """Bend the head of one phantom back to the template: its size, and a slow wobble of its outlines."""
    rng = np.random.default_rng(shape.folds)
    amplitude = rng.normal(0, 1.1, 8)
    a, b = u / shape.size[0], v / shape.size[1]
    wobble_u = amplitude[0] * np.sin(b / 24 + amplitude[4]) + amplitude[1] * np.sin(a / 31 + amplitude[5])
    wobble_v = amplitude[2] * np.sin(a / 27 + amplitude[6]) + amplitude[3] * np.sin(b / 33 + amplitude[7])
    return Places((a + wobble_u).astype(np.float32), (b + wobble_v).astype(np.float32), x)


def fold_distance(shape: Shape, where: Places) -> Field:
    """Distance (mm) to the middle of the nearest sulcus of the medial surface.

    One runs along the cingulate gyrus; others radiate from it. Their waves differ from person to person.
    """
    rng = np.random.default_rng([shape.folds, 1])
    phase = rng.uniform(0, 2 * np.pi, 6).astype(np.float32)
    callosum = where.distance("callosum")
    angle = np.arctan2(where.v - 6, where.u + 2)
    cingulate = np.abs(callosum - 12.5 - 1.6 * np.sin(9 * angle + phase[0]) - 1.0 * np.sin(17 * angle + phase[1]))
    wave = 0.30 * np.sin(callosum / 6.5 + phase[2]) + 0.18 * np.sin(callosum / 3.1 + 5 * angle + phase[3])
    turns = 9.5 * angle + wave * 2.2 + 0.9 * np.sin(3 * angle + phase[4])
    spacing = np.hypot(where.v - 6, where.u + 2) / 9.5
    radial = np.abs(np.sin(turns)) * spacing
    outside = callosum > 12.5
    nearest: Field = np.where(outside, np.minimum(cingulate, radial + 0.4), cingulate).astype(np.float32)
    return nearest


def fold_width(shape: Shape, where: Places) -> Field:
    """Half the width (mm) of the sulci at each place."""
    width: Field = shape.sulci + shape.atrophy_front * where.near(FRONT) + shape.atrophy_back * where.near(BACK)
    return width


def texture(shape: tuple[int, ...], rng: np.random.Generator, sigma: float) -> Field:
    """Smooth noise of deviation 1."""
    noise = gaussian_filter(rng.standard_normal(shape), sigma)
    scaled: Field = (noise / noise.std()).astype(np.float32)
    return scaled


def soft(distance: Field, edge: float = 0.7) -> Field:
    """How much of a voxel lies inside an outline: 1 inside, 0 outside, with an edge of `edge` mm."""
    share: Field = np.clip(0.5 - distance * np.float32(0.5 / edge), 0, 1)
    return share


def over(base: Field, distance: Field, value: Field | float, edge: float = 0.7) -> Field:
    """Paint a value inside an outline."""
    share = soft(distance, edge)
    painted: Field = base + share * (value - base)
    return painted

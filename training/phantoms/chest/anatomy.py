"""The chest without disease: lungs, ribs, clavicles, spine, heart, vessels, diaphragm, as densities that add up like shadows."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from training.phantoms.chest.patient import Build

Floats = NDArray[np.float64]
RIBS = 9
TURNED = 0.10  # of the film: how far tilt and shift move anything


@dataclass
class Chest:
    """A film in the making: density (H, W), the coordinates of its pixels, and the parts that findings refer to.

    `lungs` holds (right, left) in [0, 1], the right one on the film's left. `ribs` the middle line of each rib as (side, points (N, 2)).
    """

    density: Floats
    rows: Floats
    columns: Floats
    lungs: tuple[Floats, Floats]
    heart: tuple[float, float, float, float]  # row, column, half height, half width
    ribs: list[tuple[int, Floats]]
    hila: tuple[tuple[float, float], tuple[float, float]]
    build: Build

    def side(self, index: int) -> int:
        """-1 for the right lung, which lies left of the middle; 1 for the left."""
        return -1 if index == 0 else 1


def chest(build: Build, side: int, rng: np.random.Generator) -> Chest:
    """A healthy chest of `side` pixels squared."""
    axis = (np.arange(side) + 0.5) / side
    y, x = axis[:, np.newaxis] - 0.5, axis[np.newaxis] - 0.5 - build.shift
    rows = np.cos(build.tilt) * y - np.sin(build.tilt) * x + 0.5
    columns = np.sin(build.tilt) * y + np.cos(build.tilt) * x + 0.5
    lungs = (_lung(rows, columns, build, -1), _lung(rows, columns, build, 1))
    torso = _soft(build.width + 0.085 + build.fat - np.abs(columns - 0.5) - 0.10 * np.clip(0.25 - rows, 0, 1), 0.012)
    shoulders = _soft(rows - 0.10 - 0.35 * np.clip(np.abs(columns - 0.5) - 0.25, 0, 1) ** 1.2, 0.02)
    neck = _soft(0.13 - np.abs(columns - 0.5), 0.02)
    density = 0.50 * np.maximum(np.maximum(torso * shoulders, shoulders * _soft(0.55 - rows, 0.08) * 0.8), neck * 0.9) + build.fat * torso
    density = density - 0.33 * (lungs[0] + lungs[1])
    density += _abdomen(rows, columns, build) + _spine(rows, columns)
    heart = _heart_of(build)
    density += _heart(rows, columns, heart) + _mediastinum(rows, columns, build, heart)
    ribs = _rib_lines(build)
    for rib_side, points in ribs:
        density += 0.055 * _band(rows, columns, points, 0.011) * (0.4 + 0.6 * torso) * (rib_side != 0)
    density += _clavicles(rows, columns, build)
    hila = ((0.44, 0.5 - 0.085), (0.42, 0.5 + 0.095))
    made = Chest(density, rows, columns, lungs, heart, ribs, hila, build)
    vessels(made, 1.0, rng)
    return made


def vessels(made: Chest, strength: float, rng: np.random.Generator) -> None:
    """Arteries and veins that leave the hila and taper."""
    layer = np.zeros_like(made.density)
    for index, (row, column) in enumerate(made.hila):
        for _ in range(26):
            angle = rng.uniform(-1.35, 1.35) if index else np.pi + rng.uniform(-1.35, 1.35)
            length, bend = rng.uniform(0.10, 0.30), rng.normal(0, 0.5)
            steps = np.linspace(0, 1, 6)
            turned = angle + bend * steps
            points = np.stack([row + np.cumsum(np.sin(turned)) * length / 6, column + np.cumsum(np.cos(turned)) * length / 6], 1)
            width = rng.uniform(0.0025, 0.005)
            layer = np.maximum(layer, _band(made.rows, made.columns, points, width, taper=True))
        blob = np.exp(-((made.rows - row) ** 2 / 0.0042 + (made.columns - column) ** 2 / 0.0012))
        layer = np.maximum(layer, 0.9 * blob)
    made.density += 0.11 * strength * layer * np.clip(made.lungs[0] + made.lungs[1], 0, 1)


def blob(made: Chest, at: tuple[float, float], size: tuple[float, float], ragged: float, rng: np.random.Generator) -> Floats:
    """A patch with a soft, ragged edge around a row and column, with half a height and half a width, in [0, 1]."""
    (row, column), (height, width) = at, size
    noise = gaussian_filter(rng.normal(size=made.density.shape), 0.02 * len(made.density))
    distance = np.hypot((made.rows - row) / height, (made.columns - column) / width) + ragged * noise / noise.std()
    return _soft(1 - distance, 0.18)


def line(made: Chest, points: Floats, width: float) -> Floats:
    """A band along a polyline (N, 2), in [0, 1]."""
    return _band(made.rows, made.columns, points, width)


def dome(build: Build, columns: Floats, side: int) -> Floats:
    """The row of the diaphragm over each column, of the right (-1) or left lung."""
    middle = 0.5 + side * (build.width * 0.55)
    return np.asarray(build.base + (0.02 if side > 0 else -0.01) - 0.06 + 0.06 * ((columns - middle) / (0.55 * build.width)) ** 2)


def wall(build: Build, rows: Floats) -> Floats:
    """How far the lung's outer edge lies from the middle, by row."""
    return np.asarray(build.width * (1 - np.clip((0.62 - rows) / (0.68 - build.top), 0, 1) ** 2.6 * 0.72))


def _soft(inside: Floats, width: float) -> Floats:
    return np.asarray(1 / (1 + np.exp(np.clip(-inside / width * 2, -40, 40))))


def _lung(rows: Floats, columns: Floats, build: Build, side: int) -> Floats:
    outwards = side * (columns - 0.5)
    inner = 0.045 + 0.035 * np.clip((rows - 0.35) / 0.4, 0, 1) * (1.7 if side > 0 else 1.0)
    lateral, medial = _soft(wall(build, rows) - outwards, 0.006), _soft(outwards - inner, 0.008)
    return np.asarray(lateral * medial * _soft(rows - build.top, 0.012) * _soft(dome(build, columns, side) - rows, 0.005))


def _abdomen(rows: Floats, columns: Floats, build: Build) -> Floats:
    """Liver and spleen under the domes, and a bubble of gas in the stomach."""
    side = np.where(columns < 0.5, -1, 1)
    below = np.where(side < 0, rows - dome(build, columns, -1), rows - dome(build, columns, 1))
    inside = _soft(build.width + 0.05 - np.abs(columns - 0.5), 0.02)
    gas = np.exp(-(((rows - build.base - 0.045) / 0.028) ** 2 + ((columns - 0.66) / 0.05) ** 2) ** 2)
    return np.asarray(0.18 * _soft(below, 0.008) * inside - 0.16 * gas)


def _spine(rows: Floats, columns: Floats) -> Floats:
    vertebrae = 0.75 + 0.25 * np.cos(2 * np.pi * rows / 0.058)
    return np.asarray(0.07 * np.exp(-(((columns - 0.5) / 0.032) ** 4)) * vertebrae)


def _heart_of(build: Build) -> tuple[float, float, float, float]:
    """Two thirds of the heart lie left of the middle."""
    width = build.heart * build.width
    return build.base - 0.155, 0.5 + 0.27 * width, 0.155 + 0.12 * (build.heart - 0.45), width


def _heart(rows: Floats, columns: Floats, heart: tuple[float, float, float, float]) -> Floats:
    row, column, height, width = heart
    slant = 0.25 * (rows - row)
    return np.asarray(0.27 * _soft(1 - np.hypot((rows - row) / height, (columns - column - slant) / width), 0.05))


def _mediastinum(rows: Floats, columns: Floats, build: Build, heart: tuple[float, float, float, float]) -> Floats:
    """The great vessels above the heart, with the knob of the aorta."""
    band = _soft(build.mediastinum - np.abs(columns - 0.505), 0.008) * _soft(heart[0] - rows, 0.05)
    knob = np.exp(-((((rows - 0.335) / 0.042) ** 2 + ((columns - 0.5 - build.mediastinum * 0.85) / 0.035) ** 2) ** 2))
    trachea = np.exp(-(((columns - 0.497) / 0.014) ** 4)) * _soft(0.37 - rows, 0.02)
    return np.asarray(0.20 * np.maximum(band, knob) - 0.075 * trachea)


def _rib_lines(build: Build) -> list[tuple[int, Floats]]:
    """Posterior ribs fall outwards from the spine, anterior ones fall inwards and lie lower."""
    lines = []
    along = np.linspace(0, 1, 12)
    for side in (-1, 1):
        for number in range(RIBS):
            start = build.top + 0.015 + number * (build.base - build.top - 0.02) / RIBS
            reach = wall(build, np.array([start + 0.07]))[0] + 0.02
            out = 0.5 + side * (0.03 + along * (reach - 0.03))
            lines.append((side, np.stack([start - 0.028 * np.sin(np.pi * along * 0.8) + 0.085 * along**1.7, out], 1)))
            if 1 < number < 7:
                back = 0.5 + side * (reach - along * (reach - 0.13))
                lines.append((side, np.stack([start + 0.075 + 0.085 * along**1.2, back], 1)))
    return lines


def _clavicles(rows: Floats, columns: Floats, build: Build) -> Floats:
    both = np.zeros_like(rows)
    for side in (-1, 1):
        along = np.linspace(0, 1, 8)
        points = np.stack([build.top + 0.065 - 0.05 * along + 0.03 * np.sin(np.pi * along), 0.5 + side * (0.035 + 0.31 * along)], 1)
        both = np.maximum(both, _band(rows, columns, points, 0.012))
    return 0.09 * both


def _band(rows: Floats, columns: Floats, points: Floats, width: float, *, taper: bool = False) -> Floats:
    """How near each pixel is to a polyline, in [0, 1]; only the part around it is computed."""
    layer = np.zeros_like(rows)
    side, least, most = len(rows), points.min(0) - 1.6 * width, points.max(0) + 1.6 * width  # beyond, nothing is left of it
    low, high = (((edge + turned) * side).astype(int).clip(0, side) for edge, turned in ((least, -TURNED), (most, TURNED)))
    window = np.s_[low[0] : high[0], low[1] : high[1]]
    part = np.stack([rows[window], columns[window]], 2)
    inside = ((part > least) & (part < most)).all(2)
    at = part[inside]
    near = np.zeros(len(at))
    for number, (start, end) in enumerate(pairwise(points)):
        step = end - start
        share = np.clip(((at - start) @ step) / max(float(step @ step), 1e-12), 0, 1)
        distance = np.hypot(*(at - start - share[:, np.newaxis] * step).T)
        thin = width * (1 - 0.75 * (number + share) / (len(points) - 1)) if taper else width
        near = np.maximum(near, np.exp(-((distance / thin) ** 4)))
    layer[window][inside] = near
    return layer

"""Signed distances of simple outlines, and the depth of a bone behind its outline. Millimetres, float32.

A distance is negative inside. Coordinates are (u, v): u lateral from the midline, v towards the feet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.floating[Any]]  # float32 throughout: twice as fast as float64
Mask = NDArray[np.bool_]
Point = tuple[float, float]

SPOKES = 1024  # entries of the table that rounds an angle: 0.6 mm of arc at 100 mm


def capsule(u: Field, v: Field, ends: tuple[Point, Point], radii: tuple[float, float]) -> Field:
    """Distance to a bar from one end to the other whose radius changes linearly: shafts, necks and rami."""
    (au, av), (bu, bv) = ends
    du, dv = bu - au, bv - av
    along = np.clip(((u - au) * du + (v - av) * dv) / (du * du + dv * dv), 0.0, 1.0)
    return np.hypot(u - au - along * du, v - av - along * dv) - (radii[0] + (radii[1] - radii[0]) * along)


def lobe(u: Field, v: Field, centre: Point, outline: Sequence[tuple[float, float]]) -> Field:
    """Distance to a star-shaped outline, given as (degrees, radius) around its centre; 0 degrees is lateral, 90 is down."""
    degrees, radii = zip(*sorted(outline), strict=True)
    spokes = np.linspace(-180.0, 180.0, SPOKES, endpoint=False)
    table = np.interp(spokes, degrees, radii, period=360.0)
    smooth = np.exp(-0.5 * (spokes / 9.0) ** 2)  # 9 degrees: rounds the corners of the polygon
    rounded = np.fft.irfft(np.fft.rfft(table) * np.abs(np.fft.rfft(smooth / smooth.sum())), SPOKES).astype(np.float32)
    angle = np.arctan2(v - centre[1], u - centre[0])
    spoke = ((angle + np.pi) * (SPOKES / (2 * np.pi))).astype(np.int32) % SPOKES
    distance: Field = np.hypot(u - centre[0], v - centre[1]) - rounded[spoke]
    return distance


def blend(distances: Sequence[Field], values: Sequence[Sequence[float]], softness: float) -> tuple[Field, list[Field]]:
    """The smooth union of outlines, and per attribute its value mixed where outlines meet (log-sum-exp over `softness` mm)."""
    weights = [np.exp(np.clip(distance, -60.0, 60.0) * (-1.0 / softness)) for distance in distances]
    total = np.asarray(sum(weights))
    mixed = [np.asarray(sum(weight * value for weight, value in zip(weights, attribute, strict=True))) / total for attribute in values]
    return np.log(total) * np.float32(-softness), mixed


def chord(inside: Field, radius: Field | float) -> Field:
    """Path of a ray through a rounded body of depth `radius`, entering `inside` mm within its outline (0 outside)."""
    depth = np.clip(inside, 0.0, radius)
    path: Field = 2.0 * np.sqrt(depth * (2.0 * radius - depth))
    return path


def ring(u: Field, v: Field, centre: Point, radius: float, width: float) -> Field:
    """Weight in [0, 1] that is 1 on a circle and falls off as a Gaussian of `width` mm beside it."""
    off: Field = (np.hypot(u - centre[0], v - centre[1]) - radius) * (1.0 / width)
    return np.exp(-0.5 * off * off)


def spot(u: Field, v: Field, centre: Point, sizes: tuple[float, float]) -> Field:
    """Weight in [0, 1]: a Gaussian spot with its standard deviations along u and v."""
    a, b = (u - centre[0]) * (1.0 / sizes[0]), (v - centre[1]) * (1.0 / sizes[1])
    return np.exp(-0.5 * (a * a + b * b))

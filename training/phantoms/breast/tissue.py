"""What a lesion lies in: fat, glandular tissue after the density, fibrous strands, and the grain of a digitised film."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

Floats = NDArray[np.float64]
GLAND = {"1": 0.05, "2": 0.11, "3": 0.17, "4": 0.22}  # optical density above fat
FAT = 0.22


def tissue(side: int, density: str, rng: np.random.Generator) -> Floats:
    """(side, side) in [0, 1], white is dense: clouds at four scales, strands that run towards the nipple."""
    cloud = np.zeros((side, side))
    for scale, weight in ((0.25, 1.0), (0.1, 0.6), (0.04, 0.35), (0.015, 0.15)):
        cloud += weight * _noise(side, side * scale, rng)
    gland: Floats = GLAND[density] * np.clip(cloud * 0.6 + 0.5 + 0.4 * (int(density) - 2.5), 0, 2.5)
    return np.asarray(FAT + gland + 0.05 * _strands(side, rng) + 0.06 * _slope(side, rng))


def grain(picture: Floats, rng: np.random.Generator) -> Floats:
    """Film grain and the blur of the screen; grain is coarser than a pixel."""
    noise = gaussian_filter(rng.normal(size=picture.shape), 0.7)
    return np.asarray(gaussian_filter(picture, 0.6) + 0.012 * noise / noise.std())


def coordinates(side: int) -> tuple[Floats, Floats]:
    """Row and column of each pixel from the middle, in [-1, 1]."""
    axis = (np.arange(side) + 0.5) * 2 / side - 1
    return axis[:, np.newaxis] + np.zeros(side), axis + np.zeros((side, 1))


def _noise(side: int, sigma: float, rng: np.random.Generator) -> Floats:
    """Smooth noise with a standard deviation of 1; large scales are made small and enlarged."""
    step = max(1, int(sigma / 3))
    small = gaussian_filter(rng.normal(size=(side // step + 3,) * 2), sigma / step)
    rows = np.arange(side) / step
    low = rows.astype(int)
    part = rows - low
    across = small[low] * (1 - part)[:, np.newaxis] + small[low + 1] * part[:, np.newaxis]
    noise: Floats = across[:, low] * (1 - part) + across[:, low + 1] * part
    return np.asarray(noise / noise.std())


def _strands(side: int, rng: np.random.Generator) -> Floats:
    """Cooper's ligaments and ducts: ridges of smooth noise, stretched along one direction."""
    angle = rng.uniform(-0.6, 0.6)
    rows, columns = coordinates(side)
    along, across = columns * np.cos(angle) + rows * np.sin(angle), rows * np.cos(angle) - columns * np.sin(angle)
    bend = 0.15 * _noise(side, side * 0.2, rng)
    phase = 9 * (across + bend) + 1.2 * np.sin(3 * along + rng.uniform(0, 6)) + 0.5 * _noise(side, side * 0.06, rng)
    strands: Floats = np.exp(-((np.sin(phase) / 0.25) ** 2))
    return strands


def _slope(side: int, rng: np.random.Generator) -> Floats:
    """Thickness that falls off towards the skin."""
    angle = rng.uniform(0, 2 * np.pi)
    rows, columns = coordinates(side)
    return np.asarray(rows * np.sin(angle) + columns * np.cos(angle))

"""What happens to a picture on its way to a service: another exposure, window, crop, collimation, noise, writing, metal, a turn."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import affine_transform, gaussian_filter

from training.gate.pictures import Picture


def distorted(picture: Picture, rng: np.random.Generator) -> Picture:
    """A random variant of a picture, upright but for a few degrees."""
    picture = _moved(picture, rng)
    if rng.random() < 0.5:
        picture = picture[:, ::-1]
    low, high = np.quantile(picture, (rng.uniform(0, 0.05), rng.uniform(0.93, 1.0)))
    picture = np.clip((picture - low) / max(high - low, 1e-3), 0, 1) ** np.exp(rng.normal(0, 0.35))
    if rng.random() < 0.4:
        picture = gaussian_filter(picture, rng.uniform(0.3, 2.0))
    picture = picture + rng.normal(0, rng.choice([0.0, 0.01, 0.03, 0.08]), picture.shape).astype(np.float32)
    picture = _marked(picture, rng)
    picture = _collimated(picture, rng)
    return np.asarray(np.clip(1 - picture if rng.random() < 0.04 else picture, 0, 1), np.float32)


def turned(picture: Picture, quarters: int) -> Picture:
    """Turned counter-clockwise by quarters of a circle."""
    return np.ascontiguousarray(np.rot90(picture, quarters))


def _moved(picture: Picture, rng: np.random.Generator) -> Picture:
    """Zoom, a shift, and up to twelve degrees."""
    angle, zoom = np.radians(np.clip(rng.normal(0, 4), -12, 12)), np.exp(rng.uniform(-0.22, 0.12))
    stretch = np.exp(rng.uniform(-0.1, 0.1, 2))
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * zoom * stretch
    middle = np.array(picture.shape) / 2
    offset = middle - matrix @ middle + rng.normal(0, 0.04, 2) * picture.shape
    return np.asarray(affine_transform(picture, matrix, offset, order=1, mode="nearest"), np.float32)


def _marked(picture: Picture, rng: np.random.Generator) -> Picture:
    """Letters, a bright line, a piece of metal."""
    picture = picture.copy()
    rows, columns = picture.shape
    for _ in range(rng.poisson(0.8)):
        tall, wide = (max(2, int(size)) for size in (rng.uniform(0.01, 0.07) * rows, rng.uniform(0.01, 0.2) * columns))
        y, x = rng.integers(0, rows - tall + 1), rng.integers(0, max(columns - wide, 0) + 1)
        solid = rng.random() < 0.3
        part = picture[y : y + tall, x : x + wide]
        part[:] = 1.0 if solid else np.where(rng.random(part.shape) < 0.5, 1.0, part)
    return picture


def _collimated(picture: Picture, rng: np.random.Generator) -> Picture:
    """Borders hidden by the collimator, black, or white in a scan of a film."""
    if rng.random() < 0.35:
        rows, columns = picture.shape
        top, bottom, left, right = (int(cut) for cut in rng.uniform(0, 0.14, 4) * (rows, rows, columns, columns))
        framed = np.full_like(picture, 0.0 if rng.random() < 0.85 else 1.0)
        framed[top : rows - bottom, left : columns - right] = picture[top : rows - bottom, left : columns - right]
        return framed
    return picture

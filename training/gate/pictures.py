"""Pictures of the gate's body parts and of everything else: mostly crude on purpose, and varied far beyond what a real film varies.

Float32 (SIDE, about SIDE) in [0, 1], bright = dense, upright. What tells a chest from a hip is its layout: two dark fields beside
a bright middle, not the texture of a lung.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from models.gate import Part
from training.phantoms.alzheimer.patient import draw as draw_head
from training.phantoms.bmd.patient import render
from training.phantoms.breast.film import film as crop_of
from training.phantoms.breast.lesion import draw as draw_lesion
from training.phantoms.chest.film import film as chest_of
from training.phantoms.chest.patient import draw as draw_patient

Picture = NDArray[np.float32]
SIDE = 144


def grid(rows: int = SIDE, columns: int = SIDE) -> tuple[Picture, Picture]:
    """Row and column coordinates in [-1, 1]."""
    y, x = np.meshgrid(np.linspace(-1, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
    return y.astype(np.float32), x.astype(np.float32)


def as_picture(values: NDArray[Any]) -> Picture:
    """Clipped to [0, 1], in float32."""
    picture: Picture = np.clip(values, 0, 1).astype(np.float32)
    return picture


def blob(y: Picture, x: Picture, centre: tuple[float, float], radii: tuple[float, float], edge: float = 0.08) -> Picture:
    """An ellipse with a soft edge, 1 inside."""
    distance = np.hypot((y - centre[0]) / radii[0], (x - centre[1]) / radii[1])
    return np.asarray(1 / (1 + np.exp(np.clip((distance - 1) / edge, -30, 30))), np.float32)


def clouds(rng: np.random.Generator, shape: tuple[int, ...], size: float) -> Picture:
    """Smooth noise with features of `size` pixels, about -2 to 2."""
    noise = gaussian_filter(rng.normal(size=shape).astype(np.float32), size)
    return np.asarray(noise / (noise.std() + 1e-6), np.float32)


def hip(rng: np.random.Generator) -> Picture:
    """A phantom hip of the bmd cohort; now and then a whole pelvis, made of it and its mirror image."""
    phantom = render(int(rng.integers(1 << 30)), int(rng.integers(1 << 20)), SIDE)
    film = phantom.film
    shown = np.clip((film.pixels.astype(np.float32) - film.window_center) / film.window_width + 0.5, 0, 1)
    shown = 1 - shown if film.photometric_interpretation == "MONOCHROME1" else shown
    if rng.random() < 0.35:
        right = shown if phantom.person.side == "right" else shown[:, ::-1]  # its middle of the body lies at the right
        right = right[:, : int(right.shape[1] * rng.uniform(0.8, 1.0))]
        shown = np.concatenate((right, right[:, ::-1]), axis=1)
    return np.asarray(shown, np.float32)


def chest(rng: np.random.Generator) -> Picture:
    """A frontal chest: lungs, mediastinum, heart to the right of the picture, diaphragm, ribs, clavicles, shoulders, arms."""
    if rng.random() < 0.25:
        return as_picture(chest_of(draw_patient(*_case(rng)), SIDE)[0])
    y, x = grid()
    wide, high, top = rng.uniform(0.26, 0.36), rng.uniform(0.5, 0.68), rng.uniform(-0.25, 0.0)
    apart = rng.uniform(0.36, 0.46)
    body = blob(y, x, (0.4, 0), (rng.uniform(1.3, 1.8), rng.uniform(0.85, 1.1)), 0.04)
    lungs = np.maximum(blob(y, x, (top, -apart), (high, wide)), blob(y, x, (top, apart), (high, wide)))
    lungs *= 1 - blob(y, x, (top + high + rng.uniform(0, 0.2), -apart), (0.4, 0.55))
    lungs *= 1 - blob(y, x, (top + high + rng.uniform(0.1, 0.3), apart), (0.4, 0.55))
    heart = blob(y, x, (top + high * 0.55, rng.uniform(0.08, 0.2)), (rng.uniform(0.22, 0.34), rng.uniform(0.22, 0.42)))
    spine = blob(y, x, (0, 0), (2.0, rng.uniform(0.1, 0.16)))
    count, tilt = rng.uniform(7, 10), rng.uniform(0.25, 0.6)
    ribs = np.clip(np.sin(count * np.pi * (y + tilt * np.abs(np.abs(x) - 0.4) ** 1.4)), 0, 1) ** 2
    clavicles = np.exp(-(((y - top + high * 0.8 - 0.25 * np.abs(x)) / 0.035) ** 2)) * (np.abs(x) < 0.8)
    picture = body * rng.uniform(0.55, 0.75) - lungs * rng.uniform(0.35, 0.6) + heart * rng.uniform(0.15, 0.4)
    picture += spine * rng.uniform(0.1, 0.3) + (ribs * rng.uniform(0.02, 0.14) + clavicles * rng.uniform(0, 0.2)) * body
    picture += body * clouds(rng, picture.shape, 4) * 0.03 + lungs * clouds(rng, picture.shape, 2) * rng.uniform(0.0, 0.06)
    if rng.random() < 0.3:  # an opaque field, or fluid below
        picture += lungs * blob(y, x, (rng.uniform(-0.3, 0.6), rng.choice([-apart, apart])), (0.4, 0.3), 0.2) * rng.uniform(0.1, 0.4)
    return as_picture(picture)


def breast(rng: np.random.Generator) -> Picture:
    """A mammogram: a breast against one edge, dark air, often the pectoral muscle in the corner above."""
    y, x = grid(SIDE, int(SIDE * rng.uniform(0.6, 1.0)))
    x = as_picture((x + 1) / 2)
    middle, high, wide = rng.uniform(-0.2, 0.25), rng.uniform(0.5, 0.95), rng.uniform(0.35, 0.95)
    shape = blob(y, x, (middle, 0), (high, wide), rng.uniform(0.01, 0.04))
    gland = gaussian_filter(np.clip(clouds(rng, x.shape, rng.uniform(3, 9)), -1.5, 2.5), 1)
    depth = blob(y, x, (middle + rng.uniform(-0.1, 0.2), wide * 0.45), (high * 0.6, wide * 0.45), 0.4)
    picture = shape * (rng.uniform(0.25, 0.45) + depth * rng.uniform(0.0, 0.3) + rng.uniform(0.03, 0.13) * gland * (0.3 + depth))
    if rng.random() < 0.55:
        edge = rng.uniform(0.15, 0.5) * (1 - (y + 1) / rng.uniform(0.8, 1.9))
        picture += shape * rng.uniform(0.15, 0.4) / (1 + np.exp(np.clip((x - edge) / 0.02, -30, 30)))
    if rng.random() < 0.4:  # a lesion
        where = (middle + rng.uniform(-0.3, 0.3), wide * rng.uniform(0.2, 0.7))
        picture += shape * blob(y, x, where, (0.08, 0.05), 0.3) * rng.uniform(0.1, 0.4)
    return as_picture(picture if rng.random() < 0.5 else picture[:, ::-1])


def crop(rng: np.random.Generator) -> Picture:
    """A piece of a mammogram around a phantom lesion of the breast cohort."""
    return as_picture(crop_of(draw_lesion(*_case(rng)), SIDE)[0])


def head(rng: np.random.Generator) -> Picture:
    """A slice of a head in MR or PET: an oval brain with folds and ventricles, within scalp and skull or without; or from the side."""
    kind = rng.random()
    if kind < 0.2:
        return _sagittal(rng)
    if kind < 0.4:
        return _brain_from_the_side(rng)
    y, x = grid()
    tall, wide, sideways = rng.uniform(0.55, 0.9), rng.uniform(0.45, 0.75), rng.random() < 0.35
    brain = blob(y, x, (-0.15 if sideways else 0, 0), (tall * (0.7 if sideways else 1), wide * (1.1 if sideways else 1)), 0.03)
    folds = np.sin(clouds(rng, x.shape, rng.uniform(3, 5)) * rng.uniform(2, 4))
    picture = brain * (rng.uniform(0.45, 0.7) + rng.uniform(0.05, 0.2) * folds)
    for side in (-1, 1):
        centre = (rng.uniform(-0.1, 0.1), side * rng.uniform(0.06, 0.12))
        radii = (rng.uniform(0.15, 0.3), rng.uniform(0.03, 0.09))
        ventricle = blob(y, x, centre, radii)
        picture -= ventricle * brain * rng.uniform(0.2, 0.5)
    if rng.random() < 0.7:  # MR
        ring = blob(y, x, (0, 0), (tall * 1.15, wide * 1.2), 0.02) - blob(y, x, (0, 0), (tall * 1.08, wide * 1.1), 0.02)
        picture += np.clip(ring, 0, 1) * rng.uniform(0.3, 0.9)
    if sideways:  # brain stem, neck and face below
        picture += blob(y, x, (0.7, rng.uniform(0.0, 0.2)), (0.5, 0.2), 0.1) * rng.uniform(0.2, 0.5)
        picture += blob(y, x, (0.4, rng.choice([-0.5, 0.5])), (0.45, 0.25), 0.1) * (0.3 + 0.2 * clouds(rng, x.shape, 5))
    return as_picture(picture)


def _brain_from_the_side(rng: np.random.Generator) -> Picture:
    """Near the middle of a brain whose skull was removed, as of a template: cerebellum and brain stem below, a bright arch inside."""
    y, x = grid()
    back = rng.choice([-1, 1])
    x = x * back
    high, long = rng.uniform(0.5, 0.8), rng.uniform(0.7, 0.95)
    flat = rng.uniform(0.15, 0.5)  # the underside lies higher than an oval's
    brain = blob(y, x, (-0.1, 0), (high, long), 0.03) / (1 + np.exp(np.clip((y - flat - 0.1 * np.sin(2 * x)) / 0.03, -30, 30)))
    cerebellum = blob(y, x, (flat + 0.08, 0.5), (rng.uniform(0.2, 0.32), rng.uniform(0.2, 0.34)), 0.05)
    stem = blob(y, x - 0.25 * (y - flat), (flat + 0.2, rng.uniform(0.05, 0.25)), (rng.uniform(0.25, 0.45), rng.uniform(0.06, 0.12)), 0.05)
    folds = np.sin(clouds(rng, x.shape, rng.uniform(2.5, 6)) * rng.uniform(2, 5))
    leaves = np.sin(rng.uniform(18, 40) * np.hypot(y - flat, x - 0.35))
    picture = brain * (rng.uniform(0.4, 0.75) + rng.uniform(0.03, 0.2) * folds)
    picture = np.maximum(picture, cerebellum * (rng.uniform(0.4, 0.7) + rng.uniform(0.02, 0.12) * leaves))
    picture = np.maximum(picture, stem * rng.uniform(0.4, 0.9))
    radius, thick = np.hypot((y - 0.1) / rng.uniform(0.25, 0.4), x / rng.uniform(0.35, 0.5)), rng.uniform(0.08, 0.2)
    arch = np.exp(-(((radius - 1) / thick) ** 2)) * (y < 0.05)
    below = blob(y, x, (0.02, 0), (0.13, 0.3), 0.2) * rng.uniform(0, 0.6)
    return as_picture(picture * (1 - below) + brain * arch * rng.uniform(-0.1, 0.45))


def _sagittal(rng: np.random.Generator) -> Picture:
    """The middle of a phantom head of the alzheimer cohort, in MR or PET."""
    phantom = draw_head(*_case(rng))
    scan = phantom.mri(SIDE) if rng.random() < 0.5 else phantom.pet()
    plane = scan.voxels[scan.voxels.shape[0] // 2].T[::-1].astype(np.float32)
    return as_picture(plane / max(float(np.quantile(plane, 0.995)), 1.0))


def _case(rng: np.random.Generator) -> tuple[int, int]:
    """The seed and the index of a phantom that no cohort holds."""
    return int(rng.integers(1 << 20, 1 << 30)), int(rng.integers(1 << 20))


def other(rng: np.random.Generator) -> Picture:
    """None of them: textures, gradients, shapes, writing, stripes, limbs, slices of a trunk, pieces of something."""
    y, x = grid(SIDE, int(SIDE * rng.uniform(0.7, 1.3)))
    return as_picture(OTHERS[rng.integers(len(OTHERS))](rng, y, x))


def _texture(rng: np.random.Generator, _: Picture, x: Picture) -> Picture:
    return as_picture(0.5 + rng.uniform(0.1, 0.4) * clouds(rng, x.shape, float(np.exp(rng.uniform(-1.5, 3.3)))))


def _gradient(rng: np.random.Generator, y: Picture, x: Picture) -> Picture:
    angle = rng.uniform(0, 2 * np.pi)
    waves = np.sin(rng.uniform(0, 12) * (x * np.cos(angle) + y * np.sin(angle)) + rng.uniform(0, 6))
    noise = rng.uniform(0, 0.1) * rng.normal(size=x.shape)
    return as_picture(0.5 + 0.25 * (x * np.cos(angle) + y * np.sin(angle)) + rng.uniform(0, 0.3) * waves + noise)


def _shapes(rng: np.random.Generator, y: Picture, x: Picture) -> Picture:
    picture = np.full(x.shape, rng.uniform(0, 1), np.float32)
    for _ in range(rng.integers(1, 12)):
        centre, radii = rng.uniform(-1, 1, 2), rng.uniform(0.03, 0.7, 2)
        square = (np.abs(y - centre[0]) < radii[0]) & (np.abs(x - centre[1]) < radii[1])
        form = square if rng.random() < 0.5 else blob(y, x, tuple(centre), tuple(radii), rng.uniform(0.01, 0.3))
        picture = picture * (1 - form) + form * rng.uniform(0, 1)
    return picture + rng.uniform(0, 0.1) * clouds(rng, x.shape, 1)


def _writing(rng: np.random.Generator, y: Picture, x: Picture) -> Picture:
    lines = np.sin(y * rng.uniform(15, 45)) > rng.uniform(-0.3, 0.5)
    letters = gaussian_filter(rng.normal(size=x.shape), (0.5, rng.uniform(0.5, 1.5))) > 0
    return as_picture(lines & letters & (np.abs(x) < rng.uniform(0.4, 1)))


def _limb(rng: np.random.Generator, y: Picture, x: Picture) -> Picture:
    """One or several long bones in soft tissue: a forearm, a hand, a knee."""
    picture = blob(y, x, (0, 0), (rng.uniform(1, 3), rng.uniform(0.3, 0.9)), 0.05) * rng.uniform(0.2, 0.4)
    for place in np.linspace(-0.6, 0.6, rng.integers(1, 6)) * rng.uniform(0.3, 1):
        width, joint = rng.uniform(0.04, 0.16), rng.uniform(-0.5, 0.5)
        bone = np.abs(x - place - rng.uniform(-0.2, 0.2) * y) < width * (1 + 0.6 * np.exp(-(((y - joint) / 0.15) ** 2)))
        gap = np.abs(y - joint) > rng.uniform(0, 0.04)
        picture += gaussian_filter((bone & gap).astype(np.float32), 1) * rng.uniform(0.2, 0.5)
    return picture + 0.02 * clouds(rng, x.shape, 1)


def _trunk(rng: np.random.Generator, y: Picture, x: Picture) -> Picture:
    """A slice of a trunk, as CT, MR and PET show it."""
    picture = blob(y, x, (0, 0), (rng.uniform(0.45, 0.75), rng.uniform(0.7, 0.95)), 0.03) * rng.uniform(0.2, 0.5)
    for _ in range(rng.integers(3, 9)):
        centre, radii = (rng.uniform(-0.4, 0.4), rng.uniform(-0.6, 0.6)), tuple(rng.uniform(0.05, 0.35, 2))
        picture += blob(y, x, centre, radii, 0.05) * rng.uniform(-0.4, 0.4) * (picture > 0.05)
    return picture + blob(y, x, (0.35, 0), (0.1, 0.1)) * 0.4


OTHERS: tuple[Callable[[np.random.Generator, Picture, Picture], Picture], ...] = (
    _texture, _gradient, _shapes, _writing, _limb, _trunk, _shapes,
)  # fmt: skip
PICTURES: dict[Part, Callable[[np.random.Generator], Picture]] = {
    "hip": hip, "chest": chest, "breast": breast, "crop": crop, "head": head, "none": other,
}  # fmt: skip

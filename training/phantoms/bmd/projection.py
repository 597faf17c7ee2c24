"""From anatomy to the beam that reaches the detector, and to the logarithmic signal before display.

Beer-Lambert over three energies, so that thick tissue hardens the beam; scatter as a smooth share of the primary beam that grows
with thickness; detector blur; quantum noise at the dose that an automatic exposure control allows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image as PillowImage
from scipy.ndimage import gaussian_filter

from training.phantoms.bmd import femur as femora
from training.phantoms.bmd import pelvis as pelves
from training.phantoms.bmd import tissue
from training.phantoms.bmd.clinical import Person
from training.phantoms.bmd.shapes import Field

# Linear attenuation at 35, 50 and 65 keV (after NIST XCOM): muscle and adipose in 1/mm; mineral in cm2/g, less the tissue it displaces.
LEAN = (0.0325, 0.0238, 0.0210)
FAT = (0.0249, 0.0201, 0.0183)
MINERAL = (1.27, 0.49, 0.285)

HIP_FIELD = (360.0, 290.0)  # mm of detector: rows, columns
PELVIS_FIELD = (360.0, 430.0)


@dataclass(frozen=True)
class Exposure:
    """How the film was taken."""

    two_sided: bool
    rows: int
    columns: int
    spacing: float  # mm of detector per pixel
    magnification: float
    centre: tuple[float, float]  # body coordinates (x, y) in the middle of the film; x points to the patient's left
    tilt: float  # rows per column: the patient lies askew
    turn: float  # rotation of the trunk, -1..1
    kvp: float
    scatter: float  # scatter to primary behind 200 mm and the grid
    dose: float  # photons per mm2 behind the body


def exposure(person: Person, rows: int, rng: np.random.Generator) -> Exposure:
    """Draw the view and technique: one hip, or in one of eight a whole pelvis."""
    two_sided = bool(rng.random() < 0.12)
    height, width = PELVIS_FIELD if two_sided else HIP_FIELD
    spacing = height / rows
    lateral = rng.normal(0, 6) if two_sided else rng.normal(112, 9) * (1 if person.side == "left" else -1)
    girth = (person.weight_kg / 76) ** 0.3
    return Exposure(
        two_sided=two_sided,
        rows=rows,
        columns=round(width / spacing),
        spacing=spacing,
        magnification=rng.normal(1.15, 0.025),
        centre=(lateral, rng.normal(0 if two_sided else 32, 12)),
        tilt=rng.normal(0, 0.022),
        turn=float(np.clip(rng.normal(0, 0.4), -1, 1)),
        kvp=round(float(np.clip(rng.normal(72, 3) + 12 * (girth - 1), 62, 88))),
        scatter=0.45 * rng.lognormal(0, 0.06),
        dose=rng.lognormal(8.0, 0.60),
    )


def plane(view: Exposure, coarse: int = 1) -> tuple[Field, Field]:
    """Body coordinates (x, y) in mm of every pixel, or of every `coarse` x `coarse` block of pixels.

    x grows to the patient's left, which is the right of the film; y grows towards the feet.
    """
    rows, columns = -(-view.rows // coarse), -(-view.columns // coarse)
    step = view.spacing / view.magnification
    down, across = step * view.rows / rows, step * view.columns / columns
    x = (np.arange(columns) - (columns - 1) / 2) * across + view.centre[0]
    y = (np.arange(rows) - (rows - 1) / 2) * down + view.centre[1]
    xs, ys = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
    return xs, ys + np.float32(view.tilt) * xs


def noise_field(shape: tuple[int, int], sigma: float, rng: np.random.Generator) -> Field:
    """Correlated noise of unit variance; `sigma` in pixels."""
    coarse = max(1, int(sigma // 2))  # smooth noise is drawn on a coarser grid: the same statistics, much faster
    rows, columns = -(-shape[0] // coarse), -(-shape[1] // coarse)
    field = gaussian_filter(rng.standard_normal((rows, columns), np.float32), sigma / coarse)
    field /= field.std()
    return field if coarse == 1 else resize(field, shape)


def resize(field: Field, shape: tuple[int, int]) -> Field:
    """Bilinear, with area averaging when it shrinks."""
    return np.asarray(PillowImage.fromarray(field).resize((shape[1], shape[0]), PillowImage.Resampling.BILINEAR))


def absorbers(person: Person, view: Exposure, rng: np.random.Generator) -> tuple[Field, Field, Field]:
    """Lean tissue (mm), fat (mm) and mineral (g/cm2) along every ray of the film.

    Smooth parts are drawn on coarser grids than the femur: the film blurs them anyway, and it is four times faster.
    """
    stated = femora.femur(person, rng)
    other = similar(stated, rng)
    trunk = tissue.body(person, stated, rng)
    shape = (view.rows, view.columns)
    grain = 0.75 * noise_field(shape, 1.0 / view.spacing, rng) + 0.5 * noise_field(shape, 2.4 / view.spacing, rng)
    lumps = noise_field((-(-view.rows // 4), -(-view.columns // 4)), 3.5 / view.spacing, rng)
    mineral = np.zeros(shape, np.float32)
    soft = np.zeros((3, *lumps.shape), np.float32)
    pelvis = np.zeros((-(-view.rows // 2), -(-view.columns // 2)), np.float32)
    for side in ("left", "right"):
        bone, bmd = (stated, person.bmd) if side == person.side else (other, person.bmd * (1 + 0.03 * view.turn))
        sign = 1.0 if side == "left" else -1.0
        hip = pelves.pelvis(person, bone, sign * view.turn, rng)
        x, y = plane(view, 4)
        half = _columns(x, sign, 0.0, np.inf)
        soft[:2, :, half] = tissue.thicknesses(trunk, bone, sign * x[:, half], y[:, half], lumps[:, half])
        soft[2, :, half] = tissue.gas(trunk, x[:, half], y[:, half])
        x, y = plane(view, 2)
        half = _columns(x, sign, 0.0, np.inf)
        pelvis[:, half] = pelves.mineral(hip, sign * x[:, half], y[:, half])
        x, y = plane(view)
        left, right, top = femora.extent(bone)
        box = (slice(int(np.searchsorted(y.min(axis=1), top)), None), _columns(x, sign, max(left, 0.0), right))
        mineral[box] += femora.mineral(bone, bmd, sign * x[box], y[box], grain[box])
    lean, fat, air = (resize(part, shape) for part in soft)
    return np.clip(lean - air, 0.0, None), fat, mineral + resize(gaussian_filter(pelvis, 0.6), shape) * (1.0 + 0.07 * grain)


def _columns(x: Field, sign: float, low: float, high: float) -> slice:
    """The columns whose distance from the midline towards one side lies within [low, high)."""
    near, far = sorted((sign * low, sign * high))
    return slice(int(np.searchsorted(x[0], near)), int(np.searchsorted(x[0], far)))


def similar(bone: femora.Femur, rng: np.random.Generator) -> femora.Femur:
    """The other femur of the same person: alike, not the same."""
    return replace(
        bone,
        neck_radius=bone.neck_radius * rng.normal(1, 0.02),
        shaft_radius=bone.shaft_radius * rng.normal(1, 0.015),
        cortex=bone.cortex * rng.normal(1, 0.04),
        lesser_radius=bone.lesser_radius * rng.normal(1, 0.15),
        trochanter=(bone.trochanter[0] + rng.normal(0, 1.5), bone.trochanter[1] + rng.normal(0, 1.5)),
    )


def transmitted(lean: Field, fat: Field, mineral: Field, kvp: float) -> Field:
    """Share of the beam's energy that passes: Beer-Lambert over three energies whose weights shift with the tube voltage."""
    hard = (kvp - 70.0) / 100.0
    weights = (0.45 - 0.9 * hard, 0.42 + 0.4 * hard, 0.13 + 0.5 * hard)
    beam = np.zeros_like(lean)
    for weight, mu_lean, mu_fat, mu_mineral in zip(weights, LEAN, FAT, MINERAL, strict=True):
        beam += np.float32(weight) * np.exp(-(mu_lean * lean + mu_fat * fat + mu_mineral * mineral))
    return beam


def detect(view: Exposure, lean: Field, fat: Field, mineral: Field, rng: np.random.Generator) -> tuple[Field, Field]:
    """Logarithmic signal (-ln of the detected share: bright = dense) and the thickness of tissue, both (H, W)."""
    primary = transmitted(lean, fat, mineral, view.kvp)
    thickness = lean + fat
    coarse = (max(view.rows // 12, 4), max(view.columns // 12, 4))
    reach = 45.0 / view.spacing / 12.0  # scatter spreads over 45 mm
    ratio = gaussian_filter(resize(np.asarray(thickness * np.float32(1 / 200.0), np.float32), coarse), reach) ** 2
    behind = primary[thickness > 100.0]
    typical = float(np.median(behind)) if behind.size else 0.02
    inside = np.minimum(primary, 1.5 * typical)  # the bright beam beside the body meets nothing to scatter it
    glow = resize(gaussian_filter(resize(inside, coarse), reach) * ratio * np.float32(view.scatter), primary.shape)
    beam = gaussian_filter(primary + glow, 0.35 / view.spacing)
    body = beam[thickness > 60.0]
    photons = view.dose * view.spacing**2 / float(np.median(body) if body.size else 0.02)
    beam = beam + rng.standard_normal(beam.shape, np.float32) * np.sqrt(beam * np.float32(1.0 / photons))
    return -np.log(np.clip(beam, 1e-4, None)), thickness

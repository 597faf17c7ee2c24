"""Scans of a phantom: where its voxels lie in the patient, and what stands in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from training.phantoms.alzheimer import mri, pet
from training.phantoms.alzheimer.brain import Places, Shape, places, texture
from training.phantoms.alzheimer.outlines import Field
from training.phantoms.alzheimer.person import Person

MRI_BLUR_MM, PET_BLUR_MM = 0.6, 2.6  # standard deviations of the point spread
SIGNAL_UNIT, ACTIVITY_UNIT = 1.0, 6000.0  # stored MR signal; Bq/ml in healthy cortex
SPACING = {"mri": 16.0, "pet": 16.0}  # mm between sagittal slices of the bulk: only the one in the middle is looked at
HALF_WIDTH = 64.0  # mm that a scan reaches to either side


@dataclass(frozen=True)
class Pose:
    """How a head lies: mm that its middle is off, and radians by which it nods and turns."""

    shift: tuple[float, float, float]  # to the left, the back, the head
    nod: float
    turn: float

    def in_head(self, x: Field, y: Field, z: Field) -> tuple[Field, Field, Field]:
        """Mm in the patient -> the template's u, v, and mm from its middle."""
        x, y, z = x - self.shift[0], y - self.shift[1], z - self.shift[2]
        cos, sin = np.float32(np.cos(self.nod)), np.float32(np.sin(self.nod))
        return y * cos - z * sin, y * sin + z * cos, x + np.float32(self.turn) * y

    def in_patient(self, u: float, v: float) -> tuple[float, float]:
        """A place of the template's middle -> y and z in the patient, mm."""
        cos, sin = np.cos(self.nod), np.sin(self.nod)
        return float(u * cos + v * sin + self.shift[1]), float(-u * sin + v * cos + self.shift[2])


@dataclass(frozen=True, eq=False)
class Scan:
    """Voxels [to the left, to the back, to the head], int16; stored * slope is the value. `affine` (3, 4) leads to mm in DICOM's axes."""

    voxels: NDArray[np.int16]
    affine: NDArray[np.float64]
    slope: float


@dataclass(frozen=True)
class Coverage:
    """What a scan covers: the first and last mm to the back and to the head, mm between voxels, and the obliqueness of its grid."""

    back: tuple[float, float]
    up: tuple[float, float]
    spacing: float
    beside: float
    oblique: float  # radians around the axis from side to side, so that a sagittal slice stays one

    def affine(self) -> tuple[NDArray[np.float64], tuple[int, int, int]]:
        """The affine and the shape."""
        sides = 2 * int(HALF_WIDTH // self.beside) + 1
        shape = (sides, int((self.back[1] - self.back[0]) / self.spacing), int((self.up[1] - self.up[0]) / self.spacing))
        cos, sin = np.cos(self.oblique), np.sin(self.oblique)
        rotation = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
        edges = rotation * np.array([self.beside, self.spacing, self.spacing])
        middle = np.array([0, sum(self.back) / 2, sum(self.up) / 2])
        return np.column_stack([edges, middle - edges @ (np.array(shape) - 1) / 2]), shape


def shape_of(person: Person, rng: np.random.Generator) -> Shape:
    """The brain of a person: size and folds are their own, the rest follows from age and disease."""
    return Shape(
        size=(float(rng.normal(1.0, 0.022)) * (1.02 if person.sex == "male" else 0.98), float(rng.normal(1.0, 0.022))),
        ventricles=person.ventricles,
        sulci=float(np.clip(0.62 + 0.012 * (person.age_years - 72) + rng.normal(0, 0.05), 0.35, 1.0)),
        atrophy_front=person.mri_front,
        atrophy_back=person.mri_back,
        rim=person.rim,
        folds=int(rng.integers(1 << 30)),
    )


def pose(rng: np.random.Generator) -> Pose:
    """How somebody lies in a scanner."""
    shift = (float(rng.normal(0, 1.2)), float(rng.normal(0, 4)), float(rng.normal(0, 5)))
    return Pose(shift, float(rng.normal(0, 0.07)), float(rng.normal(0, 0.012)))


def mri_scan(shape: Shape, lying: Pose, rng: np.random.Generator, spacing: float, beside: float = SPACING["mri"]) -> Scan:
    """A T1-weighted scan: point spread, receiver bias, noise, and a gain that means nothing."""
    back, up = (-130 + rng.uniform(-4, 4), 116 + rng.uniform(-4, 4)), (-rng.uniform(98, 130), 102.0)
    covered = Coverage(back, up, spacing, beside, rng.normal(0, 0.05))
    gain, noise, bias = float(rng.uniform(0.7, 1.6)), float(rng.uniform(8, 16)), rng.normal(0, 0.06, 3)

    def finish(values: Field) -> Field:
        rows, columns = values.shape
        v, u = np.meshgrid(np.linspace(-1, 1, columns), np.linspace(-1, 1, rows))
        field = 1 + bias[0] * u + bias[1] * v + bias[2] * u * v
        blurred = gaussian_filter(values, MRI_BLUR_MM / spacing) * field
        real, imaginary = (noise * rng.standard_normal(values.shape) for _ in range(2))
        magnitude: Field = np.hypot(blurred + real, imaginary).astype(np.float32)  # Rician, as magnitude images are
        return gain * magnitude

    return _scan(covered, lying, shape, lambda where: mri.signal(shape, where), finish, SIGNAL_UNIT)


def pet_scan(shape: Shape, person: Person, lying: Pose, rng: np.random.Generator, spacing: float = 2.4) -> Scan:
    """An FDG scan: point spread, noise that grows with the root of the uptake, and a dose that means nothing."""
    back, up = (-125 + rng.uniform(-5, 5), 115 + rng.uniform(-5, 5)), (-rng.uniform(70, 100), 100.0)
    covered = Coverage(back, up, spacing, SPACING["pet"], rng.normal(0, 0.04))
    dose, noise = float(rng.uniform(0.6, 1.5)), float(rng.uniform(0.035, 0.065))
    metabolism = pet.Uptake(
        person.pet_front, person.pet_back, float(rng.normal(1.0 - 0.02 * person.severity, 0.03)), rng.normal(0, 0.02), rng.normal(0, 0.02)
    )

    def finish(values: Field) -> Field:
        blurred = gaussian_filter(values, PET_BLUR_MM / spacing)
        grain = texture(values.shape, rng, 1.0) * noise * np.sqrt(blurred + 0.02)
        activity: Field = dose * ACTIVITY_UNIT * np.clip(blurred + grain, 0, None)
        return activity

    return _scan(covered, lying, shape, lambda where: pet.uptake(shape, metabolism, where), finish, 0.5)


def _scan(
    covered: Coverage, lying: Pose, shape: Shape, signal: Callable[[Places], Field], finish: Callable[[Field], Field], slope: float
) -> Scan:
    """Slice by slice from side to side: the signal at every voxel, then what the scanner makes of it."""
    affine, counts = covered.affine()
    columns, rows = np.meshgrid(np.arange(counts[2]), np.arange(counts[1]))
    voxels = np.empty(counts, np.int16)
    for index in range(counts[0]):
        points = np.stack([np.full_like(rows, index), rows, columns]).reshape(3, -1)
        x, y, z = ((affine[:, :3] @ points).T + affine[:, 3]).T.reshape(3, *rows.shape).astype(np.float32)
        u, v, beside = lying.in_head(x, y, z)
        values = finish(signal(places(shape, u, v, beside)))
        voxels[index] = np.clip(np.round(values / slope), 0, 32767)
    return Scan(voxels, affine, slope)

"""The soft tissue of hips and thighs: thickness of lean tissue and of fat along each ray (mm), from weight, height and sex."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.phantoms.bmd.clinical import Person
from training.phantoms.bmd.femur import Femur
from training.phantoms.bmd.shapes import Field, spot


@dataclass(frozen=True)
class Body:
    """The trunk at the level of the hips; lengths in mm."""

    half_width: float
    thickness: float  # anterior to posterior, at its thickest
    fat: float  # subcutaneous, lateral
    crotch: float  # v below which there are two thighs
    gas: tuple[tuple[float, float, float, float], ...]  # bowel gas: u (signed), v, size, depth


def body(person: Person, bone: Femur, rng: np.random.Generator) -> Body:
    """Draw the trunk: its girth follows weight over height, its fat follows the body mass index and sex."""
    girth = (person.weight_kg / 76 * 169 / person.height_cm) ** 0.5
    gas = tuple(
        (float(rng.uniform(-75, 75)), float(rng.uniform(-150, -45)), float(rng.uniform(6, 17)), float(rng.uniform(8, 30)))
        for _ in range(rng.integers(0, 9))
    )
    trochanter = bone.trochanter[0] + bone.shaft_radius  # the skin never lies deeper than the bone
    fat = max(6.0, (10 if person.sex == "female" else 5) + 1.7 * (person.bmi - 18) + rng.normal(0, 11))
    return Body(
        half_width=max(154 * person.height_cm / 169 * rng.normal(1.0, 0.08) + fat + 8 * girth, trochanter + 0.6 * fat + 6),
        thickness=212 * girth**1.9 * rng.normal(1.0, 0.02),
        fat=fat,
        crotch=rng.normal(104, 5),
        gas=gas,
    )


def superellipse(u: Field, half_width: Field | float, thickness: Field | float) -> Field:
    """Chord of a flattened oval section: on the table, hips are flat in front and behind."""
    squared = np.clip(u / half_width, -1.0, 1.0) ** 2
    section: Field = thickness * np.sqrt(1.0 - squared * squared * squared)
    return section


def section(trunk: Body, u: Field, v: Field, skin: float) -> Field:
    """Thickness of everything deeper than `skin` mm below the surface (0: the whole body)."""
    up, down = np.clip(25.0 - v, 0.0, 220.0) / 150.0, np.clip(v - 25.0, 0.0, 320.0) / 250.0
    edge = trunk.half_width * (1.0 - 0.09 * up**2 - 0.10 * down**2)
    fork = 1.0 / (1.0 + np.exp(np.clip(v - trunk.crotch - 0.25 * np.abs(u), -200, 200) * 0.05))
    pelvis = superellipse(u, edge - skin, trunk.thickness - 1.1 * skin) * fork
    taper = 1.0 - 0.14 * np.clip((v - 60.0) / 200.0, -0.2, 1.0)
    half = 0.49 * trunk.half_width * taper
    thigh = superellipse(u - edge + half, half - skin, 0.88 * trunk.thickness * taper - 1.4 * skin)
    return pelvis + thigh * (1.0 - fork)


def thicknesses(trunk: Body, bone: Femur, u: Field, v: Field, lumps: Field) -> tuple[Field, Field]:
    """Lean tissue and fat along each ray, mm. Fat lies under the skin and in planes between the muscles of the hip."""
    whole = section(trunk, u, v, 0.0)
    lean = section(trunk, u, v, trunk.fat)
    (ku, kv), (hu, _) = bone.knee, bone.head
    gluteal = np.exp(-0.5 * ((u - ku - 20 + 0.42 * (v - kv + 30)) / 2.6) ** 2) * spot(u, v, (ku + 22, kv - 52), (24.0, 24.0))
    iliopsoas = np.exp(-0.5 * ((u - hu + 30 - 0.55 * v) / 2.4) ** 2) * spot(u, v, (hu - 16, 22.0), (24.0, 26.0))
    planes = np.float32(12.0) * (gluteal + iliopsoas) + 3.0 * lumps
    fat = np.clip(whole - lean + np.minimum(planes, 0.5 * lean), 0.0, whole)
    return whole - fat, fat


def gas(trunk: Body, u: Field, v: Field) -> Field:
    """Bowel gas along each ray, mm; `u` is signed here, for the bowel does not mirror."""
    if not trunk.gas:
        return np.zeros_like(u)
    bubbles = [depth * spot(u, v, (bu, bv), (size, size * 0.8)) for bu, bv, size, depth in trunk.gas]
    return np.asarray(sum(bubbles))

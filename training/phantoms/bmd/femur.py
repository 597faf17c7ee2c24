"""The proximal femur: outline, cortical shell and trabecular groups -> areal mineral (g/cm2), planted at the neck.

The head is at the origin's height. Singh's groups (Singh et al., J Bone Joint Surg Am 1970) lose contrast with BMD in the order
tensile, secondary, compressive; the cortex thins with BMD.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from training.phantoms.bmd.clinical import Person
from training.phantoms.bmd.shapes import Field, Mask, Point, blend, capsule, chord, ring, spot

CORTICAL_DENSITY = 1.10  # g of mineral per cm3 of cortex
ARCHITECTURE_SD = 0.40  # of ln: cortex and trabeculae tell BMD only roughly, as Singh's index does; the mineral tells it exactly
ROI_WIDTH = 15.0  # mm along the neck: the region DXA measures


@dataclass(frozen=True)
class Femur:
    """One proximal femur in the plane of the film; lengths in mm, (u, v) with u lateral and v down."""

    head: Point
    head_radius: float
    neck_radius: float
    shaft_radius: float
    knee: Point  # the medullary line of the neck meets the shaft's here
    shaft_end: Point
    trochanter: Point
    lesser: Point
    lesser_radius: float
    cortex: float  # mm in the shaft
    spongiosa: float  # g/cm3 in the neck
    groups: float  # 0..1: how much of Singh's groups is left


def femur(person: Person, rng: np.random.Generator) -> Femur:
    """Draw the femur of a person; the bone's size follows sex and height, its cortex and spongiosa follow BMD."""
    size = (1.05 if person.sex == "male" else 0.95) * (person.height_cm / 169) ** 0.8
    relative = person.bmd / 0.9 * float(np.exp(rng.normal(0, ARCHITECTURE_SD)))
    angle = math.radians(rng.normal(127, 4) - 90)  # of the neck below the horizontal's complement: neck-shaft angle 127 degrees
    foreshortening = math.cos(math.radians(rng.normal(12, 9)))  # anteversion less internal rotation of the leg
    length = rng.normal(50, 2.5) * size * foreshortening
    head = (rng.normal(87, 2.5) * (0.5 + 0.5 * size), 0.0)
    knee = (head[0] + length * math.cos(angle), length * math.sin(angle))
    lean = math.tan(math.radians(rng.normal(5, 3)))  # the shaft runs medially
    shaft = rng.normal(14.6, 0.7) * size
    return Femur(
        head=head,
        head_radius=rng.normal(23.6, 0.9) * size,
        neck_radius=rng.normal(15.8, 0.8) * size,
        shaft_radius=shaft,
        knee=knee,
        shaft_end=(knee[0] - lean * 280, knee[1] + 280),
        trochanter=(knee[0] + rng.normal(13, 2) * size, knee[1] - rng.normal(27, 3) * size),
        lesser=(knee[0] - rng.normal(13.5, 2.5) * size - lean * 32, knee[1] + rng.normal(33, 2) * size),
        lesser_radius=rng.normal(8.5, 1.0) * size,
        cortex=rng.normal(5.4, 0.55) * size * relative**0.9,
        spongiosa=0.21 * relative**1.5,
        groups=float(np.clip((0.9 * relative - 0.45) / 0.75 + rng.normal(0, 0.12), 0.03, 1.0)),
    )


def outline(bone: Femur, u: Field, v: Field) -> tuple[Field, Field, Field, Field]:
    """Depth within the outline, half-thickness along the ray, thickness of the cortex (mm), relative density of the spongiosa."""
    (hu, hv), (ku, kv), (tu, tv) = bone.head, bone.knee, bone.trochanter
    neck = (bone.neck_radius * 1.03, bone.neck_radius * 1.22)
    below = (ku + (bone.shaft_end[0] - ku) * 0.2, kv + 56.0)
    parts = [
        np.hypot(u - hu, v - hv) - bone.head_radius,
        capsule(u, v, (bone.head, bone.knee), neck),
        capsule(u, v, ((ku, kv + 4.0), below), (bone.shaft_radius * 1.45, bone.shaft_radius * 1.04)),
        capsule(u, v, (below, bone.shaft_end), (bone.shaft_radius * 1.04, bone.shaft_radius * 0.94)),
        capsule(u, v, ((tu, tv), (ku + 5.0, kv + 8.0)), (bone.shaft_radius * 0.62, bone.shaft_radius * 1.12)),
    ]
    cortex = bone.cortex
    depths = (bone.head_radius, bone.neck_radius, bone.shaft_radius * 1.25, bone.shaft_radius, bone.shaft_radius * 0.9)
    shells = (cortex * 0.20, cortex * 0.27, cortex * 0.62, cortex * 1.04, cortex * 0.26)
    spongy = (1.25, 1.0, 0.55, 0.06, 0.62)
    distance, (depth, shell, spongiosa) = blend(parts, (depths, shells, spongy), 2.2)
    # The calcar: the medial cortex of neck and shaft is the thicker one.
    medial = np.clip((ku - 2.0 - u) * 0.05, -0.25, 0.55) * (1.0 / (1.0 + np.exp((-0.25 * kv - v) * 0.12)))
    return -distance, depth, shell * (1.0 + medial), spongiosa


def trabeculae(bone: Femur, u: Field, v: Field, grain: Field) -> Field:
    """Relative density of the spongiosa around 1: Singh's groups, Ward's triangle and correlated noise."""
    (hu, hv), (ku, kv) = bone.head, bone.knee
    focus = (ku - 2.0, kv + 62.0)  # the compressive group fans out from the calcar
    fan = np.arctan2(focus[0] - u, focus[1] - v) - math.atan2(focus[0] - hu, focus[1] - hv)
    far = np.hypot(u - focus[0], v - focus[1])
    compressive = np.exp(-0.5 * (fan / 0.105) ** 2) / (1.0 + np.exp((34.0 - far) * 0.2))
    arc = (0.55 * hu + 0.45 * ku - 2.0, kv + 8.0)  # the tensile group arches over the neck from the lateral cortex
    radius = 0.5 * (math.dist(arc, (hu - 4, hv + 6)) + math.dist(arc, (ku + bone.shaft_radius, kv + 10)))
    tensile = ring(u, v, arc, radius, 4.5)
    ward = spot(u, v, (0.42 * hu + 0.58 * ku, 0.40 * hv + 0.60 * kv - 1.0), (9.0, 7.0))
    across = np.hypot(u - arc[0], v - arc[1])
    stripes = 0.32 * compressive * np.sin(fan * 55.0 + grain) + 0.35 * bone.groups * tensile * np.sin(across * 1.3 + grain)
    groups = bone.groups
    bands = (0.50 + 0.15 * groups) * compressive + 0.65 * groups * tensile - (0.70 - 0.45 * groups) * ward
    density: Field = 0.85 + bands + stripes * (0.5 + 0.5 * groups) + 0.20 * (0.4 + 0.6 * groups) * grain
    return np.clip(density, 0.05, 2.5)


def neck_region(bone: Femur, u: Field, v: Field) -> Mask:
    """True within the strip across the mid-neck, `ROI_WIDTH` mm wide, in which DXA measures the femoral neck."""
    (hu, hv), (ku, kv) = bone.head, bone.knee
    length = math.hypot(ku - hu, kv - hv)
    du, dv = (ku - hu) / length, (kv - hv) / length
    along = (u - hu) * du + (v - hv) * dv
    across = (v - hv) * du - (u - hu) * dv
    middle = 0.5 * (bone.head_radius + length - 2.0)
    return (np.abs(along - middle) < ROI_WIDTH / 2) & (np.abs(across) < bone.neck_radius * 1.5)


def extent(bone: Femur) -> tuple[float, float, float]:
    """Smallest and largest u and smallest v that the bone reaches, mm: outside there is nothing to draw."""
    left = min(bone.head[0] - bone.head_radius, bone.shaft_end[0] - bone.shaft_radius, bone.lesser[0] - bone.lesser_radius)
    right = max(bone.trochanter[0], bone.knee[0]) + 2.0 * bone.shaft_radius
    top = min(bone.head[1] - bone.head_radius, bone.trochanter[1] - bone.shaft_radius)
    return left - 4.0, right + 4.0, top - 4.0


def mineral(bone: Femur, bmd: float, u: Field, v: Field, grain: Field) -> Field:
    """Areal mineral of the femur (g/cm2), scaled so that its mean over the bone in the neck region is `bmd`."""
    inside, depth, shell, spongy = outline(bone, u, v)
    outer = chord(inside, depth)
    inner = chord(inside - shell, np.maximum(depth - shell, 1.0))
    trabecular = bone.spongiosa * spongy * trabeculae(bone, u, v, grain)
    areal: Field = (CORTICAL_DENSITY * (outer - inner) + trabecular * inner) * 0.1  # mm to cm
    bump = -(np.hypot(u - bone.lesser[0], v - bone.lesser[1]) - bone.lesser_radius)  # the lesser trochanter lies behind the shaft
    areal = areal + 0.035 * chord(bump, bone.lesser_radius) * (1.0 - 0.7 * np.clip(inside * 0.25, 0.0, 1.0))
    neck = areal[neck_region(bone, u, v) & (inside > 0)]
    scale = bmd / float(neck.mean()) if neck.size else 1.0  # a neck outside the film cannot be scaled, nor seen
    areal *= scale
    return areal

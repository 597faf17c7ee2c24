"""Half a pelvis and half a sacrum -> areal mineral (g/cm2). Millimetres, (u, v) with u lateral and v down, femoral head at v = 0."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.phantoms.bmd.clinical import Person
from training.phantoms.bmd.femur import CORTICAL_DENSITY, Femur
from training.phantoms.bmd.shapes import Field, Point, blend, capsule, chord, lobe, ring, spot

ILIUM = (  # degrees (0 lateral, 90 down), radius in mm around the wing's centre
    (-165, 60), (-150, 62), (-120, 62), (-90, 62), (-60, 66), (-35, 64), (-10, 52), (15, 42), (35, 42), (55, 56), (75, 78), (92, 86),
    (108, 70), (125, 54), (145, 46), (165, 52),
)
SACRUM = ((-150, 66), (-90, 56), (-30, 66), (0, 52), (30, 44), (60, 58), (90, 88), (120, 58), (150, 44), (180, 52))
FORAMINA = ((17.0, -86.0), (15.0, -66.0), (12.0, -48.0))


@dataclass(frozen=True)
class Pelvis:
    """One half of the pelvis, hung on the centre of its acetabulum."""

    socket: Point
    socket_radius: float
    size: float
    depth: float  # 1 where the pelvis stands straight; its rotation narrows one side and widens the other
    density: float  # factor of all mineral
    wing: tuple[tuple[float, float], ...]


def pelvis(person: Person, bone: Femur, turn: float, rng: np.random.Generator) -> Pelvis:
    """Draw the half pelvis around a femur; `turn` in [-1, 1] is the rotation of the trunk towards this side."""
    size = (person.height_cm / 169) ** 0.6 * rng.normal(1.0, 0.025)
    return Pelvis(
        socket=bone.head,
        socket_radius=bone.head_radius + rng.normal(4.3 if person.age_at_xray_years < 75 else 3.8, 0.5),
        size=size,
        depth=1.0 + 0.15 * turn,
        density=1.35 * (person.bmd / 0.9) ** 0.8 * rng.lognormal(0.0, 0.15),
        wing=tuple((angle, radius * size * rng.normal(1.0, 0.025)) for angle, radius in ILIUM),
    )


def frame(bone: Pelvis, u: Field, v: Field) -> tuple[Field, list[Field]]:
    """Acetabulum, pubis and ischium around the obturator foramen, and the iliac wing: distance, and [half-thickness, density]."""
    (cu, cv), size, depth = bone.socket, bone.size, bone.depth
    tuber = (0.62 * cu * depth, 86.0 * size)
    parts = [
        capsule(u, v, ((cu - 6, cv - 40 * size), (cu - 20, cv + 10)), (17.0 * size, 14.0 * size)),  # column and floor of the socket
        capsule(u, v, ((cu - 24, cv + 8), (30.0 * depth, 30.0 * size)), (12.0 * size, 7.5 * size)),  # superior ramus
        capsule(u, v, ((30.0 * depth, 30.0 * size), (13.0 * depth, 42.0 * size)), (7.5 * size, 9.5 * size)),
        capsule(u, v, ((11.0 * depth, 42.0 * size), (11.5 * depth, 62.0 * size)), (8.5, 7.5)),  # pubic body
        capsule(u, v, ((13.0 * depth, 66.0 * size), (32.0 * depth, 84.0 * size)), (6.0, 6.0)),  # inferior ramus
        capsule(u, v, ((32.0 * depth, 84.0 * size), tuber), (6.0, 9.5)),
        capsule(u, v, ((cu - 17, cv + 20), (tuber[0] + 7, tuber[1] - 12)), (12.5 * size, 14.0 * size)),  # ischium
        capsule(u, v, ((cu - 28, cv + 0), (cu - 39, cv + 8)), (10.0, 2.0)),  # ischial spine
    ]
    parts.append(lobe(u, v, (cu - 1.0, cv - 95.0 * size), bone.wing))
    return blend(parts, ((14.0, 9.0, 8.0, 8.0, 6.0, 7.0, 13.0, 4.0, 4.5), (1.0, 0.9, 0.8, 0.8, 0.7, 0.7, 1.0, 0.7, 0.8)), 4.0)


def socket(bone: Pelvis, u: Field, v: Field) -> Field:
    """Dense lines around the femoral head in g/cm2: roof (sourcil), medial wall, teardrop, posterior rim."""
    (cu, cv), radius = bone.socket, bone.socket_radius
    angle = np.arctan2(v - cv, u - cu)
    roof = ring(u, v, bone.socket, radius + 1.2, 1.5) * np.exp(-0.5 * ((angle + 1.45) / 0.52) ** 2)
    wall = ring(u, v, bone.socket, radius + 1.5, 1.0) * np.exp(-0.5 * ((np.abs(angle) - 2.75) / 0.5) ** 2)
    rim = ring(u, v, (cu - 14, cv + 3), radius * 1.08, 1.1) * np.exp(-0.5 * ((angle - 0.15) / 0.6) ** 2)
    drop = ring(u, v, (cu - radius - 3.5, cv + 17), 3.6, 1.0)
    lines: Field = 0.85 * roof + 0.40 * wall + 0.22 * rim + 0.30 * drop
    return lines


def sacrum(u: Field, v: Field, size: float) -> Field:
    """Areal mineral (g/cm2) of the sacrum, before its density."""
    inside = -lobe(u / size, v / size, (0.0, -84.0), SACRUM) * size
    holes = np.asarray(sum(spot(u / size, v / size, hole, (4.0, 3.2)) for hole in FORAMINA))
    edge = np.exp(-0.5 * ((inside - 2.0) * 0.6) ** 2)
    areal: Field = 0.012 * chord(inside, 15.0) * (1.0 - 0.5 * holes) + 0.07 * edge
    return areal


def mineral(bone: Pelvis, u: Field, v: Field) -> Field:
    """Areal mineral of the half pelvis and sacrum, g/cm2. The acetabulum overlaps the femoral head, as on film."""
    (cu, cv), size = bone.socket, bone.size
    distance, (depth, density) = frame(bone, u, v)
    outer, inner = chord(-distance, depth), chord(-distance - 0.9, depth - 0.9)
    plate = (CORTICAL_DENSITY * (outer - inner) + 0.17 * density * inner) * 0.1
    column = spot(u, v, (cu - 8, cv - 48 * size), (16.0, 26.0))  # the thick bone above the acetabulum
    edge = np.exp(-0.5 * ((distance + 1.8) * 0.7) ** 2) * (v < cv - 30)  # brim and crest: the wing's edge, seen along its length
    plate += 0.10 * (distance < 0) * column + 0.13 * edge
    # Behind the head the acetabular floor is thin; in front of it there is none.
    off = np.clip(np.hypot(u - cu, v - cv) - bone.socket_radius, -20.0, 20.0)
    floor = 1.0 - 0.60 / (1.0 + np.exp(off * 0.8))
    hip = plate * floor + socket(bone, u, v)
    areal: Field = (hip + sacrum(u, v, size)) * bone.density
    return areal

"""The head in its middle: outlines of what a mid-sagittal section shows, in mm, and their signed distances.

Coordinates are (u, v): u to the back, v to the head, around the middle between the anterior and the posterior commissure. Sizes follow
the atlas of Talairach and Tournoux (1988) for the brain; the face is schematic.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw
from scipy.ndimage import distance_transform_edt, gaussian_filter, map_coordinates

Field = NDArray[np.floating[Any]]  # float32 throughout: twice as fast as float64
Outline = tuple[tuple[float, float], ...]

LEFT, RIGHT, BOTTOM, TOP = -132.0, 126.0, -150.0, 108.0  # of the maps
STEP = 0.5  # mm

OUTLINES: Mapping[str, Outline] = {
    "head": (
        (5, 91), (40, 86), (72, 68), (95, 42), (106, 12), (104, -12), (98, -32), (90, -52), (84, -72), (84, -100), (88, -150), (-14, -150),
        (-20, -122), (-34, -113), (-62, -114), (-80, -113), (-90, -106), (-92, -97), (-87, -91), (-94, -85), (-91, -80), (-97, -74),
        (-94, -65), (-101, -60), (-115, -55), (-118, -49), (-105, -28), (-95, -9), (-98, 4), (-98, 22), (-89, 50), (-67, 73), (-35, 87),
    ),
    "cavity": (  # what the skull encloses
        (0, 78), (40, 73), (72, 56), (92, 28), (95, 3), (90, -20), (75, -46), (50, -60), (36, -68), (14, -66),
        (3, -46), (-7, -27), (-14, -31),
        (-20, -29), (-25, -22), (-45, -24), (-70, -19), (-82, -5), (-84, 15), (-77, 38), (-58, 60), (-30, 73),
    ),
    "cerebrum": (
        (-80, 4), (-77, 25), (-66, 45), (-45, 62), (-15, 72), (15, 74), (45, 66), (70, 49), (86, 27), (91, 5), (86, -9), (62, -2), (40, 6),
        (30, 8), (18, 4), (8, -6), (-6, -13), (-15, -17), (-35, -19), (-60, -16), (-74, -9),
    ),
    "cerebellum": (
        (29, -12), (37, -5), (47, -3), (60, -7), (74, -17), (81, -31), (73, -45), (55, -53), (41, -50), (33, -40), (34, -27),
    ),
    "brainstem": (
        (8, 3), (7, -9), (3, -15), (1, -25), (5, -36), (12, -41), (15, -55), (18, -72), (21, -100), (25, -150), (36, -150), (32, -100),
        (30, -72), (27, -55), (27, -43), (26, -36), (25, -14), (26, 1), (18, 6),
    ),
    "fourth_ventricle": ((26, -18), (34, -27), (28, -39)),
    "septum": ((-27, 12), (-21, 19), (0, 23), (17, 20), (26, 14), (14, 11), (0, 11), (-15, 9)),  # the lateral ventricle behind it
    "third_ventricle": ((-12, 4), (2, 8), (15, 5), (17, 0), (6, -5), (-5, -11), (-12, -12), (-13, -4)),
    "clivus": ((-8, -31), (2, -48), (10, -63), (3, -66), (-12, -50), (-20, -36)),
    "sphenoid_sinus": ((-24, -30), (-44, -29), (-50, -40), (-38, -47), (-24, -40)),
    "frontal_sinus": ((-88, 2), (-91, 14), (-88, 20), (-85, 8)),
    "nasal_cavity": ((-50, -32), (-84, -27), (-97, -48), (-95, -58), (-60, -64), (-38, -62), (-38, -50)),
    "palate": ((-90, -65), (-42, -66), (-42, -70), (-90, -71)),
    "tongue": ((-86, -82), (-70, -74), (-48, -76), (-34, -90), (-36, -106), (-60, -108), (-80, -98)),
    "mandible": ((-87, -94), (-78, -92), (-74, -102), (-80, -110), (-88, -105)),
    "airway": ((-40, -52), (-26, -50), (-18, -66), (-19, -100), (-8, -150), (-16, -150), (-27, -104), (-27, -74), (-38, -63)),
    "canal": ((14, -66), (36, -68), (38, -100), (42, -150), (18, -150), (14, -100)),
    "pituitary": ((-13, -27), (-19, -25), (-20, -29), (-15, -31)),
}  # fmt: skip
CALLOSUM = (
    (-24, 1, 1.5), (-31, 4, 3.0), (-36, 12, 5.5), (-31, 21, 4.6), (-16, 27, 3.2), (4, 29.5, 3.0), (21, 26.5, 3.1), (32, 20, 4.6),
    (36, 13, 5.8),
)  # fmt: skip
FORNIX = ((27, 12, 1.2), (8, 9.5, 1.4), (-10, 8.5, 1.5), (-15, 1, 1.5), (-13, -8, 1.2))
ADHESION = ((0, 1, 4.2), (4, 1.5, 4.2))  # between the thalami
VERTEBRAE = tuple((6.0 + 0.05 * (-72 - v), float(v), 6.8) for v in range(-78, -151, -17))
DENS = ((6, -68, 4.5), (6, -84, 5.0))


@dataclass(frozen=True, eq=False)
class Template:
    """Signed distances of all outlines (mm, negative inside) on one grid, to be looked up at any place."""

    maps: Mapping[str, Field]

    def at(self, name: str, u: Field, v: Field) -> Field:
        """The distance to an outline at places (u, v)."""
        rows, columns = (TOP - v) * (1 / STEP), (u - LEFT) * (1 / STEP)
        found: Field = map_coordinates(self.maps[name], [rows, columns], order=1, mode="nearest")
        return found


@lru_cache(maxsize=1)
def template() -> Template:
    """The maps, drawn once in each process."""
    maps = {name: _distance(outline) for name, outline in OUTLINES.items()}
    for name, beads in (("callosum", CALLOSUM), ("fornix", FORNIX), ("adhesion", ADHESION), ("dens", DENS)):
        maps[name] = _chain(beads)
    maps["vertebrae"] = np.minimum.reduce([_disc(*bead) for bead in VERTEBRAE])
    return Template(maps)


def _grid() -> tuple[Field, Field]:
    u = np.arange(LEFT, RIGHT + STEP / 2, STEP, dtype=np.float32)
    v = np.arange(TOP, BOTTOM - STEP / 2, -STEP, dtype=np.float32)
    columns, rows = np.meshgrid(u, v)
    return columns, rows


def _distance(outline: Outline) -> Field:
    """The signed distance to a polygon whose corners are rounded."""
    rows, columns = _grid()[0].shape
    picture = PillowImage.new("L", (columns, rows))
    ImageDraw.Draw(picture).polygon([((x - LEFT) / STEP, (TOP - y) / STEP) for x, y in _curved(outline)], fill=1)
    inside = np.asarray(picture) > 0
    distance = distance_transform_edt(~inside) - distance_transform_edt(inside)
    rounded: Field = gaussian_filter(distance * STEP, 0.8 / STEP).astype(np.float32)
    return rounded


def _curved(outline: Outline) -> list[tuple[float, float]]:
    """Cut the corners twice (Chaikin, 1974): a polygon becomes a curve."""
    points = np.array(outline, np.float64)
    for _ in range(2):
        following = np.roll(points, -1, axis=0)
        points = np.stack([0.75 * points + 0.25 * following, 0.25 * points + 0.75 * following], axis=1).reshape(-1, 2)
    return [(float(x), float(y)) for x, y in points]


def _chain(beads: tuple[tuple[float, float, float], ...]) -> Field:
    """The distance to a bar through points (u, v, radius)."""
    points = np.array(beads)
    places = np.linspace(0, len(points) - 1, 60 * len(points))
    smooth = np.stack([np.interp(places, np.arange(len(points)), column) for column in points.T])
    smooth = gaussian_filter(smooth, (0, 18), mode="nearest")
    nearest: Field = np.minimum.reduce([_disc(*bead) for bead in smooth.T[::4]])
    return nearest


def _disc(u: float, v: float, radius: float) -> Field:
    columns, rows = _grid()
    distance: Field = np.hypot(columns - np.float32(u), rows - np.float32(v)) - np.float32(radius)
    return distance

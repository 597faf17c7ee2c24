"""Where pixels lie in the patient: mm in DICOM's coordinates, x to the left, y to the back, z to the head (PS3.3 C.7.6.2.1.1).

An affine (4, 4) leads from array indices (slice, row, column) to these coordinates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, permutations

import numpy as np
from numpy.typing import NDArray

from models.errors import UnreadableImageError, UnsuitableImageError

Vector = NDArray[np.float64]
Affine = NDArray[np.float64]

COINCIDENT_MM = 0.01  # two slices nearer than this lie at one position
IRREGULAR = 0.05  # of the spacing: how far a slice may lie from where a regular grid has it
SAME_DIRECTION = 1e-3  # of a unit vector, 0.06 degrees
SAME_SPACING = 1e-3  # relative
UNIT = 1e-2  # how far direction cosines may be from unit length and from a right angle, for writers that round them
SPACINGS_MM = (1e-3, 1e3)  # of anything that is scanned
FLAT = 0.1  # volume of a voxel beside that of a box with its edges: below, its edges nearly lie in one plane


@dataclass(frozen=True, eq=False)
class Plane:
    """Where one frame lies (PS3.3 C.7.6.2.1.1): the centre of its first pixel, two unit vectors, and mm from pixel to pixel."""

    position: Vector
    along_row: Vector  # where column indices grow
    along_column: Vector  # where row indices grow
    row_spacing: float
    column_spacing: float

    @property
    def normal(self) -> Vector:
        """The unit vector that stands on the plane."""
        return np.cross(self.along_row, self.along_column)


def plane(position: Sequence[float], orientation: Sequence[float], spacing: Sequence[float]) -> Plane:
    """Check the values of Image Position, Image Orientation and Pixel Spacing, and make unit vectors of the directions.

    Raises UnreadableImageError for directions that are no unit vectors at a right angle, and for spacings that no scanner has.
    """
    directions = np.array(orientation, np.float64).reshape(2, 3)
    lengths = np.linalg.norm(directions, axis=1)
    if abs(lengths - 1).max() > UNIT or abs(directions[0] @ directions[1]) > UNIT:
        raise UnreadableImageError("Image Orientation (Patient) is not two unit vectors at a right angle.")
    if not all(SPACINGS_MM[0] <= each <= SPACINGS_MM[1] for each in spacing):
        raise UnreadableImageError("Pixel Spacing is not a usable distance.")
    along_row, along_column = directions / lengths[:, np.newaxis]
    return Plane(np.array(position, np.float64), along_row, along_column, *spacing)


@dataclass(frozen=True, eq=False)
class Stack:
    """Planes in the order of their positions: `order` holds their indices, `affine` places the voxels."""

    order: tuple[int, ...]
    affine: Affine


def in_order(planes: Sequence[Plane]) -> list[int]:
    """Indices of parallel planes by their position along the normal (PS3.3 C.7.6.2.1.1); equal positions stay as they came.

    Raises UnsuitableImageError where the planes are not parallel, or their pixels differ in spacing.
    """
    first = planes[0]
    for other in planes[1:]:
        turned = max(abs(first.along_row - other.along_row).max(), abs(first.along_column - other.along_column).max())
        if turned > SAME_DIRECTION:
            raise UnsuitableImageError("The slices have several orientations.")
        ratios = (first.row_spacing / other.row_spacing, first.column_spacing / other.column_spacing)
        if any(abs(ratio - 1) > SAME_SPACING for ratio in ratios):
            raise UnsuitableImageError("The slices differ in Pixel Spacing.")
    return sorted(range(len(planes)), key=lambda index: float(planes[index].position @ first.normal))


def coincident(planes: Sequence[Plane], order: Sequence[int]) -> tuple[int, int] | None:
    """Two planes that lie at one position, where there are such."""
    normal = planes[order[0]].normal
    for one, other in pairwise(order):
        if (planes[other].position - planes[one].position) @ normal < COINCIDENT_MM:
            return one, other
    return None


def stack(planes: Sequence[Plane], order: Sequence[int], thickness: float | None) -> Stack:
    """Place ordered planes, of which no two coincide, on one regular grid; a single one needs its thickness in mm.

    A grid may be sheared, as that of a tilted gantry is, but its slices lie at equal steps.

    Raises UnsuitableImageError for a gap, and where the steps differ.
    """
    placed = [planes[index] for index in order]
    first = placed[0]
    if len(placed) == 1:
        if thickness is None or not SPACINGS_MM[0] <= thickness <= SPACINGS_MM[1]:
            raise UnsuitableImageError("A single slice without a usable thickness is no volume.")
        return Stack(tuple(order), affine_of(first.position, first.normal * thickness, first))
    positions = np.array([each.position for each in placed])
    intervals = np.diff(positions @ first.normal)
    missing = _missing(intervals)
    if missing:
        raise UnsuitableImageError(f"The series has a gap: about {missing} of its slices are missing between others.")
    step = (positions[-1] - positions[0]) / (len(placed) - 1)
    astray = np.linalg.norm(positions - (positions[0] + np.arange(len(placed))[:, np.newaxis] * step), axis=1)
    if astray.max() > IRREGULAR * intervals.min():
        raise UnsuitableImageError("The slices do not lie at equal steps along one line.")
    return Stack(tuple(order), affine_of(first.position, step, first))


def _missing(intervals: Vector) -> int:
    """How many slices would fill intervals that are whole multiples of the smallest one; 0 where they are not."""
    multiples = intervals / intervals.min()
    whole = np.rint(multiples)
    return int((whole - 1).sum()) if abs(multiples - whole).max() < 2 * IRREGULAR else 0


def affine_of(origin: Vector, step: Vector, first: Plane) -> Affine:
    """The affine of slices like `first` that follow one another by `step`."""
    affine = np.eye(4)
    edges = (step, first.along_column * first.row_spacing, first.along_row * first.column_spacing)
    affine[:3] = np.column_stack([*edges, origin])
    return checked(affine)


def checked(affine: Affine) -> Affine:
    """Return an affine whose voxels are bodies of a possible size; UnreadableImageError for any other."""
    edges = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(affine).all() or edges.min() < SPACINGS_MM[0] or edges.max() > SPACINGS_MM[1]:
        raise UnreadableImageError("The size of a voxel is not a usable distance.")
    if abs(np.linalg.det(affine[:3, :3] / edges)) < FLAT:
        raise UnreadableImageError("The axes of the volume nearly lie in one plane.")
    return affine


def spacing_of(affine: Affine) -> Vector:
    """Mm from voxel to voxel along each array axis: (3,)."""
    spacing: Vector = np.linalg.norm(affine[:3, :3], axis=0)
    return spacing


def nearest_axes(affine: Affine) -> tuple[tuple[int, int, int], Vector]:
    """For x, y and z: the array axis that lies nearest to it, and whether that runs along it (+1) or against it (-1)."""
    cosines = affine[:3, :3] / spacing_of(affine)
    best = max(permutations(range(3)), key=lambda axes: sum(abs(cosines[world, axis]) for world, axis in enumerate(axes)))
    signs = np.array([np.sign(cosines[world, axis]) for world, axis in enumerate(best)])
    return (best[0], best[1], best[2]), signs


def canonical(voxels: NDArray[np.float32], affine: Affine) -> tuple[NDArray[np.float32], Affine]:
    """Turn a volume so that slices run to the head, rows to the back and columns to the left, as nearly as whole turns can.

    The voxels are a view of what was given; the affine places them where they were.
    """
    axes, signs = nearest_axes(affine)
    order = axes[::-1]
    turned = affine.copy()
    turned[:3, :3] = affine[:3, :3][:, order]
    view = voxels.transpose(order)
    for axis in (axis for axis, sign in enumerate(signs[::-1]) if sign < 0):
        turned[:3, 3] += turned[:3, axis] * (view.shape[axis] - 1)
        turned[:3, axis] *= -1
        view = np.flip(view, axis)
    return view, turned

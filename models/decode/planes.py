"""Planes of the patient out of a Volume, whichever way its slices run: sagittal, coronal and axial pictures the right way up.

A volume is read slice by slice and only what the plane crosses is kept: one slice and some arrays as large as the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.decode.geometry import Affine, Vector, nearest_axes, spacing_of
from models.decode.volume import Volume
from models.errors import TooLargeError, UnsuitableImageError

View = Literal["sagittal", "coronal", "axial"]
Interpolation = Literal["linear", "nearest"]

# The axis that a plane cuts, then where its rows follow one another to and where a row runs to: an axis (0 x, 1 y, 2 z) and a sign.
# Superior or anterior is up; anterior, or the patient's right, is at the left of the picture (as PS3.17 annex A shows patients).
DIRECTIONS: dict[View, tuple[int, tuple[int, int], tuple[int, int]]] = {
    "sagittal": (0, (2, -1), (1, 1)),
    "coronal": (1, (2, -1), (0, 1)),
    "axial": (2, (1, 1), (0, 1)),
}
MAX_SIDE = 4096  # pixels of a plane; a sheared grid could ask for any number
SNAP = 1e-4  # voxels: what lies so near to a voxel's centre is that voxel, for coordinates are rounded to 16 characters
TIE = 1e-3  # voxels by which a point halfway between two is moved, to the left, the back and the head of the patient


@dataclass(frozen=True, eq=False)
class Section:
    """A picture of a plane: float32 (rows, columns) in the units of the volume.

    `affine` (4, 4) leads from (0, row, column) to mm in DICOM's coordinates; `inside` is False where the plane leaves the volume,
    and the smallest value inside stands there.
    """

    values: NDArray[np.float32]
    affine: Affine
    inside: NDArray[np.bool_]
    decoder: str

    @property
    def spacing_mm(self) -> tuple[float, float]:
        """From row to row, and from column to column."""
        _, rows, columns = spacing_of(self.affine)
        return float(rows), float(columns)


def mid_sagittal(volume: Volume, interpolation: Interpolation = "linear") -> Section:
    """The sagittal plane through the centre of the volume: superior up, anterior at the left. Errors are those of `section`."""
    return section(volume, "sagittal", interpolation=interpolation)


def section(volume: Volume, view: View, position_mm: float | None = None, interpolation: Interpolation = "linear") -> Section:
    """Cut a plane of the patient at a coordinate of the axis that stands on it, or through the centre of the volume.

    Its pixels are as far apart as the voxels along the array axes nearest to them, so a volume that is not oblique is read voxel by
    voxel. Between voxels, `linear` weighs the eight around a point by their distance; `nearest` takes one, of two equally near the
    one to the left, the back and the head of the patient.

    Raises UnsuitableImageError where the file does not say how the patient lies, or the plane does not cross the volume;
    TooLargeError for a plane of more than MAX_SIDE pixels a side; and the errors of `Volume.slice`.
    """
    if not volume.oriented:
        raise UnsuitableImageError("The volume does not say how the patient lies in it.")
    affine, shape = _grid(volume, view, position_mm)
    rows, columns = np.indices(shape).reshape(2, -1)
    points = affine[:3, 1:] @ np.stack([rows, columns, np.ones_like(rows)])
    if interpolation == "nearest":
        points += TIE * spacing_of(volume.affine).min()
    indices = _indices(volume, points)
    if interpolation == "nearest":
        indices = np.rint(indices)
    values, inside = _sampled(volume, indices)
    return Section(values.reshape(shape), affine, inside.reshape(shape), volume.decoder)


def _grid(volume: Volume, view: View, position_mm: float | None) -> tuple[Affine, tuple[int, int]]:
    """The affine and the shape of a plane that covers the volume."""
    cut, down, right = DIRECTIONS[view]
    axes, _ = nearest_axes(volume.affine)
    low, high = _extent(volume)
    affine, shape = np.eye(4), []
    affine[:3, :3] = 0
    affine[cut, 3] = (low[cut] + high[cut]) / 2 if position_mm is None else position_mm
    affine[cut, 0] = 1
    for column, (world, sign) in enumerate((down, right), start=1):
        step = float(spacing_of(volume.affine)[axes[world]])
        shape.append(int((high[world] - low[world]) / step + SNAP) + 1)
        affine[world, column] = sign * step
        affine[world, 3] = low[world] if sign > 0 else high[world]
    if max(shape) > MAX_SIDE:
        raise TooLargeError(f"The plane has more than {MAX_SIDE} pixels a side.")
    return affine, (shape[0], shape[1])


def _extent(volume: Volume) -> tuple[Vector, Vector]:
    """The box in the patient that holds the centres of all voxels."""
    ends = np.array(volume.shape) - 1
    corners = np.array(list(np.ndindex(2, 2, 2))) * ends
    points = corners @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    return points.min(axis=0), points.max(axis=0)


def _indices(volume: Volume, points: Vector) -> Vector:
    """Mm in the patient (3, N) -> array indices (3, N), not yet whole."""
    inverse = np.linalg.inv(volume.affine)
    indices = inverse[:3, :3] @ points + inverse[:3, 3:]
    whole = np.rint(indices)
    return np.where(abs(indices - whole) < SNAP, whole, indices)


def _sampled(volume: Volume, indices: Vector) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Values at array indices (3, N), and which of them lie in the volume, half a voxel around the outer centres included."""
    ends = np.array(volume.shape, np.float64)[:, np.newaxis] - 1
    inside: NDArray[np.bool_] = np.all((indices >= -0.5) & (indices <= ends + 0.5), axis=0)
    if not inside.any():
        raise UnsuitableImageError("The plane does not cross the volume.")
    chosen = np.flatnonzero(inside)
    chosen = chosen[np.argsort(indices[0, chosen], kind="stable")]
    slices, rows, columns = indices[:, chosen].clip(0, ends)
    values = np.zeros(indices.shape[1], np.float32)
    for index in range(int(slices[0]), int(np.ceil(slices[-1])) + 1):
        near = np.s_[np.searchsorted(slices, index - 1, "right") : np.searchsorted(slices, index + 1, "left")]
        if near.start < near.stop:
            weights = (1 - abs(slices[near] - index)).astype(np.float32)
            values[chosen[near]] += weights * _bilinear(volume.slice(index), rows[near], columns[near])
    values[~inside] = values[inside].min()
    return values, inside


def _bilinear(values: NDArray[np.float32], rows: Vector, columns: Vector) -> NDArray[np.float32]:
    top, left = rows.astype(np.intp), columns.astype(np.intp)
    below, right = (np.minimum(first + 1, side - 1) for first, side in zip((top, left), values.shape, strict=True))
    down, across = (rows - top).astype(np.float32), (columns - left).astype(np.float32)
    upper = values[top, left] * (1 - across) + values[top, right] * across
    lower = values[below, left] * (1 - across) + values[below, right] * across
    result: NDArray[np.float32] = upper * (1 - down) + lower * down
    return result

"""A scan as NIfTI-1 (single file, gzipped), its array axes in any order and direction, as software leaves them."""

from __future__ import annotations

import gzip
import struct

import numpy as np

from training.phantoms.alzheimer.scan import Scan

ORIENTATIONS = ("LPS", "RAS", "LAS", "PSR", "ASL", "PIR", "RSA")  # where the three array axes run to
AXES = {"L": (0, 1), "R": (0, -1), "P": (1, 1), "A": (1, -1), "S": (2, 1), "I": (2, -1)}  # axis of the scan, and whether along it
HEADER_BYTES = 352
INT16 = 4
MILLIMETRES = 2


def nifti(scan: Scan, orientation: str = "LPS") -> bytes:
    """The scan with its axes turned to `orientation`; the affine (sform, scanner anatomical) places the voxels where they were."""
    order = [AXES[letter][0] for letter in orientation]
    voxels, edges, origin = scan.voxels.transpose(order), scan.affine[:, :3][:, order].copy(), scan.affine[:, 3].copy()
    for axis, letter in enumerate(orientation):
        if AXES[letter][1] < 0:
            voxels = np.flip(voxels, axis)
            origin = origin + edges[:, axis] * (voxels.shape[axis] - 1)
            edges[:, axis] *= -1
    affine = np.column_stack([edges, origin])
    affine[:2] *= -1  # NIfTI's x runs to the right, its y to the front
    return gzip.compress(_header(voxels.shape, affine, scan.slope) + voxels.astype("<i2").tobytes(order="F"), 1, mtime=0)


def _header(shape: tuple[int, ...], affine: np.ndarray, slope: float) -> bytes:
    header = bytearray(HEADER_BYTES)
    spacing = np.linalg.norm(affine[:, :3], axis=0)
    for offset, form, values in (
        (0, "i", (348,)), (40, "8h", (3, *shape, 1, 1, 1, 1)), (70, "2h", (INT16, 16)), (76, "8f", (1, *spacing, 0, 0, 0, 0)),
        (108, "f", (HEADER_BYTES,)), (112, "2f", (slope, 0)), (123, "b", (MILLIMETRES,)), (252, "2h", (0, 1)), (280, "12f", affine.ravel()),
        (344, "4s", (b"n+1\0",)),
    ):  # fmt: skip
        struct.pack_into("<" + form, header, offset, *values)
    return bytes(header)

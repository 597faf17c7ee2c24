"""The header of NIfTI-1 (348 bytes) and NIfTI-2 (540 bytes), in either byte order; of its extensions and texts nothing is read.

https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h and nifti2.h; field names are theirs.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from models.decode.geometry import Affine, checked
from models.decode.image import Limits
from models.errors import TooLargeError, UnreadableImageError, UnsuitableImageError, UnsupportedFormatError

DATATYPES = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8",
}  # fmt: skip
COLOUR = frozenset({128, 2304})  # RGB24, RGBA32
UNITS_MM = {0: 1.0, 1: 1e3, 2: 1.0, 3: 1e-3}  # xyzt_units, its low three bits: not stated, metre, millimetre, micrometre
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])  # NIfTI: x to the right, y to the front; DICOM: to the left, to the back
LARGEST_OFFSET = 4 << 20  # bytes before the voxels: extensions hold texts
BYTES_OF_A_VOXEL = 4  # that a limit on voxels stands for
UNIT = 1e-5  # by which a quaternion may be longer than 1


class Version(NamedTuple):
    """Where the fields stand that are read: (offset, format) of struct."""

    length: int
    magic: tuple[int, bytes]
    pair: bytes  # the magic of a header without voxels
    dim: tuple[int, str]
    datatype: tuple[int, str]
    pixdim: tuple[int, str]
    vox_offset: tuple[int, str]
    scl: tuple[int, str]
    xyzt_units: tuple[int, str]
    codes: tuple[int, str]  # qform_code, sform_code
    quatern: tuple[int, str]  # quatern b, c, d and qoffset x, y, z
    srow: tuple[int, str]


NIFTI1 = Version(
    348, (344, b"n+1\0"), b"ni1\0", (40, "8h"), (70, "2h"), (76, "8f"), (108, "f"), (112, "2f"), (123, "b"), (252, "2h"),
    (256, "6f"), (280, "12f"),
)  # fmt: skip
NIFTI2 = Version(
    540, (4, b"n+2\0\r\n\x1a\n"), b"ni2\0\r\n\x1a\n", (16, "8q"), (12, "2h"), (104, "8d"), (168, "q"), (176, "2d"), (500, "i"), (344, "2i"),
    (352, "6d"), (400, "12d"),
)  # fmt: skip
LONGEST = NIFTI2.length


@dataclass(frozen=True, eq=False)
class NiftiHeader:
    """What is needed to read the voxels: `shape` in slices, rows and columns (k, j, i); `affine` from these indices to DICOM's mm."""

    shape: tuple[int, int, int]
    dtype: np.dtype[np.generic]
    offset: int
    slope: float
    intercept: float
    affine: Affine
    oriented: bool  # False: the file does not say how the patient lies

    @property
    def end(self) -> int:
        """Bytes of the whole file."""
        return self.offset + int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize


def layout_of(data: bytes) -> tuple[Version, str] | None:
    """Which version the bytes begin with, and in which byte order (of struct); None for neither."""
    for version in (NIFTI1, NIFTI2):
        offset, magic = version.magic
        if data[offset : offset + len(magic)] in {magic, version.pair}:
            for order in "<>":
                if data[:4] == struct.pack(f"{order}i", version.length):
                    return version, order
    return None


def read_nifti_header(data: bytes, limits: Limits) -> NiftiHeader:
    """Read and check the header at the beginning of `data`; nothing is allocated.

    Raises UnsupportedFormatError for what is no single-file NIfTI or has a datatype that is not read, UnsuitableImageError for
    colour and for more than one volume, TooLargeError beyond the limits, UnreadableImageError for what contradicts itself.
    """
    layout = layout_of(data)
    if layout is None:
        raise UnsupportedFormatError("The file is not NIfTI-1 or NIfTI-2.")
    fields = _Fields(data, *layout)
    if len(data) < fields.version.length:
        raise UnreadableImageError("The NIfTI file is truncated.")
    start, magic = fields.version.magic
    if data[start : start + len(magic)] != magic:
        raise UnsupportedFormatError("The NIfTI file is a header without voxels: only single files are read.")
    shape, dtype = fields.shape(limits), fields.dtype()
    slope, intercept = fields.scaling()
    affine, oriented = fields.affine()
    header = NiftiHeader(shape, dtype, fields.offset(), slope, intercept, affine, oriented)
    if header.end - header.offset > BYTES_OF_A_VOXEL * limits.max_pixels:
        raise TooLargeError(f"The volume has more bytes than max_pixels voxels of {BYTES_OF_A_VOXEL} bytes.")
    return header


class _Fields:
    """The fields of a header, by name."""

    def __init__(self, data: bytes, version: Version, order: str) -> None:
        self._data = data
        self._order = order
        self.version = version

    def _read(self, field: tuple[int, str]) -> tuple[float, ...]:
        offset, form = field
        return struct.unpack_from(self._order + form, self._data, offset)

    def shape(self, limits: Limits) -> tuple[int, int, int]:
        """Dimensions: dim[0] says how many of the seven count."""
        count, *sides = (int(each) for each in self._read(self.version.dim))
        if not 1 <= count <= 7 or any(side < 1 for side in sides[:count]):
            raise UnreadableImageError("The dimensions in the NIfTI header are not usable.")
        sides = [*sides[:count], *[1] * (7 - count)]
        if any(side != 1 for side in sides[3:]):
            raise UnsuitableImageError("The NIfTI file holds more than one volume.", hint="Send one volume: one time point, one echo.")
        columns, rows, slices = sides[:3]
        if slices > limits.max_frames:
            raise TooLargeError("The volume has more slices than max_frames.")
        if slices * rows * columns > limits.max_pixels:
            raise TooLargeError("The volume has more voxels than max_pixels.")
        return slices, rows, columns

    def dtype(self) -> np.dtype[np.generic]:
        """Datatype, which bitpix has to confirm."""
        code, bits = (int(each) for each in self._read(self.version.datatype))
        if code in COLOUR:
            raise UnsuitableImageError("The NIfTI file is in colour.")
        if code not in DATATYPES:
            raise UnsupportedFormatError("The NIfTI datatype is not one that is read: integers and floats of 8 to 64 bits are.")
        dtype = np.dtype(DATATYPES[code]).newbyteorder("<" if self._order == "<" else ">")
        if bits != 8 * dtype.itemsize:
            raise UnreadableImageError("The NIfTI fields datatype and bitpix contradict each other.")
        return dtype

    def offset(self) -> int:
        """Where the voxels begin: behind the header and the four bytes that announce extensions."""
        (stated,) = self._read(self.version.vox_offset)
        if not self.version.length + 4 <= stated <= LARGEST_OFFSET or stated != int(stated):
            raise UnreadableImageError("The NIfTI field vox_offset is not usable.")
        return int(stated)

    def scaling(self) -> tuple[float, float]:
        """Slope and intercept; a slope of 0, or NaN as some writers have it, says that there is no scaling."""
        slope, intercept = self._read(self.version.scl)
        if slope == 0 or np.isnan(slope):
            return 1.0, 0.0
        if not np.isfinite([slope, intercept]).all():
            raise UnreadableImageError("The NIfTI fields scl_slope and scl_inter are not usable numbers.")
        return slope, intercept

    def affine(self) -> tuple[Affine, bool]:
        """The sform, else the qform, else the voxel sizes alone, which say nothing of how the patient lies."""
        qform_code, sform_code = self._read(self.version.codes)
        if sform_code > 0:
            affine, oriented = self._sform(), True
        elif qform_code > 0:
            affine, oriented = self._qform(), True
        else:
            affine, oriented = np.diag([*self._read(self.version.pixdim)[1:4], 1.0]), False
        (code,) = self._read(self.version.xyzt_units)
        if int(code) & 7 not in UNITS_MM:
            raise UnreadableImageError("The NIfTI field xyzt_units holds no unit of length.")
        affine[:3] *= UNITS_MM[int(code) & 7]
        return checked((RAS_TO_LPS @ affine)[:, [2, 1, 0, 3]]), oriented

    def _sform(self) -> Affine:
        return np.vstack([np.reshape(self._read(self.version.srow), (3, 4)), [0, 0, 0, 1]]).astype(np.float64)

    def _qform(self) -> Affine:
        """Method 2 of the standard: a rotation by a unit quaternion, whose first part a is what b, c and d leave of its length.

        For half a turn nothing is left but noise of the last digit, whose root would be far more: then a is 0, as in the standard's code.
        """
        *bcd, x, y, z = self._read(self.version.quatern)
        length = float(np.dot(bcd, bcd))
        if not length <= 1 + UNIT:
            raise UnreadableImageError("The NIfTI quaternion is longer than 1.")
        noise = 3 * float(np.finfo(self.version.quatern[1][-1]).eps)
        a = np.sqrt(1 - length) if 1 - length >= noise else 0.0
        b, c, d = np.array(bcd) if a else np.array(bcd) / np.sqrt(length)
        qfac, *sizes = self._read(self.version.pixdim)[:4]
        rotation = np.array([
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - c * c - b * b],
        ])  # fmt: skip
        affine = np.eye(4)
        affine[:3, :3] = rotation * sizes * [1, 1, -1 if qfac < 0 else 1]
        affine[:3, 3] = x, y, z
        return affine

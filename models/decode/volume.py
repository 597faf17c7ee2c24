"""The noun of everything with more than one slice: a grid of voxels in the patient, decoded slice by slice when asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.decode.geometry import Affine
from models.decode.guard import nothing_else_escapes
from models.decode.image import Limits, Patient

# For a volume, the limits of an image hold for all its slices together: 512 x 512 x 512 voxels, in one file or in many.
VOLUME_LIMITS = Limits(max_pixels=1 << 27, max_frames=4096, max_elements=1_000_000)


@dataclass(frozen=True)
class VolumeHeader:
    """What the files of a volume say of it, all of them the same. NIfTI fills only the format."""

    format: Literal["dicom", "nifti"]
    modality: str = ""
    units: str = ""  # of a voxel, as DICOM codes them: BQML, HU; empty where the files do not say
    sop_class_uid: str = ""
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    frame_of_reference_uid: str = ""
    body_part: str = ""
    image_type: tuple[str, ...] = ()
    patient: Patient = field(default_factory=Patient)
    patient_digest: str = ""


@dataclass(frozen=True)
class VolumeFile:
    """Where slices of a volume came from."""

    sha256: str
    sop_instance_uid: str = ""
    transfer_syntax: str = ""


@dataclass(frozen=True, eq=False)
class Volume:
    """Voxels on a grid in the patient.

    `shape` counts slices, rows and columns; `affine` (4, 4) leads from these indices to mm in DICOM's coordinates (x to the left,
    y to the back, z to the head), or is only a scale where `oriented` is False: the file then does not say how the patient lies.
    `read` decodes one slice to (rows, columns) float32; `files` stand in the order of the slices.
    """

    shape: tuple[int, int, int]
    affine: Affine
    header: VolumeHeader
    files: tuple[VolumeFile, ...]
    decoder: str
    read: Callable[[int], NDArray[np.float32]]
    oriented: bool = True

    def slice(self, index: int) -> NDArray[np.float32]:
        """Decode one slice: (rows, columns) float32, in the units of the header.

        Raises UnreadableImageError where it is broken.
        """
        with nothing_else_escapes("A slice of the volume cannot be decoded."):
            return self.read(index)

    def voxels(self) -> NDArray[np.float32]:
        """Decode all slices into one array of `shape`; beside it, no more memory is used than for one slice.

        Raises UnreadableImageError where one is broken.
        """
        voxels = np.empty(self.shape, np.float32)
        for index in range(self.shape[0]):
            voxels[index] = self.slice(index)
        return voxels

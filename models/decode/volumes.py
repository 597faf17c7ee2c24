"""The door for volumes: content decides whether files are NIfTI, a series, or one multi-frame object."""

from __future__ import annotations

from collections.abc import Sequence

from models.decode.decoder import read_header
from models.decode.image import Limits
from models.decode.nifti import decode_nifti, is_nifti
from models.decode.series import decode_series
from models.decode.volume import VOLUME_LIMITS, Volume
from models.errors import TooLargeError, UnsuitableImageError


def read_volume(parts: Sequence[bytes], limits: Limits = VOLUME_LIMITS) -> Volume:
    """Read the files of one volume: the instances of a DICOM series, one multi-frame object, or one NIfTI file.

    Raises the errors of `read_header`, `decode_series` and `decode_nifti`; UnsuitableImageError for several NIfTI files.
    """
    if len(parts) > limits.max_frames:
        raise TooLargeError("The volume has more files than max_frames.")
    if not any(is_nifti(data) for data in parts):
        return decode_series(parts, [read_header(data, limits) for data in parts], limits)
    if len(parts) != 1:
        raise UnsuitableImageError("A NIfTI file is among other files: it has to come alone.")
    return decode_nifti(parts[0], limits)

"""NIfTI -> Volume. Its header is read and checked first; a compressed file is inflated into the memory that the header accounts for."""

from __future__ import annotations

import hashlib
import zlib

import numpy as np
from numpy.typing import NDArray

from models.decode.deflate import HEADER_BYTES, PIECE_IN
from models.decode.guard import nothing_else_escapes
from models.decode.image import Limits
from models.decode.nifti_header import LONGEST, NiftiHeader, layout_of, read_nifti_header
from models.decode.volume import Volume, VolumeFile, VolumeHeader
from models.errors import TooLargeError, UnreadableImageError

GZIP = b"\x1f\x8b\x08"
GZIP_WRAPPER = 16 + zlib.MAX_WBITS


def is_nifti(data: bytes) -> bool:
    """Whether the bytes are NIfTI-1 or NIfTI-2, gzipped or not."""
    if not data.startswith(GZIP):
        return layout_of(data) is not None
    try:
        return layout_of(zlib.decompressobj(GZIP_WRAPPER).decompress(data[:PIECE_IN], LONGEST)) is not None
    except zlib.error:
        return False


def decode_nifti(data: bytes, limits: Limits) -> Volume:
    """Read a single-file NIfTI-1 or NIfTI-2 (.nii, .nii.gz) with one volume.

    Voxels are scl_slope * stored + scl_inter. NaN, which software writes where it masked the background away, becomes 0; a slice with
    an infinite value is refused when it is read. A file that states neither sform nor qform is read, but not `oriented`.

    Raises the errors of `read_nifti_header`; UnreadableImageError for a broken file, or one of another length than its header says.
    """
    with nothing_else_escapes("The NIfTI file cannot be read."):
        header, whole = _inflated(data, limits) if data.startswith(GZIP) else (read_nifti_header(data[:LONGEST], limits), data)
        if len(whole) != header.end:
            raise UnreadableImageError("The NIfTI file is not as long as its header says.")
        stored = np.frombuffer(whole, header.dtype, offset=header.offset).reshape(header.shape)
    return Volume(
        shape=header.shape,
        affine=header.affine,
        header=VolumeHeader("nifti"),
        files=(VolumeFile(hashlib.sha256(data).hexdigest()),),
        decoder=f"numpy {np.__version__}",
        read=lambda index: _scaled(stored[index], header),
        oriented=header.oriented,
    )


def _scaled(stored: NDArray[np.generic], header: NiftiHeader) -> NDArray[np.float32]:
    with np.errstate(over="ignore", invalid="ignore"):  # what is too large becomes infinite, and is refused
        values = (stored.astype(np.float64) * header.slope + header.intercept).astype(np.float32)
    np.nan_to_num(values, copy=False, nan=0.0, posinf=np.inf, neginf=-np.inf)
    if not np.isfinite(values).all():
        raise UnreadableImageError("The volume holds infinite values.")
    return values


def _inflated(data: bytes, limits: Limits) -> tuple[NiftiHeader, bytearray]:
    """The header, and the inflated file: never a byte more than the header accounts for."""
    header = read_nifti_header(zlib.decompressobj(GZIP_WRAPPER).decompress(data[:PIECE_IN], LONGEST), limits)
    if header.end > HEADER_BYTES and header.end > limits.max_inflation * len(data):
        raise TooLargeError("The gzipped NIfTI file expands more than max_inflation.")
    inflater, view = zlib.decompressobj(GZIP_WRAPPER), memoryview(data)
    whole, filled = bytearray(header.end), 0
    for start in range(0, len(data), PIECE_IN):
        rest: bytes | memoryview = view[start : start + PIECE_IN]
        while rest and not inflater.eof:
            piece = inflater.decompress(rest, header.end - filled + 1)
            if filled + len(piece) > header.end:
                raise UnreadableImageError("The gzipped NIfTI file is longer than its header says.")
            whole[filled : filled + len(piece)] = piece
            filled, rest = filled + len(piece), inflater.unconsumed_tail
        if inflater.eof and (inflater.unused_data or start + PIECE_IN < len(data)):
            raise UnreadableImageError("Something follows the gzipped NIfTI file.")
    if not inflater.eof or filled != header.end:
        raise UnreadableImageError("The gzipped NIfTI file is truncated.")
    return header, whole

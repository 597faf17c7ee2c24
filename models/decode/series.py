"""DICOM series and multi-frame objects -> one Volume, its slices sorted by where they lie in the patient (PS3.3 C.7.6.2).

Instance numbers, file names and the order of the files decide nothing. What does not make one regular grid is refused, and why:
a wrong slice would be answered as confidently as the right one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from models.decode.frames import Frames, modality_values
from models.decode.functional_groups import DISTINCTIONS
from models.decode.geometry import Plane, Stack, coincident, in_order, stack
from models.decode.grayscale import Lut, Rescale
from models.decode.guard import nothing_else_escapes
from models.decode.image import Header, Limits
from models.decode.tags import Tag
from models.decode.volume import Volume, VolumeFile, VolumeHeader
from models.errors import MetadataConflictError, MissingImageError, StudyError, TooLargeError, UnsuitableImageError

ONE_SERIES = "Send the instances of one series, of one echo and time point, without localizers."
COMPLETE = "Send the whole series again from the archive."
LOCALIZER, PET = "LOCALIZER", "PT"
# What all slices must have in common, beside their geometry.
IN_COMMON = (
    ("modality", "modality"), ("sop_class_uid", "SOP class"), ("series_instance_uid", "series"),
    ("photometric_interpretation", "photometric interpretation"), ("rows", "number of rows"), ("columns", "number of columns"),
)  # fmt: skip


@dataclass(frozen=True)
class _Slice:
    """One frame of one file, as far as it can be read without decoding."""

    file: int
    frame: int
    plane: Plane
    thickness: float | None
    modality: Rescale | Lut
    units: str
    decoder: str
    frame_of_reference_uid: str
    number_of_slices: int | None  # that PET says its series has
    distinctions: tuple[bytes, ...]


def decode_frames(data: bytes, header: Header, limits: Limits) -> Volume:
    """Read the frames of one multi-frame object as a Volume; errors are those of `decode_series`."""
    return decode_series((data,), (header,), limits)


def decode_series(parts: Sequence[bytes], headers: Sequence[Header], limits: Limits) -> Volume:
    """Read the instances of one series, whose headers were read with the same limits, as a Volume.

    Its voxels are modality values: stored values behind the rescale of their own slice (PET has one for each). Windows are not
    applied, and slices are decoded when the volume is asked for them.

    Raises
    ------
    MissingImageError
        No instance was sent.
    TooLargeError
        All frames together are more than max_frames, or have more than max_pixels.
    MetadataConflictError
        The instances belong to more than one patient or study.
    UnsuitableImageError
        They are no regular stack of slices: several series, orientations, spacings, sizes, positions taken twice, or a gap.
    UnreadableImageError
        One of them is broken.
    """
    if not parts:
        raise MissingImageError("No instance was sent for the volume.")
    _check_headers(headers, limits)
    with nothing_else_escapes("The geometry of the series cannot be read."):
        slices = [each for index, data in enumerate(parts) for each in _slices(index, data, limits)]
        _check_slices(slices)
        stacked = _stack(slices, headers, parts, limits)
    ordered = tuple(slices[index] for index in stacked.order)
    files = list(dict.fromkeys(each.file for each in ordered))
    return Volume(
        shape=(len(ordered), headers[0].rows, headers[0].columns),
        affine=stacked.affine,
        header=_volume_header(headers[ordered[0].file], ordered[0]),
        files=tuple(_provenance(parts[index], headers[index]) for index in files),
        decoder=", ".join(sorted({each.decoder for each in ordered})),
        read=_reader(tuple(parts), ordered, limits),
    )


def _check_headers(headers: Sequence[Header], limits: Limits) -> None:
    if any(header.format != "dicom" for header in headers):
        raise UnsuitableImageError("A picture without a header cannot be a slice of a volume.")
    if sum(header.frames for header in headers) > limits.max_frames:
        raise TooLargeError("The series has more slices than max_frames.")
    if sum(header.frames * header.rows * header.columns for header in headers) > limits.max_pixels:
        raise TooLargeError("The series has more voxels than max_pixels.")
    if len({header.patient_digest for header in headers}) > 1:
        raise MetadataConflictError("The slices belong to more than one patient.")
    if len({header.study_instance_uid for header in headers}) > 1:
        raise MetadataConflictError("The slices belong to more than one study.")
    _check_kind(headers)


def _check_kind(headers: Sequence[Header]) -> None:
    if any(LOCALIZER in header.image_type for header in headers):
        raise UnsuitableImageError("A localizer is among the slices.", hint=ONE_SERIES)
    for attribute, name in IN_COMMON:
        if len({getattr(header, attribute) for header in headers}) > 1:
            raise UnsuitableImageError(f"The slices differ in their {name}.", hint=ONE_SERIES)
    if headers[0].photometric_interpretation != "MONOCHROME2":
        raise UnsuitableImageError("The photometric interpretation of a volume is not MONOCHROME2: its values are no quantity.")


def _slices(index: int, data: bytes, limits: Limits) -> Iterator[_Slice]:
    frames = Frames(data, limits)
    frame_of_reference_uid = frames.dataset.text(Tag.FRAME_OF_REFERENCE_UID)
    is_pet = frames.dataset.text(Tag.MODALITY) == PET
    number_of_slices = frames.dataset.unsigned(Tag.NUMBER_OF_SLICES) if is_pet and Tag.NUMBER_OF_SLICES in frames.dataset else None
    for frame, groups in enumerate(frames.groups):
        yield _Slice(
            file=index,
            frame=frame,
            plane=groups.plane,
            thickness=groups.thickness,
            modality=frames.modality(frame),
            units=groups.units,
            decoder=frames.decoder,
            frame_of_reference_uid=frame_of_reference_uid,
            number_of_slices=number_of_slices,
            distinctions=groups.distinctions,
        )


def _check_slices(slices: Sequence[_Slice]) -> None:
    if len({each.frame_of_reference_uid for each in slices}) > 1:
        raise UnsuitableImageError("The slices differ in their frame of reference.", hint=ONE_SERIES)
    if len({each.units for each in slices}) > 1:
        raise UnsuitableImageError("The slices differ in their units.", hint=ONE_SERIES)
    said = slices[0].number_of_slices
    if said is not None and len(slices) < said:
        raise UnsuitableImageError(f"Slices are missing: there are fewer than {Tag.NUMBER_OF_SLICES.label} says.", hint=COMPLETE)


def _stack(slices: Sequence[_Slice], headers: Sequence[Header], parts: Sequence[bytes], limits: Limits) -> Stack:
    planes = [each.plane for each in slices]
    order = in_order(planes)
    pair = coincident(planes, order)
    if pair:
        one, other = (slices[index] for index in pair)
        raise _twice(one, other, headers, parts, limits)
    try:
        return stack(planes, order, slices[0].thickness)
    except UnsuitableImageError as error:
        raise UnsuitableImageError(str(error), hint=COMPLETE) from None


def _twice(one: _Slice, other: _Slice, headers: Sequence[Header], parts: Sequence[bytes], limits: Limits) -> StudyError:
    """Why two slices lie at one position."""
    if one.file != other.file and parts[one.file] == parts[other.file]:
        return UnsuitableImageError("An instance was sent twice.", hint=ONE_SERIES)
    if one.file != other.file and headers[one.file].sop_instance_uid == headers[other.file].sop_instance_uid:
        return MetadataConflictError("Two different instances have the same SOP Instance UID.")
    values = zip(one.distinctions, other.distinctions, DISTINCTIONS, strict=True)
    reason = next((name for value, other_value, (*_, name) in values if value != other_value), None)
    if reason:
        return UnsuitableImageError(f"Two slices lie at the same position; they differ in {reason}.", hint=ONE_SERIES)
    mine, theirs = (Frames(parts[each.file], limits).stored(each.frame) for each in (one, other))
    alike = "the same pixels" if np.array_equal(mine, theirs) else "different pixels"
    return UnsuitableImageError(f"Two slices lie at the same position, with {alike}.", hint=ONE_SERIES)


def _volume_header(header: Header, first: _Slice) -> VolumeHeader:
    return VolumeHeader(
        format="dicom",
        modality=header.modality,
        units=first.units,
        sop_class_uid=header.sop_class_uid,
        study_instance_uid=header.study_instance_uid,
        series_instance_uid=header.series_instance_uid,
        frame_of_reference_uid=first.frame_of_reference_uid,
        body_part=header.body_part,
        image_type=header.image_type,
        patient=header.patient,
        patient_digest=header.patient_digest,
    )


def _provenance(data: bytes, header: Header) -> VolumeFile:
    return VolumeFile(hashlib.sha256(data).hexdigest(), header.sop_instance_uid, header.transfer_syntax)


def _reader(parts: tuple[bytes, ...], ordered: tuple[_Slice, ...], limits: Limits) -> Callable[[int], NDArray[np.float32]]:
    """Decode a slice; of the files, only the last one stays open."""
    opened = lru_cache(maxsize=1)(lambda file: Frames(parts[file], limits))

    def read(index: int) -> NDArray[np.float32]:
        chosen = ordered[index]
        return modality_values(opened(chosen.file).stored(chosen.frame), chosen.modality)

    return read

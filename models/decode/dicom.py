"""DICOM -> Header, stored values, and pixels in [0, 1]."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from models.decode import grayscale
from models.decode.grayscale import Lut, Range, Rescale
from models.decode.image import Header, Limits
from models.decode.part10 import open_dataset
from models.decode.patient import body_part_of, laterality_of, patient_digest_of, patient_of, shows_both_sides, view_of
from models.decode.pixels import (
    Decoded,
    PixelModule,
    StoredValues,
    check_pixel_data,
    pixel_aspect_of,
    pixel_module,
    refuse_colour,
    stored_values_of,
)
from models.decode.reduction import Grid, averaged
from models.decode.tags import Tag
from models.decode.tone import Grey, Tone
from models.decode.transforms import described, is_inverted, modality_step, voi_step
from models.errors import UnreadableImageError, UnsuitableImageError

if TYPE_CHECKING:
    from models.decode.dataset import DataSet


def header_of(data: bytes, limits: Limits) -> Header:
    """Read and check the header of a DICOM file without decoding a pixel."""
    uid, dataset = open_dataset(data, limits, pixels=False)
    module = pixel_module(dataset, limits)
    check_pixel_data(dataset, uid, module)
    return Header(
        format="dicom",
        rows=module.rows,
        columns=module.columns,
        frames=module.frames,
        photometric_interpretation=module.photometric,
        transfer_syntax=uid,
        sop_class_uid=dataset.text(Tag.SOP_CLASS_UID),
        sop_instance_uid=dataset.text(Tag.SOP_INSTANCE_UID),
        series_instance_uid=dataset.text(Tag.SERIES_INSTANCE_UID),
        study_instance_uid=dataset.text(Tag.STUDY_INSTANCE_UID),
        modality=dataset.text(Tag.MODALITY),
        body_part=body_part_of(dataset),
        view_position=view_of(dataset),
        image_type=dataset.strings(Tag.IMAGE_TYPE),
        presentation_intent=dataset.text(Tag.PRESENTATION_INTENT_TYPE),
        orientation=dataset.strings(Tag.PATIENT_ORIENTATION),
        burned_in=dataset.text(Tag.BURNED_IN_ANNOTATION) == "YES",
        pixel_aspect=pixel_aspect_of(dataset),
        laterality=laterality_of(dataset),
        two_sided=shows_both_sides(dataset),
        patient=patient_of(dataset),
        patient_digest=patient_digest_of(dataset),
    )


def stored_values_of_file(data: bytes, limits: Limits) -> StoredValues:
    """Decode the stored values of a greyscale DICOM image: (rows, columns)."""
    return _decode_stored(data, limits, 0)[2].values


class Shown(NamedTuple):
    """Grey values (rows, columns) in [0, 1], what decoded them, where they lie, and what made them out of stored values."""

    grey: Grey
    decoder: str
    grid: Grid
    lut: str


def grey_of(data: bytes, limits: Limits, *, apply_voi: bool, level: int = 0) -> Shown:
    """Decode a greyscale DICOM image."""
    dataset, module, decoded = _decode_stored(data, limits, level)
    modality = modality_step(dataset, signed=module.signed)
    decoder, (stored, grid) = decoded.decoder, averaged(decoded.values, decoded.grid, level)
    del decoded  # as large as the file was: nothing below needs it
    span = _modality_range(modality, module)
    tone = Tone(modality, span, voi_step(dataset, span) if apply_voi else None, is_inverted(dataset))
    return Shown(tone.grey(stored), decoder, grid, described(tone.modality, tone.voi, inverted=tone.inverted))


def _decode_stored(data: bytes, limits: Limits, level: int) -> tuple[DataSet, PixelModule, Decoded]:
    uid, dataset = open_dataset(data, limits)
    module = pixel_module(dataset, limits)
    refuse_colour(module)
    if module.frames != 1:
        raise UnsuitableImageError("The image has more than one frame.")
    check_pixel_data(dataset, uid, module)
    return dataset, module, stored_values_of(dataset, uid, module, level, limits.threads)


def _modality_range(step: Rescale | Lut, module: PixelModule) -> Range:
    """The range that modality values can have by Bits Stored and the step."""
    if isinstance(step, Lut):
        return step.output_range
    low, high = grayscale.rescale_range(module.stored_range, step)
    if (high - low) < abs(low + high) * 1e-6:  # what float32 can tell apart
        raise UnreadableImageError(f"{Tag.RESCALE_SLOPE.label} is lost beside {Tag.RESCALE_INTERCEPT.label}.")
    return low, high

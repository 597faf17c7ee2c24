"""What a frame says of itself: its functional group macros, else the shared ones, else the data set (PS3.3 C.7.6.16).

A classic single-frame instance has no macros; the same attributes then stand in its data set.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from models.decode.geometry import Plane, plane
from models.decode.tags import Tag
from models.decode.transforms import modality_step, voi_step
from models.errors import UnreadableImageError, UnsuitableImageError

if TYPE_CHECKING:
    from models.decode.dataset import DataSet
    from models.decode.grayscale import Lut, Range, Rescale, Window

CODE_STRING = re.compile(r"[A-Z0-9_ ]{1,16}")  # CS, PS3.5 table 6.2-1: anything else may be anything
LONGEST = 256  # bytes of a value that tells two frames apart
DATA_SET = None  # of the data set itself, in no macro
# What may make two frames of one position different, the most telling first: where it stands, and its name.
DISTINCTIONS = (
    (DATA_SET, Tag.ECHO_TIME, "echo time"),
    (DATA_SET, Tag.ECHO_NUMBERS, "echo"),
    (Tag.MR_ECHO_SEQUENCE, Tag.EFFECTIVE_ECHO_TIME, "echo time"),
    (DATA_SET, Tag.TEMPORAL_POSITION_IDENTIFIER, "temporal position"),
    (Tag.FRAME_CONTENT_SEQUENCE, Tag.TEMPORAL_POSITION_INDEX, "temporal position"),
    (DATA_SET, Tag.FRAME_REFERENCE_TIME, "time"),
    (DATA_SET, Tag.TRIGGER_TIME, "trigger time"),
    (DATA_SET, Tag.DIFFUSION_B_VALUE, "diffusion b-value"),
    (Tag.MR_DIFFUSION_SEQUENCE, Tag.DIFFUSION_B_VALUE, "diffusion b-value"),
    (DATA_SET, Tag.INVERSION_TIME, "inversion time"),
    (DATA_SET, Tag.IMAGE_TYPE, "image type"),
    (Tag.MR_IMAGE_FRAME_TYPE_SEQUENCE, Tag.FRAME_TYPE, "image type"),
    (Tag.MR_IMAGE_FRAME_TYPE_SEQUENCE, Tag.COMPLEX_IMAGE_COMPONENT, "image type"),
    (DATA_SET, Tag.ACQUISITION_NUMBER, "acquisition"),
    (Tag.FRAME_CONTENT_SEQUENCE, Tag.STACK_ID, "stack"),
    (DATA_SET, Tag.ACQUISITION_TIME, "acquisition time"),
    (Tag.FRAME_CONTENT_SEQUENCE, Tag.DIMENSION_INDEX_VALUES, "dimension index"),
)


class FunctionalGroups:
    """The attributes of one frame, wherever they stand."""

    def __init__(self, dataset: DataSet, shared: dict[Tag, DataSet], own: DataSet | None) -> None:
        self._dataset = dataset
        self._shared = shared
        self._own = own

    def macro(self, sequence: Tag) -> DataSet:
        """The item of a functional group sequence, or the data set where there is none."""
        own = self._own.items(sequence) if self._own else []
        return own[0] if own else self._shared.get(sequence, self._dataset)

    @property
    def plane(self) -> Plane:
        """Plane Position, Plane Orientation and Pixel Measures (PS3.3 C.7.6.16.2.1, .3 and .4).

        Raises UnsuitableImageError where one is missing, UnreadableImageError where one is no usable geometry.
        """
        position = _numbers(self.macro(Tag.PLANE_POSITION_SEQUENCE), Tag.IMAGE_POSITION_PATIENT, 3)
        orientation = _numbers(self.macro(Tag.PLANE_ORIENTATION_SEQUENCE), Tag.IMAGE_ORIENTATION_PATIENT, 6)
        spacing = _numbers(self.macro(Tag.PIXEL_MEASURES_SEQUENCE), Tag.PIXEL_SPACING, 2)
        return plane(position, orientation, spacing)

    @property
    def thickness(self) -> float | None:
        """Spacing Between Slices, else Slice Thickness, in mm."""
        measures = self.macro(Tag.PIXEL_MEASURES_SEQUENCE)
        return measures.decimal(Tag.SPACING_BETWEEN_SLICES) or measures.decimal(Tag.SLICE_THICKNESS)

    def modality(self, *, signed: bool) -> Rescale | Lut:
        """Pixel Value Transformation (PS3.3 C.7.6.16.2.9), or the Modality LUT of the data set.

        Real World Value Mapping is not used: it maps to further quantities, of which a model would have to ask for one.
        """
        return modality_step(self.macro(Tag.PIXEL_VALUE_TRANSFORMATION_SEQUENCE), signed=signed)

    def voi(self, modality_range: Range) -> Lut | Window | None:
        """Frame VOI LUT (PS3.3 C.7.6.16.2.10), or the VOI LUT of the data set."""
        return voi_step(self.macro(Tag.FRAME_VOI_LUT_SEQUENCE), modality_range)

    @property
    def units(self) -> str:
        """Units of PET (PS3.3 C.8.9.1), else Rescale Type (C.11.1); empty where neither is stated by a code."""
        transformation = self.macro(Tag.PIXEL_VALUE_TRANSFORMATION_SEQUENCE)
        stated = self._dataset.text(Tag.UNITS) or transformation.text(Tag.RESCALE_TYPE)
        return stated if CODE_STRING.fullmatch(stated) else ""

    @property
    def distinctions(self) -> tuple[bytes, ...]:
        """The values of DISTINCTIONS."""
        places = ((self._dataset if sequence is None else self.macro(sequence), tag) for sequence, tag, _ in DISTINCTIONS)
        return tuple(place.raw(tag)[:LONGEST] for place, tag in places)


def functional_groups(dataset: DataSet, frames: int) -> list[FunctionalGroups]:
    """The attributes of each frame.

    Raises UnreadableImageError where there are not as many items as frames.
    """
    per_frame: list[DataSet | None] = [*dataset.items(Tag.PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE)]
    if per_frame and len(per_frame) != frames:
        raise UnreadableImageError("Per-Frame Functional Groups Sequence and Number of Frames contradict each other.")
    shared: dict[Tag, DataSet] = {}
    for item in dataset.items(Tag.SHARED_FUNCTIONAL_GROUPS_SEQUENCE)[:1]:
        shared = {Tag(tag): macros[0] for tag in item.elements if tag in MACROS and (macros := item.items(Tag(tag)))}
    return [FunctionalGroups(dataset, shared, own) for own in per_frame or [None] * frames]


MACROS = frozenset({sequence for sequence, _, _ in DISTINCTIONS if sequence is not None}) | {
    Tag.PLANE_POSITION_SEQUENCE, Tag.PLANE_ORIENTATION_SEQUENCE, Tag.PIXEL_MEASURES_SEQUENCE, Tag.FRAME_VOI_LUT_SEQUENCE,
    Tag.PIXEL_VALUE_TRANSFORMATION_SEQUENCE,
}  # fmt: skip


def _numbers(place: DataSet, tag: Tag, count: int) -> list[float]:
    values = place.decimals(tag)
    if not values:
        raise UnsuitableImageError(f"{tag.label} is missing: nothing tells where the slice lies in the patient.")
    numbers = [value for value in values if value is not None and abs(value) < 1e6]
    if len(values) != count or len(numbers) != count:
        raise UnreadableImageError(f"{tag.label} is not {count} usable numbers.")
    return numbers

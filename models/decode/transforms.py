"""Which steps of the greyscale pipeline a header asks for: Modality LUT, VOI LUT and Presentation LUT modules (PS3.3 C.11)."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast, get_args

import numpy as np

from models.decode.grayscale import Function, Lut, Range, Rescale, Window
from models.decode.tags import Tag
from models.errors import UnreadableImageError

if TYPE_CHECKING:
    from models.decode.dataset import DataSet

LARGEST = 1e9  # beyond it float32 keeps no difference between neighbouring 16-bit values


def modality_step(dataset: DataSet, *, signed: bool) -> Rescale | Lut:
    """Modality LUT Sequence, else Rescale Slope and Intercept, else the identity (PS3.3 C.11.1).

    Raises UnreadableImageError where slope or intercept is no usable number, or the table is broken.
    """
    items = dataset.items(Tag.MODALITY_LUT_SEQUENCE)
    if items:
        return _lut(items[0], signed=signed)
    slope, intercept = _number(dataset, Tag.RESCALE_SLOPE, 1.0), _number(dataset, Tag.RESCALE_INTERCEPT, 0.0)
    if abs(slope) < 1 / LARGEST:
        raise UnreadableImageError(f"{Tag.RESCALE_SLOPE.label} is zero.")
    return Rescale(slope, intercept)


def voi_step(dataset: DataSet, modality_range: Range) -> Lut | Window | None:
    """VOI LUT Sequence, else the first window, else nothing (PS3.3 C.11.2: a display may choose either; the table is exact).

    Raises UnreadableImageError for a width or function that the standard does not allow, or a broken table.
    """
    items = dataset.items(Tag.VOI_LUT_SEQUENCE)
    if items:
        return _lut(items[0], signed=modality_range[0] < 0)
    if not (dataset.text(Tag.WINDOW_CENTER) and dataset.text(Tag.WINDOW_WIDTH)):
        return None
    function = dataset.text(Tag.VOI_LUT_FUNCTION) or "LINEAR"
    if function not in get_args(Function):
        raise UnreadableImageError(f"{Tag.VOI_LUT_FUNCTION.label} is not LINEAR, LINEAR_EXACT or SIGMOID.")
    step = Window(_number(dataset, Tag.WINDOW_CENTER, 0.0), _number(dataset, Tag.WINDOW_WIDTH, 0.0), cast("Function", function))
    if step.width < (1 if function == "LINEAR" else 1 / LARGEST):
        raise UnreadableImageError(f"{Tag.WINDOW_WIDTH.label} is too small for its {Tag.VOI_LUT_FUNCTION.label}.")
    return step


def is_inverted(dataset: DataSet) -> bool:
    """Whether small values are bright: MONOCHROME1 (PS3.3 C.7.6.3.1.2), or Presentation LUT Shape INVERSE (C.11.6).

    A DX image says both for the same one inversion (C.8.11.3.1.2).
    """
    return dataset.text(Tag.PHOTOMETRIC_INTERPRETATION) == "MONOCHROME1" or dataset.text(Tag.PRESENTATION_LUT_SHAPE) == "INVERSE"


def described(modality: Rescale | Lut, voi: Lut | Window | None, *, inverted: bool) -> str:
    """The steps in words, as they stand in the answer."""
    if isinstance(modality, Lut):
        steps = ["Modality LUT"]
    else:
        steps = [] if modality == Rescale() else [f"rescale slope {modality.slope:g} intercept {modality.intercept:g}"]
    if isinstance(voi, Window):
        steps.append(f"window centre {voi.center:g} width {voi.width:g} {voi.function}")
    elif voi is not None:
        steps.append("VOI LUT")
    return ", ".join([*steps, *(["inverted"] if inverted else [])]) or "none"


def _number(dataset: DataSet, tag: Tag, absent: float) -> float:
    if not dataset.text(tag):
        return absent
    value = dataset.decimal(tag)
    if value is None or abs(value) > LARGEST:
        raise UnreadableImageError(f"{tag.label} is not a usable number.")
    return value


def _lut(item: DataSet, *, signed: bool) -> Lut:
    """PS3.3 C.11.1.1.1: number of entries (0 means 65536), first input, bits of an entry; then the entries."""
    descriptor, data = item.elements.get(Tag.LUT_DESCRIPTOR), item.elements.get(Tag.LUT_DATA)
    if descriptor is None or data is None or len(descriptor.value) != 6:
        raise UnreadableImageError(f"{Tag.LUT_DESCRIPTOR.label} or {Tag.LUT_DATA.label} is missing or broken.")
    order = item.encoding.byteorder
    count, first, bits = (int.from_bytes(descriptor.value[start : start + 2], order) for start in (0, 2, 4))
    count = count or 1 << 16
    if first >= 1 << 15 and (descriptor.vr == b"SS" or (descriptor.vr == b"" and signed)):  # US or SS, by its input
        first -= 1 << 16
    if not 8 <= bits <= 16:
        raise UnreadableImageError(f"{Tag.LUT_DESCRIPTOR.label} asks for entries of neither 8 nor 16 bits.")
    return Lut(first, bits, _entries(data.value, count, bits, order))


def _entries(value: memoryview, count: int, bits: int, order: str) -> np.ndarray[tuple[int], np.dtype[np.uint16]]:
    if len(value) == 2 * count:
        return np.frombuffer(value, ">u2" if order == "big" else "<u2").astype(np.uint16)
    if bits == 8 and len(value) == count + count % 2:  # two entries in a word
        packed = np.frombuffer(value, np.uint8)
        return (packed.reshape(-1, 2)[:, ::-1].ravel() if order == "big" else packed)[:count].astype(np.uint16)
    raise UnreadableImageError(f"The length of {Tag.LUT_DATA.label} is not what {Tag.LUT_DESCRIPTOR.label} says.")

"""The frames of a DICOM file, decoded one at a time: each as the single-frame image that its pixels would be alone.

So every transfer syntax, check and bit mask of single-frame images holds for each frame, and no frame is copied that is not compressed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from models.decode import grayscale
from models.decode.codecs import SYNTAXES
from models.decode.dataset import DataSet, Element
from models.decode.encapsulation import ITEM, first_frame, fragments_of_frames
from models.decode.functional_groups import functional_groups
from models.decode.grayscale import Lut, Rescale, Values, Window
from models.decode.part10 import open_dataset
from models.decode.pixels import PixelModule, StoredValues, check_pixel_data, pixel_module, refuse_colour, stored_values_of
from models.decode.tags import Tag
from models.errors import UnreadableImageError

if TYPE_CHECKING:
    from models.decode.image import Limits

NO_TABLE = ITEM + bytes(4)  # an empty Basic Offset Table


class Frames:
    """The greyscale frames of one file; nothing is decoded before it is asked for.

    Raises UnsuitableImageError for colour, UnreadableImageError and TooLargeError as `read_header` does.
    """

    def __init__(self, data: bytes, limits: Limits) -> None:
        self._uid, self.dataset = open_dataset(data, limits)
        self.module = pixel_module(self.dataset, limits)
        refuse_colour(self.module)
        check_pixel_data(self.dataset, self._uid, self.module)
        self._elements = _split(self.dataset, self._uid, self.module)
        self.decoder = self._decoder()
        self.groups = functional_groups(self.dataset, self.module.frames)

    def __len__(self) -> int:
        return self.module.frames

    def stored(self, index: int) -> StoredValues:
        """Decode the stored values of one frame, (rows, columns); UnreadableImageError where it is broken, or disagrees with the header."""
        alone = DataSet(self.dataset.encoding, self.dataset.budget, {Tag.PIXEL_DATA: self._alone(index)})
        module = replace(self.module, frames=1)
        check_pixel_data(alone, self._uid, module)
        decoded = stored_values_of(alone, self._uid, module)
        if decoded.decoder != self.decoder:
            raise UnreadableImageError("The frames are compressed in different ways.")
        return decoded.values

    def _decoder(self) -> str:
        """What decodes the first frame, and has to decode all the others."""
        compression = SYNTAXES[self._uid].compression
        if compression is None:
            return f"numpy {np.__version__}"
        return compression.codec(compression.probe(first_frame(self._alone(0).value, frames=1)).precision).name

    def _alone(self, index: int) -> Element:
        """The pixel data of one frame as that of a single-frame image."""
        element = self._elements[index]
        if not element.undefined_length:
            return element
        return Element(element.vr, memoryview(NO_TABLE + element.value), undefined_length=True)

    def modality(self, index: int) -> Rescale | Lut:
        """What makes modality values of the stored values of one frame."""
        return self.groups[index].modality(signed=self.module.signed)

    def voi(self, index: int) -> Lut | Window | None:
        """How one frame asks to be windowed; a display matter, which its values do not have in them."""
        step = self.modality(index)
        span = step.output_range if isinstance(step, Lut) else grayscale.rescale_range(self.module.stored_range, step)
        return self.groups[index].voi(span)


def modality_values(stored: StoredValues, step: Rescale | Lut) -> Values:
    """Stored values of a frame behind its Modality LUT: (rows, columns) float32 in its units."""
    return grayscale.look_up(stored, step) if isinstance(step, Lut) else grayscale.rescale(stored, step)


def _split(dataset: DataSet, uid: str, module: PixelModule) -> list[Element]:
    """The pixel data of each frame: a view, never a copy."""
    whole = dataset.elements[Tag.PIXEL_DATA]
    if SYNTAXES[uid].compression is None:
        return _native(whole, dataset, module)
    fragments = fragments_of_frames(whole.value, module.frames, _extended_table(dataset))
    position = 8 + int.from_bytes(whole.value[4:8], "little")
    elements = []
    for frame in fragments:
        end = position + sum(8 + len(fragment) for fragment in frame)
        elements.append(Element(whole.vr, whole.value[position:end], undefined_length=True))
        position = end
    return elements


def _native(whole: Element, dataset: DataSet, module: PixelModule) -> list[Element]:
    size = module.rows * module.columns * module.allocated // 8
    if dataset.encoding.byteorder == "big" and whole.vr == b"OW" and module.allocated == 8:  # frames may share a word: swapped before
        whole = Element(b"OB", memoryview(np.frombuffer(whole.value, ">u2").astype("<u2").tobytes()))
    return [Element(whole.vr, whole.value[start : start + size]) for start in range(0, size * module.frames, size)]


def _extended_table(dataset: DataSet) -> tuple[memoryview, memoryview] | None:
    table, lengths = (dataset.elements.get(tag) for tag in (Tag.EXTENDED_OFFSET_TABLE, Tag.EXTENDED_OFFSET_TABLE_LENGTHS))
    if table is None and lengths is None:
        return None
    if table is None or lengths is None:
        raise UnreadableImageError("The Extended Offset Table has no lengths, or the lengths no table.")
    return table.value, lengths.value

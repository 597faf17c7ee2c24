"""From stored values to grey ones, where they are looked at: a picture keeps its stored values, and a table of what each becomes.

A float32 copy of a whole frame is twice the frame, four times one of 8 bits, and a resize looks at one band of rows after the
other. Every step of the greyscale pipeline makes one value of one value: a table that the same steps made gives the same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.decode import grayscale
from models.decode.grayscale import Lut, Range, Rescale, Stored, Values, Window
from models.decode.tags import Tag
from models.errors import NotEvaluableError

LOOKUP_ROWS = 16


@dataclass(frozen=True, eq=False)
class Toned:
    """Unsigned cells (rows, columns) and the grey value of each; a part of it is a view, as of an array."""

    cells: NDArray[np.unsignedinteger]
    table: Values

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""
        return self.cells.shape

    def __getitem__(self, part: tuple[slice, slice]) -> Toned:
        return Toned(self.cells[part], self.table)

    def values(self) -> Values:
        """All grey values at once, looked up a few rows at a time: numpy makes 64-bit numbers of the cells."""
        values = np.empty(self.shape, np.float32)
        for start in range(0, len(values), LOOKUP_ROWS):
            rows = slice(start, start + LOOKUP_ROWS)
            self.table.take(self.cells[rows], out=values[rows], mode="clip")  # none lies behind the table; "raise" would look for one
        return values


Grey = Values | Toned


def values_of(grey: Grey) -> Values:
    """Grey values as an array; no copy of what is one."""
    return grey.values() if isinstance(grey, Toned) else grey


@dataclass(frozen=True)
class Tone:
    """The steps that a header asks for: Modality LUT, whose output has the range `span`, VOI LUT if any, and inversion."""

    modality: Rescale | Lut
    span: Range
    voi: Lut | Window | None
    inverted: bool

    def grey(self, stored: Stored | Values) -> Grey:
        """Apply the steps; NotEvaluableError where the VOI LUT leaves nothing of an image that held something."""
        grey = toned(stored, self._shown)
        if self.voi is not None and _is_constant(grey):
            self._refuse_blank(stored)
        return grey

    def _shown(self, stored: Stored | Values) -> Values:
        values = self._modality_values(stored)
        pixels = grayscale.stretch(values, self.span) if self.voi is None else _voi_values(values, self.voi)
        return grayscale.invert(pixels) if self.inverted else pixels

    def _modality_values(self, stored: Stored | Values) -> Values:
        return grayscale.look_up(stored, self.modality) if isinstance(self.modality, Lut) else grayscale.rescale(stored, self.modality)

    def _refuse_blank(self, stored: Stored | Values) -> None:
        """Without this check a window beside the data turns a radiograph into a blank one, silently."""
        assert self.voi is not None  # noqa: S101  the caller asked
        values = self._modality_values(np.unique(np.ravel(stored)))
        if grayscale.is_constant(values) or not grayscale.is_constant(_voi_values(values, self.voi)):
            return
        names = (Tag.VOI_LUT_SEQUENCE,) if isinstance(self.voi, Lut) else (Tag.WINDOW_CENTER, Tag.WINDOW_WIDTH)
        name = " and ".join(tag.label for tag in names)
        raise NotEvaluableError(f"The VOI transformation, {name}, lies beside the pixel values and leaves a blank image.")


def toned(stored: Stored | Values, shown: Callable[[Stored | Values], Values]) -> Grey:
    """What `shown` makes of each of the stored values: by a table, but for means, and for pictures that are smaller than it."""
    if stored.dtype.kind == "f":
        return shown(stored)
    kind, size = stored.dtype.kind, stored.dtype.itemsize
    cells = stored.view(np.dtype(f"u{size}").newbyteorder(stored.dtype.byteorder))
    highest = int(cells.max())
    if highest >= cells.size:
        return shown(stored)
    return Toned(cells, shown(np.arange(highest + 1, dtype=f"u{size}").view(f"{kind}{size}")))


def _is_constant(grey: Grey) -> bool:
    """Whether all grey values are alike, or may be: those of two cells tell, if they differ."""
    if isinstance(grey, Toned):
        return bool(grey.table[grey.cells.min()] == grey.table[grey.cells.max()])
    return grayscale.is_constant(grey)


def _voi_values(values: Values, step: Lut | Window) -> Values:
    """Window or table; a window works in place."""
    if isinstance(step, Lut):
        return grayscale.stretch(grayscale.look_up(values, step), step.output_range)
    return grayscale.window(values, step)

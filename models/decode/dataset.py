"""A bounded reader of DICOM data sets (PS3.5 section 7): tags, lengths and views of bytes.

Libraries read the whole data set before a limit can be checked, follow nested sequences by recursion without a bound,
decode text and warn. This reader does the little that decoding needs: it stops at the pixel data, counts every element
it walks over, never descends deeper than the limit, decodes no name, and copies no pixel. Sequences of defined length that
nobody asks for are stepped over as one value.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from models.decode.tags import PIXEL_DATA_TAGS, Tag
from models.errors import TooLargeError, UnreadableImageError

if TYPE_CHECKING:
    from models.decode.image import Limits

UNDEFINED = 0xFFFFFFFF
# PS3.5 table 7.1-1: these have two reserved bytes and a 32-bit length; table 7.1-2: these a 16-bit length.
LONG_VRS = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
SHORT_VRS = frozenset({b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH"}) | frozenset(
    {b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"}
)
VRS = LONG_VRS | SHORT_VRS
DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\Z", re.ASCII)

TRUNCATED = "The DICOM file is truncated: a data element is longer than what is left of the file."


class Encoding(NamedTuple):
    """How a transfer syntax writes data elements."""

    explicit: bool
    byteorder: Literal["little", "big"]


IMPLICIT_LITTLE = Encoding(explicit=False, byteorder="little")
EXPLICIT_LITTLE = Encoding(explicit=True, byteorder="little")
EXPLICIT_BIG = Encoding(explicit=True, byteorder="big")


class Element(NamedTuple):
    """The value field of one data element: a view into the file, never a copy."""

    vr: bytes  # b"" where the encoding does not say
    value: memoryview
    undefined_length: bool = False
    stated: int | None = None  # the length of a value of which only a part is here

    @property
    def length(self) -> int:
        """Bytes of the whole value, as far as they are known."""
        return len(self.value) if self.stated is None else self.stated


class _Head(NamedTuple):
    tag: int
    vr: bytes
    length: int
    start: int  # of the value


@dataclass
class Budget:
    """How many elements may still be walked over, and how deep."""

    elements: int
    depth: int

    @classmethod
    def of(cls, limits: Limits) -> Budget:
        """Everything that the limits allow."""
        return cls(limits.max_elements, limits.max_depth)

    def spend(self, depth: int) -> None:
        """Count one element at a depth of nesting."""
        self.elements -= 1
        if self.elements < 0:
            raise TooLargeError("The data set has more elements than max_elements.")
        if depth > self.depth:
            raise TooLargeError("Sequences are nested deeper than max_depth.")


@dataclass
class DataSet:
    """Elements of one data set or sequence item, and readers for the value representations that decoding needs."""

    encoding: Encoding
    budget: Budget
    elements: dict[int, Element] = field(default_factory=dict)

    def __contains__(self, tag: Tag) -> bool:
        return tag in self.elements

    def raw(self, tag: int) -> bytes:
        """The value as it stands, without its padding; empty where absent. For small values only."""
        element = self.elements.get(tag)
        return b"" if element is None or element.undefined_length else bytes(element.value).strip(b" \0")

    def text(self, tag: Tag) -> str:
        """The value as ASCII (CS, UI, DS, IS, DA, AS); empty where absent."""
        return self.raw(tag).decode("ascii", "replace")

    def strings(self, tag: Tag) -> tuple[str, ...]:
        """The values of a multi-valued string; none where absent."""
        text = self.text(tag)
        return tuple(part.strip(" \0") for part in text.split("\\")) if text else ()

    def decimal(self, tag: Tag) -> float | None:
        """The first value of a DS, None where it is absent, malformed or not finite."""
        return next(iter(self.decimals(tag)), None)

    def decimals(self, tag: Tag) -> tuple[float | None, ...]:
        """The values of a DS, None for each that is malformed or not finite."""
        values = (float(text) if DECIMAL.match(text) else math.nan for text in self.strings(tag))
        return tuple(value if math.isfinite(value) else None for value in values)

    def unsigned(self, tag: Tag) -> int:
        """The one value of a US; UnreadableImageError where it is absent, of another type, or more than one."""
        element = self.elements.get(tag)
        if element is None or len(element.value) == 0:
            raise UnreadableImageError(f"{tag.label} is missing.")
        if element.vr not in {b"US", b""} or len(element.value) != 2:
            raise UnreadableImageError(f"{tag.label} is not one unsigned 16-bit number.")
        return int.from_bytes(element.value, self.encoding.byteorder)

    def items(self, tag: Tag) -> list[DataSet]:
        """The items of a sequence; none where absent."""
        element = self.elements.get(tag)
        if element is None:
            return []
        encoding = IMPLICIT_LITTLE if element.vr == b"UN" else self.encoding  # PS3.5 6.2.2: unknown is always implicit
        return [_read(_Walker(view, encoding, self.budget), 0)[0] for view in _Walker(element.value, encoding, self.budget).items()]


def read_dataset(view: memoryview, start: int, encoding: Encoding, limits: Limits, *, last: int = Tag.PIXEL_DATA) -> DataSet:
    """Read the elements of a data set up to, and with, the pixel data or `last`; what stands behind is not looked at.

    Raises UnreadableImageError for what is not a data set in this encoding, TooLargeError beyond the limits.
    """
    return _read(_Walker(view, encoding, Budget.of(limits)), start, last=last)[0]


def read_beginning(view: memoryview, encoding: Encoding, limits: Limits, *, last: int) -> DataSet | None:
    """Read what `read_dataset` would, from a view that may end within the pixel data; None where it ends before.

    Raises the errors of `read_dataset`, also where it is only the view that ends.
    """
    dataset = _read(_Walker(view, encoding, Budget.of(limits), cut=True), 0, last=last)[0]
    return dataset if any(tag >= last or tag in PIXEL_DATA_TAGS for tag in dataset.elements) else None


def read_file_meta(view: memoryview, start: int, limits: Limits) -> tuple[DataSet, int]:
    """Read the file meta information, group 0002 (PS3.10 7.1), and where the data set begins; its group length is not trusted."""
    return _read(_Walker(view, EXPLICIT_LITTLE, Budget.of(limits)), start, group=0x0002)


def _read(walker: _Walker, start: int, *, last: int = Tag.PIXEL_DATA, group: int | None = None) -> tuple[DataSet, int]:
    dataset = DataSet(walker.encoding, walker.budget)
    position = start
    while position < len(walker.view):
        tag = walker.tag(position)
        if tag > last or (group is not None and tag >> 16 != group):  # before its head: what follows may be long, or in another encoding
            break
        head = walker.head(position)
        walker.budget.spend(0)
        if head.tag in dataset.elements:
            raise UnreadableImageError("A data element stands twice in the data set.")
        dataset.elements[head.tag], position = walker.element(head)
        if head.tag == last or head.tag in PIXEL_DATA_TAGS:
            break
    return dataset, position


class _Walker:
    """Finds where elements begin and end. Positions are offsets into the view, which may be cut within the pixel data."""

    def __init__(self, view: memoryview, encoding: Encoding, budget: Budget, *, cut: bool = False) -> None:
        self.view = view
        self.encoding = encoding
        self.budget = budget
        self._cut = cut

    def _number(self, position: int, size: int) -> int:
        if position + size > len(self.view):
            raise UnreadableImageError(TRUNCATED)
        return int.from_bytes(self.view[position : position + size], self.encoding.byteorder)

    def tag(self, position: int) -> int:
        """PS3.5 7.1.1: group and element number."""
        return self._number(position, 2) << 16 | self._number(position + 2, 2)

    def head(self, position: int) -> _Head:
        """PS3.5 7.1.2 and 7.1.3; items and delimiters (7.5) have no value representation in any encoding."""
        tag = self.tag(position)
        if not self.encoding.explicit or tag >> 16 == 0xFFFE:
            return _Head(tag, b"", self._number(position + 4, 4), position + 8)
        vr = bytes(self.view[position + 4 : position + 6])
        if vr in SHORT_VRS:
            return _Head(tag, vr, self._number(position + 6, 2), position + 8)
        if vr in LONG_VRS:
            return _Head(tag, vr, self._number(position + 8, 4), position + 12)
        raise UnreadableImageError("A data element has no valid value representation for the transfer syntax of the file.")

    def element(self, head: _Head) -> tuple[Element, int]:
        """An element of the data set itself, and where the next begins."""
        if self._cut and head.tag == Tag.PIXEL_DATA and head.length != UNDEFINED:
            return Element(head.vr, self.view[head.start :], stated=head.length), len(self.view)
        end, position = self.extent(head, 0)
        return Element(head.vr, self.view[head.start : end], head.length == UNDEFINED), position

    def extent(self, head: _Head, depth: int) -> tuple[int, int]:
        """Where the value of an element ends, and where the next element begins."""
        if head.length != UNDEFINED:
            end = head.start + head.length
            if end > len(self.view):
                raise UnreadableImageError(TRUNCATED)
            return end, end
        if head.tag == Tag.PIXEL_DATA:
            return self._sequence(head.start, depth + 1, fragments=True)
        if head.vr == b"UN":
            return _Walker(self.view, IMPLICIT_LITTLE, self.budget)._sequence(head.start, depth + 1)
        if head.vr not in {b"SQ", b""}:
            raise UnreadableImageError("A data element that is no sequence has an undefined length.")
        return self._sequence(head.start, depth + 1)

    def items(self) -> list[memoryview]:
        """The values of the items, where the view is a sequence."""
        values = []
        position = 0
        while position < len(self.view):
            head = self.head(position)
            if head.tag != Tag.ITEM:
                raise UnreadableImageError("A sequence holds something other than items.")
            self.budget.spend(0)
            end, position = self._item(head, 0)
            values.append(self.view[head.start : end])
        return values

    def _sequence(self, position: int, depth: int, *, fragments: bool = False) -> tuple[int, int]:
        """Step over the items of a sequence of undefined length, or over fragments (PS3.5 A.4), to its delimiter."""
        while True:
            head = self.head(position)
            self.budget.spend(depth)
            if head.tag == Tag.SEQUENCE_DELIMITATION_ITEM:
                return position, head.start
            if head.tag != Tag.ITEM or (fragments and head.length == UNDEFINED):
                raise UnreadableImageError("A sequence holds something other than items.")
            _, position = self._item(head, depth)

    def _item(self, head: _Head, depth: int) -> tuple[int, int]:
        if head.length != UNDEFINED:
            return self.extent(head, depth)
        position = head.start
        while True:
            inner = self.head(position)
            if inner.tag == Tag.ITEM_DELIMITATION_ITEM:
                return position, inner.start
            self.budget.spend(depth)
            _, position = self.extent(inner, depth)

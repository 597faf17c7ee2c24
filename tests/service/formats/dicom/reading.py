"""Reads a structured report back without the library that wrote it: measurement groups, their numbers, codes, sites and remarks."""

from __future__ import annotations

import io
from dataclasses import dataclass, field

import pydicom
from pydicom.dataset import Dataset

GROUP, TRACKING, FINDING, SITE, COMMENT = "125007", "112039", "121071", "363698007", "121106"
AMONG = "IN-SET"


@dataclass
class Group:
    """One measurement group: numbers and judgements by the code of their name."""

    finding: str = ""
    site: str = ""
    side: str = ""
    numbers: dict[str, float] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    judged: dict[str, str] = field(default_factory=dict)
    among: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    outline: list[float] = field(default_factory=list)


def opened(data: bytes) -> Dataset:
    return pydicom.dcmread(io.BytesIO(data))


def groups(document: Dataset) -> dict[str, Group]:
    """Every measurement group by its tracking identifier."""
    found = {}
    for item in walk(document):
        if item.get("ConceptNameCodeSequence") and name(item) == GROUP:
            members = list(item.ContentSequence)
            tracking = next(each.TextValue for each in members if each.ValueType == "TEXT" and name(each) == TRACKING)
            found[tracking] = group(members)
    return found


def walk(item: Dataset) -> list[Dataset]:
    return [item, *(each for child in item.get("ContentSequence", []) for each in walk(child))]


def name(item: Dataset) -> str:
    return str(item.ConceptNameCodeSequence[0].CodeValue)


def group(members: list[Dataset]) -> Group:
    read = Group()
    for item in members:
        READERS.get(item.ValueType, lambda *_: None)(read, item)
    return read


def _number(read: Group, item: Dataset) -> None:
    number = item.MeasuredValueSequence[0]
    read.numbers[name(item)] = float(number.get("FloatingPointValue", number.NumericValue))
    read.units[name(item)] = number.MeasurementUnitsCodeSequence[0].CodeValue


def _code(read: Group, item: Dataset) -> None:
    code = str(item.ConceptCodeSequence[0].CodeValue)
    if name(item) == FINDING:
        read.finding = code
    elif name(item) == SITE:
        read.site = code
        read.side = next((str(each.ConceptCodeSequence[0].CodeValue) for each in item.get("ContentSequence", [])), "")
    elif name(item) == AMONG:
        read.among.append(code)
    else:
        read.judged[name(item)] = code


def _text(read: Group, item: Dataset) -> None:
    if name(item) == COMMENT:
        read.comments.append(item.TextValue)


def _image(read: Group, item: Dataset) -> None:
    read.images.append(str(item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID))


def _outline(read: Group, item: Dataset) -> None:
    read.outline = [float(value) for value in item.GraphicData]


READERS = {"NUM": _number, "CODE": _code, "TEXT": _text, "IMAGE": _image, "SCOORD": _outline}

"""Which instance of a study a model reads, and why not the others. Decides by headers alone, the same in any order of the files.

Reasons against an instance may stand in an error, so they name the attribute and what is accepted, never the file's value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from models.decode.image import Header, Side
from models.errors import Detail, MetadataConflictError, MissingImageError, UnsuitableImageError
from models.headers import check_one_patient, check_one_study
from models.spec import ImageInput

GREY = ("MONOCHROME1", "MONOCHROME2")
CODE_STRING = re.compile(r"[A-Z0-9_ ]{1,16}")  # CS, PS3.5 table 6.2-1
SQUARE_TOLERANCE = 0.02  # of the sides of a pixel
STATE_SIDE = "State the side in the metadata field laterality: left or right."
ONE_PICTURE = "Send one picture, or DICOM files, whose headers tell which of them fits."


@dataclass(frozen=True)
class Rejection:
    """An instance that is not read, and why, in plain words."""

    index: int
    reason: str


@dataclass(frozen=True)
class Selection:
    """The instance that is read, why, and what became of the others."""

    index: int
    reason: str
    rejected: tuple[Rejection, ...]


def select(image: ImageInput, headers: Sequence[Header], side: Side | None) -> Selection:
    """Choose the instance that fits an image input; `side` is the one that the request states.

    Of several that fit: a header before none, the stated side before an absent one, original before derived, more pixels, then
    the smaller SOP Instance UID.

    Raises MissingImageError for no instance; MetadataConflictError for more than one patient or study, and where all that fits is
    of the side that the request does not state; UnsuitableImageError where nothing fits, or several pictures without a header
    could each be it. The details give one reason for each instance.
    """
    if not headers:
        raise MissingImageError(f"No image was sent for the input {image.name}.")
    check_one_patient(headers)
    check_one_study(headers)
    reasons = [next(_objections(image, header, side), None) for header in headers]
    fitting = [index for index, reason in enumerate(reasons) if reason is None]
    if not fitting:
        raise _refusal(image, headers, reasons)
    if side is None and {"left", "right"} <= {headers[index].laterality for index in fitting}:
        raise UnsuitableImageError(f"Images of both sides were sent for the input {image.name}.", hint=STATE_SIDE)
    if sum(headers[index].format != "dicom" for index in fitting) > 1:
        raise UnsuitableImageError(f"Several pictures without a header were sent for the input {image.name}.", hint=ONE_PICTURE)
    chosen = min(fitting, key=lambda index: _rank(headers[index], side))
    words = fit(headers[chosen]) if len(fitting) == 1 else f"{fit(headers[chosen])}; the best of {len(fitting)} that fit"
    rejected = tuple(
        Rejection(index, reason or "fits too, but another fits better") for index, reason in enumerate(reasons) if index != chosen
    )
    return Selection(chosen, words, rejected)


def _objections(image: ImageInput, header: Header, side: Side | None) -> Iterator[str]:
    """What speaks against an instance, the most telling first."""
    if header.format == "dicom":
        yield from kind_objections(image, header)
        yield from view_objections(image, header)
        yield from _side_objections(image, header, side)
    yield from objections_to_shape(image, header)


def objections_to_shape(image: ImageInput, header: Header) -> Iterator[str]:
    """What speaks against a picture by its size."""
    if abs(header.pixel_aspect - 1) > SQUARE_TOLERANCE:
        yield "its pixels are not square: it would be read stretched"
    if min(header.rows, header.columns) < image.min_side_pixels:
        yield f"the shorter side has fewer than {image.min_side_pixels} pixels"


def kind_objections(image: ImageInput, header: Header) -> Iterator[str]:
    """What speaks against an instance by what it is: modality, SOP class, kind of image."""
    if header.modality not in image.modalities:
        yield f"modality is not {_either(image.modalities)}"
    if header.presentation_intent == "FOR PROCESSING" and header.sop_class_uid not in image.sop_classes:
        yield "the image is FOR PROCESSING"
    if header.sop_class_uid not in image.sop_classes:
        yield "SOP class is not one that this input reads"
    if "LOCALIZER" in header.image_type:
        yield "image type is LOCALIZER"
    if header.photometric_interpretation not in GREY:
        yield "the image is in colour"


def view_objections(image: ImageInput, header: Header) -> Iterator[str]:
    """What speaks against an instance by what it shows: body part, view, orientation."""
    if header.body_part and header.body_part not in image.body_parts:
        yield f"body part is not {_either(image.body_parts)}"
    if image.views and header.view_position and header.view_position not in image.views:
        yield f"view is not {_either(image.views)}"
    if image.orientation and header.orientation and header.orientation != image.orientation:
        yield "the image is turned or mirrored: its patient orientation is not the usual one"


def _side_objections(image: ImageInput, header: Header, side: Side | None) -> Iterator[str]:
    if side and header.laterality and header.laterality != side:
        yield "the image shows the other side than the request states"
    if _lacks_side(image, header, side):
        yield "the image shows two sides, and neither the request nor the header states one"


def _lacks_side(image: ImageInput, header: Header, side: Side | None) -> bool:
    two_sided = header.two_sided or header.body_part in image.two_sided_body_parts
    return two_sided and not (side or header.laterality)


def _refusal(image: ImageInput, headers: Sequence[Header], reasons: Sequence[str | None]) -> UnsuitableImageError | MetadataConflictError:
    """Why nothing fits; an instance that fits in all but its side tells what is to be done."""
    details = tuple(Detail(f"/images/{image.name}/{index}", reason or "") for index, reason in enumerate(reasons))
    told = f": {details[0].detail}" if len(details) == 1 else ""
    but_for_side = [header for header in headers if _fits_but_for_side(image, header)]
    if any(header.laterality for header in but_for_side):
        return MetadataConflictError("The side that the request states is not the side of the image.", details=details)
    return UnsuitableImageError(f"No image fits the input {image.name}{told}.", hint=STATE_SIDE if but_for_side else "", details=details)


def _fits_but_for_side(image: ImageInput, header: Header) -> bool:
    return header.format == "dicom" and not any(_objections(image, header, header.laterality or "left"))


def _rank(header: Header, side: Side | None) -> tuple[bool, bool, bool, int, str]:
    stated = header.laterality is not None and header.laterality == (side or header.laterality)
    original = header.image_type[:1] == ("ORIGINAL",)
    return (header.format != "dicom", not stated, not original, -header.rows * header.columns, header.sop_instance_uid)


def fit(header: Header) -> str:
    """Why an instance fits, and what its header left open."""
    if header.format != "dicom":
        return f"a {header.format.upper()} has no header to check"
    facts = {"modality": header.modality, "body part": header.body_part, "view": header.view_position, "side": header.laterality or ""}
    fits = ", ".join(f"{name} {_shown(value)}" for name, value in facts.items() if value)
    absent = " and ".join(name for name, value in facts.items() if not value)
    return f"{fits} fit" + (f"; the header does not state {absent}" if absent else "")


def _shown(value: str) -> str:
    """A value as it may stand in a message: only what the value representation allows, for anything else may be anything."""
    if not value:
        return "(absent)"
    return value if CODE_STRING.fullmatch(value) or value in {"left", "right"} else "(not a code)"


def _either(values: Sequence[str]) -> str:
    return " or ".join(values)

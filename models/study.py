"""Bytes and metadata in, tensors out: the whole way from a study to the network, for training, service and golden alike."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from models.decode import Limits, decode, read_header
from models.decode.image import Header, Side
from models.errors import Detail, MissingImageError, StudyError
from models.gate import GATE
from models.metadata import Fields, refuse_another_patient, resolve, training_range, validate
from models.prediction import DECODE, PREPROCESS, Quality, Reading, Tensors, UnusedImage, UsedImage
from models.preprocess import image_tensor, resize_of, sufficient_level, table_tensors, thumbnail, view_geometry
from models.select import Rejection, Selection, select
from models.spec import ImageInput, ModelSpec


@dataclass(frozen=True)
class Part:
    """One file of a study; `input` names the image input it was sent as, or None: whichever it fits."""

    data: bytes
    input: str | None = None


@dataclass(frozen=True)
class Study:
    """What somebody wants evaluated: files and metadata, as they came."""

    parts: tuple[Part, ...]
    metadata: dict[str, object]


@dataclass(frozen=True)
class _Candidates:
    """The files that may be one image input, their headers, and which of them was chosen."""

    image: ImageInput
    parts: tuple[Part, ...]
    headers: tuple[Header | StudyError, ...]
    selection: Selection

    @property
    def header(self) -> Header:
        """The header of the file that was chosen."""
        header = self.headers[self.selection.index]
        assert isinstance(header, Header)  # noqa: S101  only a readable file is chosen
        return header


def read_study(spec: ModelSpec, study: Study, limits: Limits) -> Reading:
    """Select, decode and preprocess.

    Raises
    ------
    StudyError
        Whatever is wrong with the study: see models.errors.
    """
    timing_ms: dict[str, float] = {}
    request = validate(spec.table, study.metadata)
    with _timed(timing_ms, DECODE):
        side = request.get("laterality")
        chosen = [_choose(image, study, limits, _side(side)) for image in spec.images]
    for header in (header for candidates in chosen for header in candidates.headers if isinstance(header, Header)):
        refuse_another_patient(spec.table, request, header)
    values, reservations = resolve(spec.table, request, chosen[0].header)
    side = values["laterality"].value if "laterality" in values else None
    tensors: Tensors = {}
    thumbnails: Tensors = {}
    used = tuple(_read_image(candidates, limits, _side(side), tensors, thumbnails, timing_ms) for candidates in chosen)
    tensors |= table_tensors(spec.table, values)
    seen = [check for candidates in chosen for check in (_body_part(candidates), _view(candidates), _annotation(candidates))]
    quality = (*seen, *_laterality(spec, values), *reservations, training_range(spec, values))
    return Reading(tensors, used, tuple(_unused(chosen)), values, quality, timing_ms, thumbnails)


def _choose(image: ImageInput, study: Study, limits: Limits, side: Side | None) -> _Candidates:
    parts = tuple(part for part in study.parts if part.input in {None, image.name})
    if not parts:
        raise MissingImageError(f"no file came for the image input {image.name!r}")
    headers = [_header(part, limits, alone=len(parts) == 1) for part in parts]
    readable = [index for index, header in enumerate(headers) if isinstance(header, Header)]
    if not readable:
        raise _first_error(image, headers)
    selection = select(image, [header for header in headers if isinstance(header, Header)], side)
    rejected = [Rejection(readable[rejection.index], rejection.reason) for rejection in selection.rejected]
    rejected += [Rejection(index, str(error)) for index, error in enumerate(headers) if isinstance(error, StudyError)]
    return _Candidates(image, parts, tuple(headers), Selection(readable[selection.index], selection.reason, tuple(rejected)))


def _header(part: Part, limits: Limits, *, alone: bool) -> Header | StudyError:
    """One file's header; a file among others that cannot be read is no reason to refuse the study."""
    try:
        return read_header(part.data, limits)
    except StudyError as error:
        if alone:
            raise
        return error


def _first_error(image: ImageInput, errors: Sequence[Header | StudyError]) -> StudyError:
    """Of several files none can be read: the first one's error, with the reason of each."""
    found = [error for error in errors if isinstance(error, StudyError)]
    details = tuple(Detail(f"/images/{image.name}/{index}", str(error)) for index, error in enumerate(found))
    return type(found[0])(str(found[0]), hint=found[0].hint, details=details)


def _read_image(
    candidates: _Candidates, limits: Limits, side: Side | None, tensors: Tensors, thumbnails: Tensors, timing_ms: dict[str, float]
) -> UsedImage:
    """Decode and preprocess the chosen file into `tensors` and `thumbnails`, and say where it came from."""
    part, header = candidates.image, candidates.header
    data = candidates.parts[candidates.selection.index].data
    with _timed(timing_ms, DECODE):
        level = sufficient_level(part, view_geometry(part, header, side))
        image = decode(data, header, limits, apply_voi=part.intensity.apply_voi, level=level)
    with _timed(timing_ms, PREPROCESS):
        tensors[part.name], geometry = image_tensor(part, image, side)
        thumbnails[part.name] = thumbnail(image, GATE.size, GATE.intensity)
    return UsedImage(
        input=part.name,
        sha256=hashlib.sha256(data).hexdigest(),
        sop_instance_uid=header.sop_instance_uid,
        transfer_syntax=header.transfer_syntax,
        photometric_interpretation=header.photometric_interpretation,
        rows=header.rows,
        columns=header.columns,
        decoder=image.decoder,
        resolution_level=image.grid.level,
        lut=image.lut,
        geometry=geometry,
        resize=resize_of(part),
        chosen_because=candidates.selection.reason,
        body_part=header.body_part,
    )


def _unused(chosen: list[_Candidates]) -> Iterator[UnusedImage]:
    for candidates in chosen:
        for rejection in candidates.selection.rejected:
            digest = hashlib.sha256(candidates.parts[rejection.index].data).hexdigest()
            yield UnusedImage(candidates.image.name, digest, rejection.reason)


def _body_part(candidates: _Candidates) -> Quality:
    header, accepted = candidates.header, " or ".join(candidates.image.body_parts)
    if header.body_part:
        return Quality("body_part", passed=True, detail=f"the header states {header.body_part}")
    silent = "the header does not state the body part" if header.format == "dicom" else f"a {header.format.upper()} has no header"
    return Quality("body_part", passed=False, detail=f"{silent}: nothing shows that this is a {accepted}")


def _view(candidates: _Candidates) -> Quality:
    stated, accepted = candidates.header.view_position, " or ".join(candidates.image.views)
    return Quality("view", bool(stated), f"the header states {stated}" if stated else f"nothing shows that the view is {accepted}")


def _annotation(candidates: _Candidates) -> Quality:
    stated = candidates.header.burned_in
    detail = "the header states burned-in annotation: text may lie over the picture" if stated else "the header states none"
    return Quality("burned_in_annotation", passed=not stated, detail=detail)


def _laterality(spec: ModelSpec, values: Fields) -> Iterator[Quality]:
    if any(image.mirror_side for image in spec.images):
        side, source = values["laterality"].value, values["laterality"].source
        detail = f"{side} ({source})" if side else "not stated: the image was read as it lies"
        yield Quality("laterality", side is not None, detail)


def _side(value: object) -> Side | None:
    return "left" if value == "left" else "right" if value == "right" else None


@contextmanager
def _timed(timing_ms: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    timing_ms[stage] = timing_ms.get(stage, 0.0) + 1000 * (time.perf_counter() - start)

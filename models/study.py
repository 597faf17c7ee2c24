"""Bytes and metadata in, tensors out: the whole way from a study to the network, for training, service and golden alike."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from models.chosen import Chosen, Timing, read_picture, timed
from models.decode import Header, Limits, Patient, Side
from models.decode.nifti import is_nifti
from models.decode.part10 import is_dicom
from models.errors import (
    Detail,
    MetadataConflictError,
    MissingGenotypesError,
    MissingImageError,
    UnsuitableGenotypesError,
    UnsuitableImageError,
)
from models.genotypes import GenotypeReading, is_genotypes, read_genotypes
from models.headers import check_one_patient, digest_of
from models.metadata import Fields, refuse_another_patient, resolve, training_range, validate
from models.pictures import choose_picture
from models.prediction import DECODE, Quality, Reading, Tensors, UnusedImage, named
from models.preprocess import table_tensors
from models.sections import choose_section
from models.spec import Genotypes, ImageInput, ModelSpec

YEARS_BETWEEN = 2.0  # of one patient's images: one year between them, and one that whole years in headers leave open
NAME_IT = "Send it under the name of the input that it is for; only DICOM files say themselves what they are."


class NoPanelError(ValueError):
    """The spec lacks the panel that export stamps into it: a fault of whoever calls, not of the study."""


@dataclass(frozen=True, init=False)
class Part:
    """One file of a study, in the pieces that it came in: to join those of a mammogram takes as long as to receive them.

    `input` names the image input or the genotypes that it was sent as, or None: whichever it fits.
    """

    pieces: tuple[bytes, ...]
    input: str | None

    def __init__(self, data: bytes | Iterable[bytes], input: str | None = None) -> None:  # noqa: A002
        object.__setattr__(self, "pieces", (data,) if isinstance(data, bytes) else tuple(data))
        object.__setattr__(self, "input", input)

    @property
    def data(self) -> bytes:
        """The whole file; a copy, unless it is of one piece."""
        return b"".join(self.pieces)


@dataclass(frozen=True)
class Study:
    """What somebody wants evaluated: files and metadata, as they came."""

    parts: tuple[Part, ...]
    metadata: dict[str, object]


def read_study(spec: ModelSpec, study: Study, limits: Limits) -> Reading:
    """Select, decode and preprocess.

    Raises
    ------
    StudyError
        Whatever is wrong with the study: see models.errors.
    """
    timing_ms: Timing = {}
    request = validate(spec.table, study.metadata)
    candidates = {image.name: _candidates(spec, study, image) for image in spec.images}
    with timed(timing_ms, DECODE):
        chosen = [_choose(image, study, candidates[image.name], limits, _side(request.get("laterality"))) for image in spec.images]
    headers = list(dict.fromkeys(header for each in chosen for header in each.headers))
    check_one_patient(headers, YEARS_BETWEEN)
    for header in headers:
        refuse_another_patient(spec.table, request, header)
    values, reservations = resolve(spec.table, request, _together(chosen))
    side = _side(values["laterality"].value if "laterality" in values else None)
    tensors: Tensors = {}
    thumbnails: Tensors | None = {} if limits.thumbnails else None
    used = tuple(read_picture(each, side, tensors, thumbnails, timing_ms) for each in chosen)
    _refuse_repeated([image.sha256 for image in used])
    tensors |= table_tensors(spec.table, values)
    genotypes = [_read_genotypes(part, spec, study, timing_ms) for part in (spec.genotypes,) if part]
    tensors |= {each.used.input: each.tensor for each in genotypes}
    seen = [named(each.image.name, check, alone=len(chosen) == 1) for each in chosen for check in each.checks()]
    seen += [check for each in genotypes for check in each.quality]
    quality = (*seen, *_laterality(spec, values), *reservations, training_range(spec, values))
    unused, read = tuple(_unused(study, candidates, chosen)), next((each.used for each in genotypes), None)
    return Reading(tensors, used, unused, values, quality, timing_ms, thumbnails or {}, read)


def _candidates(spec: ModelSpec, study: Study, image: ImageInput) -> tuple[int, ...]:
    """The files that may be an image input: those sent as it, and those sent as none."""
    unnamed = {index: part.data for index, part in enumerate(study.parts) if part.input is None and not _may_be_genotypes(spec, part)}
    if len(spec.images) > 1 and any(is_nifti(data) or not is_dicom(data) for data in unnamed.values()):
        raise UnsuitableImageError("A file without a header does not say which input it is for.", hint=NAME_IT)
    return tuple(index for index, part in enumerate(study.parts) if index in unnamed or part.input == image.name)


def _may_be_genotypes(spec: ModelSpec, part: Part) -> bool:
    """Whether a file is the genotypes that a model reads: by its name, or by its content where it has none."""
    return spec.genotypes is not None and (part.input == spec.genotypes.name or (part.input is None and is_genotypes(part.data)))


def _read_genotypes(part: Genotypes, spec: ModelSpec, study: Study, timing_ms: Timing) -> GenotypeReading:
    files = [each.data for each in study.parts if _may_be_genotypes(spec, each)]
    if not files:
        raise MissingGenotypesError(f"no file came for {part.name!r}")
    if len(files) > 1:
        raise UnsuitableGenotypesError(f"More than one file was sent for {part.name!r}.")
    if spec.measured is None or spec.measured.panel is None:
        raise NoPanelError(f"{spec.name}: there is no panel to read genotypes against")
    with timed(timing_ms, DECODE):
        return read_genotypes(files[0], spec.measured.panel, part)


def _choose(image: ImageInput, study: Study, candidates: Sequence[int], limits: Limits, side: Side | None) -> Chosen:
    if not candidates:
        raise MissingImageError(f"no file came for the image input {image.name!r}")
    files = [study.parts[index].data for index in candidates]
    return choose_section(image, files, limits) if image.plane else choose_picture(image, files, limits, side)


def _together(chosen: Sequence[Chosen]) -> Header:
    """The header of the first image, with what only the others say of the patient."""
    said = [vars(each.header.patient) for each in chosen]
    first = {name: next((patient[name] for patient in said if patient[name] is not None), None) for name in vars(Patient())}
    return replace(chosen[0].header, patient=Patient(**first))


def _refuse_repeated(digests: Sequence[str]) -> None:
    if len(set(digests)) < len(digests):
        raise MetadataConflictError(
            "The same image was sent for two inputs.", details=tuple(Detail("/images", "sent twice") for _ in digests[1:])
        )


def _unused(study: Study, candidates: dict[str, tuple[int, ...]], chosen: Sequence[Chosen]) -> Iterator[UnusedImage]:
    """What was rejected, but for what another input took."""
    taken = {candidates[each.image.name][index] for each in chosen for index in each.files}
    for each in chosen:
        mine = candidates[each.image.name]
        for rejected in each.rejected:
            files = [mine[index] for index in rejected.files if mine[index] not in taken]
            if files:
                digests = [hashlib.sha256(study.parts[index].data).hexdigest() for index in files]
                yield UnusedImage(each.image.name, digest_of(digests), rejected.reason, len(files))


def _laterality(spec: ModelSpec, values: Fields) -> Iterator[Quality]:
    if any(image.mirror_side for image in spec.images):
        side, source = values["laterality"].value, values["laterality"].source
        detail = f"{side} ({source})" if side else "not stated: the image was read as it lies"
        yield Quality("laterality", side is not None, detail)


def _side(value: object) -> Side | None:
    return "left" if value == "left" else "right" if value == "right" else None

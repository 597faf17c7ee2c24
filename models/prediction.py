"""The nouns that leave the pipeline: a Reading (a study made ready for the network) and a Prediction (its answer)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.spec import Code

Tensors = dict[str, NDArray[np.float32]]
Value = float | str | tuple[str, ...]  # a number, a category, or several
DECODE, PREPROCESS, POSTPROCESS = "decode", "preprocess", "postprocess"  # stage names, as they stand in `timing_ms`


class InvalidOutputError(ValueError):
    """The network returned something that is not an answer: not finite, implausible, or attention that is no distribution."""


@dataclass(frozen=True)
class Geometry:
    """How the network's view lies on the original pixels: the crop, its mirroring, and the square it was padded to.

    A point (u, v) of the network's view, both in [0, 1], lies at column ``left + (u * side - pad_left)`` of the original
    (mirrored within the crop where `mirrored`) and at row ``top + (v * side - pad_top)``.
    """

    top: int
    left: int
    height: int
    width: int
    side: int
    pad_top: int
    pad_left: int
    mirrored: bool

    def original(self, u: float, v: float) -> tuple[float, float]:
        """Column and row of the original for a point of the view, from the outer corner of its first pixel."""
        column = u * self.side - self.pad_left
        return self.left + (self.width - column if self.mirrored else column), self.top + v * self.side - self.pad_top


@dataclass(frozen=True)
class Resize:
    """How the square became the network's picture; then grey values were stretched between two of its percentiles."""

    rows: int
    columns: int
    filter: str
    low_percentile: float
    high_percentile: float


@dataclass(frozen=True)
class Plane:
    """A plane that was cut out of a volume, in pixels that are square; `origin_mm` is the centre of the first of them.

    In DICOM's coordinates: x to the patient's left, y to the back, z to the head. In a sagittal plane rows lead to the feet and columns
    to the back: row r, column c lies at ``origin_mm + (0, c * spacing_mm, -r * spacing_mm)``.
    """

    name: str
    origin_mm: tuple[float, float, float]
    spacing_mm: float
    volume: tuple[int, int, int]  # slices, rows and columns of what it was cut out of


@dataclass(frozen=True)
class UsedImage:
    """Provenance of one image that was read: all that it takes to make the network's tensor from the file again.

    `sha256` is that of the file. Of several files, it is the SHA-256 of their SHA-256 digests (32 bytes each) in the order of the slices.
    """

    input: str
    sha256: str
    sop_instance_uid: str
    transfer_syntax: str
    photometric_interpretation: str
    rows: int
    columns: int
    decoder: str
    resolution_level: int  # each level halves both sides; 0 is the whole picture
    lut: str  # what made grey values out of stored ones
    geometry: Geometry
    resize: Resize
    chosen_because: str
    body_part: str = ""  # as the header states it
    files: int = 1
    series_instance_uid: str = ""  # of a volume; its instances are then not named one by one
    plane: Plane | None = None  # of a volume; `rows`, `columns` and `geometry` are then those of the plane
    study_instance_uid: str = ""
    instance_uids: tuple[str, ...] = ()  # of all files that were read, for results that refer to them


@dataclass(frozen=True)
class UnusedImage:
    """An image, or the files of a series, that came with the study and was not read, and why; `sha256` as of a used one."""

    input: str
    sha256: str
    rejected_because: str
    files: int = 1


@dataclass(frozen=True)
class UsedGenotypes:
    """Provenance of the genotypes that were read: the file, and how many variants of which panel it calls."""

    input: str
    sha256: str
    format: str
    panel: str
    panel_digest: str
    called: int
    variants: int


@dataclass(frozen=True)
class FieldValue:
    """One metadata field as it was used. `value` is None exactly when `source` is "missing"."""

    value: Value | None
    source: str  # request, dicom, derived or missing


@dataclass(frozen=True)
class Quality:
    """One check and its outcome; a check that did not pass is a reservation about the answer."""

    check: str
    passed: bool
    detail: str


def named(image: str, check: Quality, *, alone: bool) -> Quality:
    """A check that says which image it is about, where there are several."""
    return check if alone else replace(check, detail=f"{image}: {check.detail}")


@dataclass(frozen=True)
class Reading:
    """A study ready for the network: tensors without a batch axis, and where every part of them came from."""

    tensors: Tensors
    images: tuple[UsedImage, ...]
    unused_images: tuple[UnusedImage, ...]
    metadata: dict[str, FieldValue]
    quality: tuple[Quality, ...]
    timing_ms: dict[str, float]
    thumbnails: Tensors = field(default_factory=dict)  # image input -> (1, S, S) in [0, 1], for the gate
    genotypes: UsedGenotypes | None = None


@dataclass(frozen=True)
class Interval:
    """The range that holds the true value with probability `level`."""

    level: float
    low: float
    high: float


@dataclass(frozen=True)
class Measurement:
    """A number with a unit and a code."""

    name: str
    value: float
    unit: str
    code: Code
    interval: Interval | None = None
    reference: str | None = None
    category: str | None = None
    scale: str | None = None
    finding_site: Code | None = None
    laterality: str | None = None


@dataclass(frozen=True)
class Finding:
    """What a model reports: a probability, and the threshold it was judged by."""

    name: str
    probability: float
    threshold: float
    positive: bool
    code: Code
    finding_site: Code | None = None
    reservation: str | None = None  # why nobody should act on it


@dataclass(frozen=True)
class FieldWeight:
    """The attention that one metadata field received."""

    field: str
    weight: float


@dataclass(frozen=True)
class AttentionMap:
    """Attention over one image, row-major in the network's own grid, with the geometry to lay it over the original."""

    input: str
    rows: int
    columns: int
    values: tuple[tuple[float, ...], ...]
    geometry: Geometry


@dataclass(frozen=True)
class Region:
    """A box that the network looked into, in [0, 1] of its own view of an image."""

    input: str
    name: str
    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True)
class Share:
    """What one field or modality adds to an answer."""

    name: str
    value: float


@dataclass(frozen=True)
class Explanation:
    """Why one number of the answer is what it is: maps over images, or shares that add up to the answer less the baseline."""

    of: str  # the measurement or finding
    answer: float
    maps: tuple[AttentionMap, ...] = ()  # Grad-CAM: what speaks for it, summing to 1; LIME: what the piece there adds
    shares: tuple[Share, ...] = ()
    baseline: float | None = None  # the answer with nothing of what the shares are about
    over: Literal["", "fields", "modalities"] = ""  # what the shares are of
    fit: float | None = None  # weighted R2 of the linear model that made a map
    note: str = ""


@dataclass(frozen=True)
class ClassSet:
    """Exclusive classes, by the names of their findings, among which the true one is with probability `level`."""

    level: float
    findings: tuple[str, ...]


@dataclass(frozen=True)
class Prediction:
    """The one answer, from which every rendering is made; `provider` is where the network ran, if that can change while it is served."""

    measurements: tuple[Measurement, ...]
    findings: tuple[Finding, ...]
    metadata_attention: tuple[FieldWeight, ...]
    image_attention: tuple[AttentionMap, ...]
    reading: Reading
    quality: tuple[Quality, ...]
    timing_ms: dict[str, float]
    regions: tuple[Region, ...] = ()
    prediction_sets: tuple[ClassSet, ...] = ()
    explanations: dict[str, tuple[Explanation, ...]] = field(default_factory=dict)
    provider: str = ""

    def set_of(self, findings: Sequence[Finding]) -> ClassSet | None:
        """Which of these exclusive classes may be the true one, if that is told."""
        names = {finding.name for finding in findings}
        return next((each for each in self.prediction_sets if names.issuperset(each.findings)), None)

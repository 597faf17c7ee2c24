"""The answer of POST /predict/{model}: names, units and shapes that a client may rely on. Absent, never null."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from models.prediction import Prediction
from service.api.ids import uuid7
from service.predictor import Identity


class Out(BaseModel):
    """A part of the answer, built from the noun of the same name; a number that is not finite is refused."""

    model_config = ConfigDict(from_attributes=True, allow_inf_nan=False, frozen=True)


Optional = Annotated[str | None, BeforeValidator(lambda value: value or None)]  # what a file does not say is absent from the answer


class CodeOut(Out):
    """A coded concept (PS3.3 section 8)."""

    value: str
    scheme_designator: str
    meaning: str


class ModelIdentityOut(Out):
    """Which network answered, and what it is for."""

    name: str
    version: str
    digest: str = Field(description="sha256 of model.onnx")
    spec_digest: str = Field(description="sha256 of the declaration that it was exported from")
    training_data: str
    intended_use: str
    execution_provider: str
    variant: str = Field(description="fp32, or the certified faster variant that was chosen in the settings: int8, fp16 or fp16u8")


class IntervalOut(Out):
    """The range that holds the true value with probability `level`."""

    level: float
    low: float
    high: float


class MeasurementOut(Out):
    """A number with a unit."""

    name: str
    value: float
    unit: str = Field(description="UCUM")
    code: CodeOut
    interval: IntervalOut | None = None
    reference: Optional = None
    category: Optional = Field(None, description="WHO category, where it applies")
    scale: Optional = None
    finding_site: CodeOut | None = None
    laterality: Optional = None


class FindingOut(Out):
    """A probability, and the threshold it was judged by."""

    name: str
    probability: float = Field(ge=0, le=1)
    threshold: float
    positive: bool
    code: CodeOut
    finding_site: CodeOut | None = None
    reservation: Optional = Field(None, description="Why nobody should act on this finding, where there is a reason")


class FieldWeightOut(Out):
    """The attention that one metadata field received."""

    field: str
    weight: float


class GeometryOut(Out):
    """How the network's view lies on the original pixels: a crop, mirrored or not, padded to a square of `side` pixels.

    A point (u, v) of the view, both in [0, 1], lies at column left + (u * side - pad_left) of the original (mirrored within
    the crop where `mirrored`) and at row top + (v * side - pad_top).
    """

    top: int
    left: int
    height: int
    width: int
    side: int
    pad_top: int
    pad_left: int
    mirrored: bool


class AttentionMapOut(Out):
    """Attention over one image, row-major in the network's own grid."""

    input: str
    rows: int
    columns: int
    values: tuple[tuple[float, ...], ...]
    geometry: GeometryOut


class RegionOut(Out):
    """A box that the network looked into, in [0, 1] of its own view of an image."""

    input: str
    name: str
    x0: float
    y0: float
    x1: float
    y1: float


class AttentionOut(Out):
    """What the network looked at; the weights over the metadata sum to 1 over the fields that were present."""

    metadata: tuple[FieldWeightOut, ...]
    images: tuple[AttentionMapOut, ...]
    regions: tuple[RegionOut, ...] | None = Field(None, description="of a model that looks into boxes")


class ShareOut(Out):
    """What one field or modality adds to an answer."""

    name: str
    value: float


class ExplanationOut(Out):
    """Why one number of the answer is what it is."""

    of: str = Field(description="the measurement or finding")
    answer: float
    maps: tuple[AttentionMapOut, ...] = Field((), description="gradcam: what speaks for it, summing to 1; lime: what each piece adds")
    shares: tuple[ShareOut, ...] = Field((), description="exact Shapley values: they add up to the answer less the baseline")
    baseline: float | None = None
    over: Optional = Field(None, description="what the shares are of: fields, or modalities")
    fit: float | None = Field(None, description="weighted R2 of the linear model that made the map")
    note: Optional = None


class ResizeOut(Out):
    """How the square became the network's picture; then grey values were stretched between two of its percentiles."""

    rows: int
    columns: int
    filter: str
    low_percentile: float
    high_percentile: float


class PlaneOut(Out):
    """A plane that was cut out of a volume: row r, column c of it lies at ``origin_mm + (0, c * spacing_mm, -r * spacing_mm)``."""

    name: str
    origin_mm: tuple[float, float, float] = Field(description="x to the patient's left, y to the back, z to the head")
    spacing_mm: float
    volume: tuple[int, int, int] = Field(description="slices, rows and columns of the volume")


class ImageOut(Out):
    """One image that was read, and all that it takes to make the network's tensor from the file again."""

    input: str
    sha256: str = Field(description="of the file; of several, of their digests in the order of the slices")
    files: int
    sop_instance_uid: Optional = None
    series_instance_uid: Optional = Field(None, description="of a volume, whose instances are not named one by one")
    transfer_syntax: Optional = None
    photometric_interpretation: Optional = None
    rows: int
    columns: int
    decoder: str
    resolution_level: int = Field(0, description="each level halves both sides; 0 is the whole picture")
    lut: str = Field(description="what made grey values out of stored ones")
    geometry: GeometryOut
    resize: ResizeOut
    plane: PlaneOut | None = Field(None, description="of a volume; rows, columns and geometry are then those of the plane")
    chosen_because: str


class UnusedImageOut(Out):
    """One image, or the files of a series, that was not read, and why."""

    input: str
    sha256: str
    files: int
    rejected_because: str


class GenotypesOut(Out):
    """The genotypes that were read: the file, and how many variants of which panel it calls."""

    input: str
    sha256: str
    format: str
    panel: str
    panel_digest: str
    called: int
    variants: int


class FieldValueOut(Out):
    """One metadata field as it was used; without a value where it is missing."""

    value: float | str | tuple[str, ...] | None = None
    source: str = Field(description="request, dicom, derived or missing")


class InputsOut(Out):
    """What was read, and where every part of it came from."""

    images: tuple[ImageOut, ...]
    unused_images: tuple[UnusedImageOut, ...] = ()
    genotypes: GenotypesOut | None = None
    metadata: dict[str, FieldValueOut]


class QualityOut(Out):
    """One check; one that did not pass is a reservation about the answer."""

    check: str
    passed: bool
    detail: str


class ClassSetOut(Out):
    """Exclusive classes among which the true one is with probability `level` (split-conformal, on cases like those of training)."""

    level: float
    findings: tuple[str, ...] = Field(min_length=1)


class PredictionOut(Out):
    """The answer."""

    id: str = Field(description="UUID version 7")
    model: ModelIdentityOut
    measurements: tuple[MeasurementOut, ...]
    findings: tuple[FindingOut, ...]
    prediction_sets: tuple[ClassSetOut, ...] | None = Field(None, description="Of exclusive classes; absent for models that have none")
    attention: AttentionOut
    explanations: dict[str, tuple[ExplanationOut, ...]] = {}
    inputs: InputsOut
    quality: tuple[QualityOut, ...]
    timing_ms: dict[str, float] = Field(description="Milliseconds of decode, preprocess, queue, infer and postprocess")

    @classmethod
    def of(cls, identity: Identity, prediction: Prediction) -> PredictionOut:
        """The answer that a prediction of this network makes.

        Raises
        ------
        pydantic.ValidationError
            A number is not finite.
        """
        reading = prediction.reading
        return cls.model_validate({
            "id": uuid7(),
            "model": identity_of(identity),
            "measurements": prediction.measurements,
            "findings": prediction.findings,
            "prediction_sets": prediction.prediction_sets or None,
            "attention": {
                "metadata": prediction.metadata_attention, "images": prediction.image_attention, "regions": prediction.regions or None,
            },
            "explanations": prediction.explanations,
            "inputs": {
                "images": reading.images, "unused_images": reading.unused_images, "genotypes": reading.genotypes,
                "metadata": reading.metadata,
            },
            "quality": prediction.quality,
            "timing_ms": {stage: round(milliseconds, 3) for stage, milliseconds in prediction.timing_ms.items()},
        })

    def to_json(self, indent: int | None = None) -> bytes:
        """The answer as JSON, without what is absent."""
        return self.model_dump_json(exclude_none=True, indent=indent).encode()


def identity_of(identity: Identity) -> ModelIdentityOut:
    """Which network answers."""
    spec = identity.spec
    return ModelIdentityOut(
        name=spec.name, version=spec.version, digest=identity.digest, spec_digest=identity.spec_digest,
        training_data=identity.training_data, intended_use=spec.intended_use,
        execution_provider=identity.provider, variant=identity.variant,
    )

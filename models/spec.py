"""ModelSpec: one frozen value that says what a model is. Read by every step, stamped into the artifact. Data only.

Training, export and service read the same declaration, so a mean, a unit, a label or a threshold is written down once.
What training measures (error distribution, field ranges) travels in `Measured` and does not count in the digest.
"""

from __future__ import annotations

import hashlib
from typing import Literal, Self

from models.measured import Calibration, ErrorDistribution, Frozen, Measured, Panel, Range, SetRule, Variant

__all__ = ["Calibration", "ErrorDistribution", "Frozen", "Measured", "Panel", "Range", "SetRule", "Variant"]  # and what is declared here

LOCAL_SCHEME = "99CHIASM"  # the one private coding scheme of the project; PS3.16 8.2: private designators begin with 99


class Code(Frozen):
    """A coded concept: the fields of `pydicom.sr.coding.Code`, in its order (PS3.3 section 8)."""

    value: str
    scheme_designator: str
    meaning: str


class Intensity(Frozen):
    """How stored pixel values become [0, 1]; the same for DICOM, PNG and JPEG.

    The greyscale pipeline comes first (Modality LUT, VOI LUT where `apply_voi`, Presentation LUT, MONOCHROME1: PS3.4 N.2),
    then the range between the two percentiles of the image is stretched to [0, 1] and the rest clipped, so that detector
    gain and offset do not reach the network.
    """

    apply_voi: bool
    low_percentile: float
    high_percentile: float


class ImageInput(Frozen):
    """One image the model reads, which instances of a study may be it, and how its pixels become a tensor."""

    name: str
    description: str
    shape: tuple[int, int, int]  # channels, height, width
    mean: tuple[float, ...]  # per channel, after scaling to [0, 1]
    std: tuple[float, ...]
    intensity: Intensity
    modalities: tuple[str, ...]
    sop_classes: tuple[str, ...]
    body_parts: tuple[str, ...]  # Body Part Examined (0018,0015); an absent one passes with a flag
    two_sided_body_parts: tuple[str, ...] = ()  # these show both sides: the half on the stated side is cropped out
    views: tuple[str, ...] = ()  # View Position (0018,5101); an absent one passes with a flag
    orientation: tuple[str, str] | None = None  # Patient Orientation (0020,0020) that the network knows; an absent one passes
    mirror_side: Literal["left", "right"] | None = None  # images of this side are mirrored, so that all look alike
    min_side_pixels: int = 1
    plane: Literal["mid_sagittal"] | None = None  # of a volume (a series, NIfTI), found by geometry; a single slice is read as it is


class Field(Frozen):
    """One metadata field. Units stand in the name and, as UCUM, in `unit`."""

    name: str
    kind: Literal["number", "category", "categories"]
    description: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    levels: tuple[str, ...] = ()  # a category's values; the position is the embedding index, or the place in a multi-hot vector
    single: bool = False  # categories of which at most one holds, as a one-hot vector
    aliases: tuple[tuple[str, str], ...] = ()  # other spellings, upper case with underscores, and the level that each stands for
    excluded_by: tuple[tuple[str, str], ...] = ()  # (field, level): with it, a value of this field is a contradiction
    required: bool = False
    log1p: bool = False  # skewed quantities are compressed before standardisation
    header: Literal["age_years", "sex", "height_cm", "weight_kg", "laterality"] | None = None
    header_tolerance: float | None = None  # a request further than this from the header contradicts it; None: never
    derivation: Literal["copy", "body_mass_index"] | None = None
    derived_from: tuple[str, ...] = ()
    derived_tolerance: float | None = None  # a given value further than this from the derived one is a contradiction
    network: bool = True  # False: used to read the image (laterality) or to know the patient, not fed to the network

    @property
    def width(self) -> int:
        """How many numbers of the tensor it takes."""
        return len(self.levels) if self.kind == "categories" else 1


class TabularInput(Frozen):
    """The metadata beside the image: tensor `name` (W,) in natural units and tensor `mask` (F,), 1 where present.

    W is the sum of the fields' widths; a model that reads no field has neither tensor.
    """

    name: str
    mask: str
    fields: tuple[Field, ...]

    @property
    def network_fields(self) -> tuple[Field, ...]:
        """The fields that the network sees, in the order of its tensors."""
        return tuple(field for field in self.fields if field.network)


class BelowThreshold(Frozen):
    """A finding: the true value of a regression lies below a T-score. Its probability comes from the error distribution."""

    name: str
    t_score: float
    inclusive: bool  # whether the boundary itself is positive: WHO includes -2.5, and leaves -1.0 normal
    threshold: float  # the probability from which the finding is positive
    code: Code


class TScore(Frozen):
    """T = (value - mean) / sd of a young reference population, and the WHO category where it applies."""

    name: str
    unit: str
    code: Code
    mean: float
    sd: float
    reference: str
    category_from_age: float  # years; WHO categories apply to postmenopausal women and men from 50 (ISCD)
    age_field: str


class Regression(Frozen):
    """A number with a unit: tensor (B, 1)."""

    tensor: str
    name: str
    unit: str
    code: Code
    scale: str
    finding_site: Code
    low: float  # an answer outside [low, high] is a fault of the model, not an answer
    high: float
    t_score: TScore
    findings: tuple[BelowThreshold, ...]
    context: tuple[str, ...] = ()  # fields without which the image is read much less exactly: then the wider interval holds


class Class(Frozen):
    """One class of a classification, and the probability from which it is positive; None: where it is the likeliest of all."""

    name: str
    code: Code
    threshold: float | None = 0.5
    finding_site: Code | None = None


class Classification(Frozen):
    """Probabilities: tensor (B, K). Exclusive ones sum to 1 and exactly one is positive."""

    tensor: str
    exclusive: bool
    classes: tuple[Class, ...]
    none_of_the_others: str | None = None  # this class says that no other holds: at most as probable as the rarest of them lets it be
    beside: tuple[str, ...] = ()  # classes that may hold beside `none_of_the_others`


class Genotypes(Frozen):
    """Genotypes against the artifact's panel: tensor `name` (V,), copies of the alternate allele (0, 1, 2), -1 where not called."""

    name: str
    description: str
    max_missing: float  # share of the panel


class MetadataAttention(Frozen):
    """Attention over the metadata fields: tensor (B, F), summing to 1 over the fields that were present."""

    tensor: str
    input: str


class ImageAttention(Frozen):
    """Attention over the image, in the network's own grid: tensor (B, rows, columns), summing to 1."""

    tensor: str
    input: str
    rows: int
    columns: int


class Regions(Frozen):
    """Boxes that a network looked into: tensor (B, len(names), 4) of x0, y0, x1, y1 in [0, 1] of its own view."""

    tensor: str
    input: str
    names: tuple[str, ...]


class ModelSpec(Frozen):
    """What a model is: inputs, outputs, codes, thresholds and intended use."""

    name: str
    version: str
    title: str
    intended_use: str
    limitations: tuple[str, ...]
    images: tuple[ImageInput, ...]
    table: TabularInput
    genotypes: Genotypes | None = None
    regressions: tuple[Regression, ...] = ()
    classifications: tuple[Classification, ...] = ()
    metadata_attention: MetadataAttention | None = None
    image_attention: tuple[ImageAttention, ...] = ()
    regions: tuple[Regions, ...] = ()
    explanations: tuple[str, ...] = ()
    measured: Measured | None = None

    def digest(self) -> str:
        """Fingerprint of the declaration without its measured values: ``sha256:<hex>``.

        Of what differs from the defaults: a declaration stays what it is when another model needs something new.
        """
        declared = self.model_dump_json(exclude={"measured"}, exclude_defaults=True)
        return "sha256:" + hashlib.sha256(declared.encode()).hexdigest()

    @property
    def file_inputs(self) -> tuple[str, ...]:
        """The names that files are sent under."""
        return (*(image.name for image in self.images), *([self.genotypes.name] if self.genotypes else []))

    def with_measured(self, measured: Measured) -> Self:
        """The same declaration, with what training measured."""
        return self.model_copy(update={"measured": measured})


def answer_names(spec: ModelSpec) -> list[str]:
    """The tensors that an answer is made of, in the order in which a network gives them."""
    answers = [*(part.tensor for part in spec.regressions), *(part.tensor for part in spec.classifications)]
    attention = [spec.metadata_attention.tensor] if spec.metadata_attention else []
    return [*answers, *attention, *(part.tensor for part in spec.image_attention), *(part.tensor for part in spec.regions)]


def features_name(image: str) -> str:
    """The tensor of an image input's feature map (B, C, h, w), from which explanations are computed; no part of the answer."""
    return f"{image}_features"

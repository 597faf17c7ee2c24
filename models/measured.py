"""What training found out of a model: stamped into its artifact beside the declaration, outside the digest. Data only."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A value: immutable, and strict about what it is made of."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ErrorDistribution(Frozen):
    """What the errors of a regression were on held-out calibration cases.

    `half_width` is the split-conformal interval of `level` (Lei et al., JASA 2018): the ceil((n + 1) level)-th smallest
    absolute error. `absolute_errors` are evenly spaced quantiles of the absolute error from 0 to its maximum; the
    signed error is taken as symmetric, so that the estimate stays the median and findings agree with it.
    """

    level: float
    half_width: float
    cases: int
    absolute_errors: tuple[float, ...]


class Calibration(Frozen):
    """What makes the probability of a class honest: its logit is multiplied by `slope`, which is 1 / temperature, and `bias` is added.

    Exclusive classes share one: the slope multiplies every log-probability before they are made to sum to 1 again.
    """

    slope: float
    bias: float = 0.0


class SetRule(Frozen):
    """Which of exclusive classes belong to the set that holds the true one with probability `level`: those at least as probable as `least`.

    Split-conformal (Sadinle, Lei & Wasserman, JASA 2019): with `cases` calibration rows, all but a share of 1 - level have a true class
    that is at least so probable.
    """

    level: float
    least: float
    cases: int


class Range(Frozen):
    """The values of a field that training saw."""

    low: float
    high: float


class Variant(Frozen):
    """One place of a panel: a single-base variant (VCF 4.3) and its commonest count of alternate alleles in training."""

    chromosome: str  # without "chr"
    position: int  # from 1
    reference: str
    alternate: str
    mode: int


class Panel(Frozen):
    """The variants that a network reads, in the order of its tensor."""

    name: str
    build: str  # GRCh37 or GRCh38
    variants: tuple[Variant, ...]


class Measured(Frozen):
    """What training found out; stamped in by export, outside the digest."""

    training_data: str
    recipe: str
    seed: int
    errors: dict[str, ErrorDistribution] = {}
    errors_without_context: dict[str, ErrorDistribution] = {}  # the same rows with every optional field hidden
    field_ranges: dict[str, Range] = {}
    thresholds: dict[str, float] = {}  # class -> calibrated probability chosen on validation rows, in place of the declared one
    sensitivity: float | None = None  # that the thresholds were to reach there; None: Youden's, sensitivity + specificity at its largest
    unproven: tuple[str, ...] = ()  # classes that validation rows do not show to be told well enough
    panel: Panel | None = None
    calibration: dict[str, Calibration] = {}  # class, or the tensor of exclusive classes
    sets: dict[str, SetRule] = {}  # tensor of exclusive classes

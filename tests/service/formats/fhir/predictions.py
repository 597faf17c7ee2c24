"""Predictions of every shape that a model may give, and some that none gives yet."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from models import SPECS
from models.prediction import Finding, Interval, Measurement, Prediction, Quality
from models.spec import Code, ModelSpec
from service.predictor import Identity
from tests.models.reading import MEASURED, reading

DIGEST = "sha256:" + 64 * "0"
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=12)
CODES = st.sampled_from(sorted(
    {each.code for spec in SPECS.values() for part in spec.classifications for each in part.classes}, key=lambda code: code.value
))  # fmt: skip
SITES = st.none() | st.just(Code(value="29627003", scheme_designator="SCT", meaning="Structure of neck of femur"))
NUMBERS = st.floats(-1e6, 1e6)
PROBABILITIES = st.floats(0, 1)


def identity(name: str, training_data: str = "synthetic phantoms") -> Identity:
    """A network that was trained on these data."""
    return Identity(SPECS[name].with_measured(MEASURED.model_copy(update={"training_data": training_data})), DIGEST, "CPUExecutionProvider")


def prediction(*findings: Finding, measurements: tuple[Measurement, ...] = (), quality: tuple[Quality, ...] = ()) -> Prediction:
    """An answer about one picture that has no header."""
    return Prediction(measurements, findings, (), (), reading(sex="female"), quality, {})


def studied(answer: Prediction, *uids: str) -> Prediction:
    """The same answer about images of these studies."""
    (image,) = answer.reading.images
    images = [replace(image, input=f"image{place}", study_instance_uid=uid, sop_instance_uid=f"{uid}.1") for place, uid in enumerate(uids)]
    return replace(answer, reading=replace(answer.reading, images=tuple(images)))


def exclusive(spec: ModelSpec, *probabilities: float) -> tuple[Finding, ...]:
    """What an exclusive classification finds: the likeliest is positive."""
    (part,) = spec.classifications
    pairs = list(zip(part.classes, probabilities, strict=True))
    return tuple(Finding(each.name, value, 0.5, value == max(probabilities), each.code) for each, value in pairs)


@st.composite
def intervals(draw: st.DrawFn) -> Interval:
    """A range and the probability that it holds the truth."""
    low, high = sorted((draw(NUMBERS), draw(NUMBERS)))
    return Interval(draw(PROBABILITIES), low, high)


MEASUREMENTS = st.builds(
    Measurement, name=WORDS, value=NUMBERS, unit=st.sampled_from(["g/cm2", "{T-score}", "1", "mm"]), code=CODES,
    interval=st.none() | intervals(), reference=st.none() | WORDS, scale=st.none() | WORDS, finding_site=SITES,
    category=st.none() | st.sampled_from(["normal", "osteoporosis", "other"]),
    laterality=st.none() | st.sampled_from(["left", "right", "both"]),
)
FINDINGS = st.builds(
    Finding, name=WORDS, probability=PROBABILITIES, threshold=PROBABILITIES, positive=st.booleans(), code=CODES, finding_site=SITES,
    reservation=st.none() | WORDS,
)
QUALITY = st.builds(Quality, check=WORDS, passed=st.booleans(), detail=WORDS)
PREDICTIONS = st.builds(
    lambda measurements, findings, quality: prediction(*findings, measurements=tuple(measurements), quality=tuple(quality)),
    st.lists(MEASUREMENTS, max_size=3, unique_by=lambda each: each.name), st.lists(FINDINGS, max_size=3, unique_by=lambda each: each.name),
    st.lists(QUALITY, max_size=3),
)

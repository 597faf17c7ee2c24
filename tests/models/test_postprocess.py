"""From outputs to the answer: clinical boundaries, intervals, probabilities, attention."""

import numpy as np
import pytest

from models.bmd import BMD, SPEC
from models.postprocess import postprocess
from models.prediction import InvalidOutputError
from models.regression import boundary, probability_below, t_score, who_category
from tests.models.reading import ERRORS, MEASURED_SPEC, outputs, reading


@pytest.mark.parametrize(
    ("bmd", "score", "category"),
    [
        (1.038, 0.0, "normal"),
        (0.899, -1.0, "normal"),
        (0.8989, -1.0007, "low_bone_mass"),
        (0.760, -2.0, "low_bone_mass"),
        (0.6905, -2.5, "osteoporosis"),
        (0.6906, -2.4993, "low_bone_mass"),
    ],
)
def test_who_boundaries_stand_where_who_puts_them(bmd, score, category):
    assert t_score(BMD.t_score, bmd) == pytest.approx(score, abs=1e-4)
    assert who_category(t_score(BMD.t_score, bmd)) == category
    answer = postprocess(MEASURED_SPEC, outputs(bmd), reading(sex="female", age_at_xray_years=70.0))
    assert answer.measurements[1].category == category


@pytest.mark.parametrize(
    ("bmd", "low", "osteoporotic"), [(0.899, False, False), (0.8989, True, False), (0.6905, True, True), (0.6906, True, False)]
)
def test_findings_agree_with_the_category(bmd, low, osteoporotic):
    answer = postprocess(MEASURED_SPEC, outputs(bmd), reading(sex="female"))
    assert [finding.positive for finding in answer.findings] == [low, osteoporotic]


def test_the_category_is_absent_below_50_years_and_quality_says_why():
    answer = postprocess(MEASURED_SPEC, outputs(0.7), reading(sex="female", age_at_xray_years=49.9))
    assert answer.measurements[1].category is None
    check = {check.check: check for check in answer.quality}["who_category"]
    assert not check.passed
    assert "younger than 50" in check.detail


def test_the_category_is_absent_when_the_age_is_unknown():
    answer = postprocess(MEASURED_SPEC, outputs(0.7), reading(sex="female"))
    assert answer.measurements[1].category is None


def test_the_interval_is_the_conformal_one():
    bmd = postprocess(MEASURED_SPEC, outputs(0.812), reading(sex="female", height_cm=160.0, weight_kg=64.0)).measurements[0]
    assert bmd.value == 0.812
    assert bmd.interval is not None
    assert (bmd.interval.level, bmd.interval.low, bmd.interval.high) == (0.9, pytest.approx(0.712), pytest.approx(0.912))


@pytest.mark.parametrize("known", [{}, {"height_cm": 160.0}])
def test_the_interval_is_the_wider_one_where_the_body_is_not_known_and_the_answer_says_so(known):
    answer = postprocess(MEASURED_SPEC, outputs(0.812), reading(sex="female", **known))
    interval = answer.measurements[0].interval
    assert interval is not None
    assert interval.high - interval.low == pytest.approx(0.4)
    check = {check.check: check for check in answer.quality}["interval_context"]
    assert not check.passed
    assert 0.5 < answer.findings[0].probability < 0.8


@pytest.mark.parametrize("finding", BMD.findings)
def test_a_probability_falls_as_bmd_rises_and_never_claims_certainty(finding):
    values = np.linspace(0.3, 1.5, 200)
    probabilities = np.array([probability_below(finding, BMD, value, ERRORS) for value in values])
    assert (np.diff(probabilities) <= 0).all()
    assert 0 < probabilities.min() < 0.01
    assert 0.99 < probabilities.max() < 1


def test_a_probability_is_a_half_on_the_threshold_itself():
    finding = BMD.findings[0]
    assert probability_below(finding, BMD, boundary(BMD, finding), ERRORS) == 0.5


def test_a_tenth_above_the_threshold_has_a_quarter_of_the_errors_beyond_it():
    finding = BMD.findings[0]
    assert probability_below(finding, BMD, boundary(BMD, finding) + 0.1, ERRORS) == pytest.approx(0.25)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.1, 2.1])
def test_an_output_that_is_no_answer_is_an_error(value):
    with pytest.raises(InvalidOutputError):
        postprocess(MEASURED_SPEC, outputs(value), reading(sex="female"))


def test_attention_that_is_no_distribution_is_an_error():
    broken = outputs(0.8) | {"image_attention": np.full((7, 7), 0.5, np.float32)}
    with pytest.raises(InvalidOutputError):
        postprocess(MEASURED_SPEC, broken, reading(sex="female"))


def test_an_artifact_without_measured_errors_cannot_answer():
    with pytest.raises(InvalidOutputError):
        postprocess(SPEC, outputs(0.8), reading(sex="female"))


def test_attention_names_only_the_fields_that_were_present():
    answer = postprocess(MEASURED_SPEC, outputs(0.8, present=("sex", "bmi")), reading(sex="female", bmi=24.0))
    assert {weight.field: weight.weight for weight in answer.metadata_attention} == {"bmi": 0.5, "sex": 0.5}
    assert sum(map(sum, answer.image_attention[0].values)) == pytest.approx(1, abs=1e-5)


def test_every_answer_of_a_phantom_artifact_says_not_for_clinical_use():
    answer = postprocess(MEASURED_SPEC, outputs(0.8), reading(sex="female"))
    assert any("not for clinical use" in check.detail for check in answer.quality)

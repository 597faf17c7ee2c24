"""Metrics against hand-made cases and scikit-learn."""

import math

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from models.bmd import BMD
from training.metrics import Scored, auc, bootstrap, conformal, coverage, difference, r2, regression_metrics

RNG = np.random.default_rng(0)
TARGET = RNG.normal(0.9, 0.14, 400)
ESTIMATE = TARGET + RNG.normal(0, 0.07, 400)


def test_r2_and_auc_are_those_of_scikit_learn():
    low = TARGET < 0.899
    assert r2(TARGET, ESTIMATE) == pytest.approx(sklearn_metrics.r2_score(TARGET, ESTIMATE))
    assert auc(low, -ESTIMATE) == pytest.approx(sklearn_metrics.roc_auc_score(low, -ESTIMATE))


def test_screening_metrics_are_those_of_scikit_learn():
    table = bootstrap(Scored(TARGET, ESTIMATE), regression_metrics(BMD))
    low, called = TARGET < 0.899, ESTIMATE < 0.899
    assert table["precision low_bone_mass"].value == pytest.approx(sklearn_metrics.precision_score(low, called))
    assert table["recall low_bone_mass"].value == pytest.approx(sklearn_metrics.recall_score(low, called))
    assert table["F1 low_bone_mass"].value == pytest.approx(sklearn_metrics.f1_score(low, called))


def test_a_bootstrap_interval_holds_its_estimate_and_narrows_with_cases():
    wide = bootstrap(Scored(TARGET[:50], ESTIMATE[:50]), {"R2": r2})["R2"]
    narrow = bootstrap(Scored(TARGET, ESTIMATE), {"R2": r2})["R2"]
    assert wide.low < wide.value < wide.high
    assert narrow.high - narrow.low < wide.high - wide.low


def test_a_paired_difference_is_told_where_the_intervals_of_both_overlap():
    same_noise = RNG.normal(0, 0.07, 400)
    one, other = Scored(TARGET, TARGET + same_noise), Scored(TARGET, TARGET + 1.1 * same_noise)
    both = [bootstrap(scored, {"R2": r2})["R2"] for scored in (one, other)]
    found = difference(one, other, r2)
    assert both[0].low < both[1].high
    assert 0 < found.low < found.value < found.high
    assert found.value == pytest.approx(r2(one.target, one.estimate) - r2(other.target, other.estimate))


def test_a_network_is_not_better_than_itself():
    itself = Scored(TARGET, ESTIMATE)
    assert (difference(itself, itself, r2).low, difference(itself, itself, r2).high) == (0, 0)


def test_a_screening_metric_without_positives_is_not_estimable():
    table = bootstrap(Scored(TARGET + 1, ESTIMATE + 1), regression_metrics(BMD))
    assert math.isnan(table["ROC-AUC osteoporosis"].value)
    assert str(table["ROC-AUC osteoporosis"]) == "not estimable"


def test_the_conformal_half_width_is_the_error_of_its_rank():
    errors = np.arange(1, 20) / 100  # 19 cases: the ceil(20 x 0.9) = 18th smallest error
    found = conformal(np.zeros(19), errors)
    assert found.half_width == pytest.approx(0.18)
    assert (found.absolute_errors[0], found.absolute_errors[-1]) == (0.0, pytest.approx(0.19))


def test_the_conformal_interval_covers_fresh_cases_at_its_level():
    fresh = RNG.normal(0.9, 0.14, 2000)
    half_widths = np.full(2000, conformal(TARGET, ESTIMATE).half_width)
    found = coverage(Scored(fresh, fresh + RNG.normal(0, 0.07, 2000)), half_widths)
    assert 0.86 < found.value < 0.94

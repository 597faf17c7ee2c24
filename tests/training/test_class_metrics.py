"""Metrics of classes against scikit-learn and hand-made cases."""

import math

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from models.breast import FINDINGS as BREAST
from models.chest import FINDINGS as CHEST
from training.class_metrics import calibration_error, class_metrics, macro_auc, micro_auc, primary
from training.metrics import Scored, bootstrap
from training.thresholds import auc_low, chosen_thresholds, reaching, unproven, youden

RNG = np.random.default_rng(0)
MALIGNANT = (RNG.random(300) < 0.4).astype(float)
P = np.clip(0.3 + 0.3 * MALIGNANT + 0.2 * RNG.normal(size=300), 0.01, 0.99)
TARGET, TOLD = np.stack([1 - MALIGNANT, MALIGNANT], 1), np.stack([1 - P, P], 1)


def test_two_classes_are_measured_as_scikit_learn_does():
    found = {name: metric(TARGET, TOLD) for name, metric in class_metrics(BREAST).items()}
    called = P >= 0.5
    assert found["AUC"] == pytest.approx(sklearn_metrics.roc_auc_score(MALIGNANT, P))
    assert found["accuracy"] == pytest.approx(sklearn_metrics.accuracy_score(MALIGNANT, called))
    assert found["F1"] == pytest.approx(sklearn_metrics.f1_score(MALIGNANT, called))
    assert found["Brier"] == pytest.approx(sklearn_metrics.brier_score_loss(MALIGNANT, P))
    assert primary(BREAST) == "AUC"


def test_what_is_not_known_does_not_count():
    target, told = RNG.integers(0, 2, (200, 14)).astype(float), RNG.random((200, 14))
    target[:150, 3] = np.nan
    target[:, 5] = 0
    found = {name: metric(target, told) for name, metric in class_metrics(CHEST).items()}
    assert found["AUC lung_opacity"] == pytest.approx(sklearn_metrics.roc_auc_score(target[150:, 3], told[150:, 3]))
    assert math.isnan(found["AUC edema"])
    assert macro_auc(target, told) == pytest.approx(np.nanmean([found[name] for name in found if name.startswith("AUC ")]))
    assert 0.4 < micro_auc(target, told) < 0.6


def test_a_calibrated_forecast_has_no_calibration_error_and_a_sure_wrong_one_all():
    p = RNG.random(20000)
    assert calibration_error((RNG.random(20000) < p).astype(float), p) < 0.02
    assert calibration_error(np.zeros(10), np.full(10, 0.999)) == pytest.approx(0.999)


def test_a_bootstrap_over_patients_is_wider_where_each_has_many_rows():
    scored = Scored(np.tile(TARGET, (4, 1)), np.tile(TOLD, (4, 1)))
    metrics = {"AUC": class_metrics(BREAST)["AUC"]}
    rows, patients = (bootstrap(scored, metrics, groups=groups)["AUC"] for groups in (None, [str(i % 300) for i in range(1200)]))
    assert patients.high - patients.low > 1.5 * (rows.high - rows.low)


def test_the_threshold_is_where_sensitivity_and_specificity_are_best():
    assert youden(np.array([0.0] * 6 + [1.0] * 6), np.array([0.1] * 5 + [0.7] + [0.3] + [0.8] * 5)) == pytest.approx(0.75)
    assert youden(np.array([0.0] * 9 + [1.0] * 2), RNG.random(11)) is None


@pytest.mark.parametrize("sensitivity", [0.8, 0.9, 0.95])
def test_a_threshold_reaches_the_sensitivity_that_is_stated_and_not_more_than_that(sensitivity):
    target, told = TARGET[:, 1], TOLD[:, 1]
    threshold = reaching(sensitivity, target, told)
    positives = told[target > 0.5]
    assert (positives >= threshold).mean() >= sensitivity > (positives > told[told > threshold].min()).mean()
    chosen = chosen_thresholds(BREAST, TARGET, TOLD, sensitivity)
    assert (chosen["malignant"], chosen["benign"] + chosen["malignant"]) == (threshold, pytest.approx(1))


def test_a_sensitivity_that_few_positives_cannot_show_leaves_the_declared_threshold():
    target = np.r_[np.ones(12), np.zeros(100)]
    assert reaching(0.95, target, RNG.random(112)) is None
    assert reaching(0.9, target, RNG.random(112)) is not None


def test_of_two_exclusive_classes_one_number_decides_both():
    chosen = chosen_thresholds(BREAST, TARGET, TOLD)
    assert chosen["benign"] + chosen["malignant"] == pytest.approx(1, abs=1e-4)


def test_a_class_whose_auc_is_not_high_enough_with_its_whole_interval_is_unproven():
    guessed = RNG.random(300)
    assert unproven(BREAST, TARGET, TOLD) == []
    assert unproven(BREAST, TARGET, np.stack([1 - guessed, guessed], 1)) == ["benign", "malignant"]
    few = np.r_[np.ones(4), np.zeros(296)]
    assert unproven(BREAST, np.stack([1 - few, few], 1), np.stack([1 - few, few], 1)) == ["benign", "malignant"]


def test_the_lower_end_of_an_auc_is_hanley_and_mcneils():
    low, high = np.array([0.1] * 30 + [0.6] * 20), np.array([0.4] * 25 + [0.9] * 25)
    target, told = np.r_[np.zeros(50), np.ones(50)], np.r_[low, high]
    area = sklearn_metrics.roc_auc_score(target, told)
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    error = math.sqrt((area * (1 - area) + 49 * (q1 - area**2) + 49 * (q2 - area**2)) / 2500)
    assert auc_low(target, told) == pytest.approx(area - 1.96 * error)

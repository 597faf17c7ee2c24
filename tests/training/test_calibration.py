"""Calibration is fitted where it helps, sets hold what they claim, and thresholds decide what they decided."""

import numpy as np
import pytest

from models import SPECS
from models.calibration import calibrated
from models.spec import Calibration, Measured
from training.calibration import carried, debiased_error, expected_error, fitted, log_loss, recalibrated, set_rule

AD, CHEST = SPECS["alzheimer"].classifications[0], SPECS["chest"].classifications[0]


def measured(**some):
    return Measured(training_data="t", recipe="r", seed=0, **some)


def exclusive(count, slope, seed=0):
    """Targets drawn from honest probabilities, and what a network says whose logits are `1 / slope` times too large."""
    rng = np.random.default_rng(seed)
    honest = rng.dirichlet((1.0, 1.0, 1.0), count)
    targets = np.eye(3)[(rng.random((count, 1)) > honest.cumsum(1)[:, :-1]).sum(1)]
    said = honest ** (1 / slope)
    return targets, said / said.sum(1, keepdims=True), honest


def test_an_overconfident_network_gets_its_temperature_back():
    targets, said, _ = exclusive(3000, 0.5)
    found = fitted(AD, targets, said)[AD.tensor]
    assert found.slope == pytest.approx(0.5, abs=0.07)
    told = calibrated(AD, said, measured(calibration={AD.tensor: found}))
    assert log_loss(targets, told) < log_loss(targets, said)
    assert debiased_error(targets[:, 0], told[:, 0]) < debiased_error(targets[:, 0], said[:, 0])


def test_an_honest_network_is_left_alone_or_nearly():
    targets, said, _ = exclusive(2000, 1.0)
    found = fitted(AD, targets, said)
    assert abs(found[AD.tensor].slope - 1) < 0.1 if found else True


def test_findings_with_few_cases_keep_their_probabilities_and_others_lose_their_bias():
    rng = np.random.default_rng(1)
    honest = rng.random((1500, len(CHEST.classes)))
    targets = (rng.random(honest.shape) < honest).astype(float)
    targets[:, 1] = np.nan
    targets[10:, 2] = 0
    said = 1 / (1 + np.exp(-(np.log(honest / (1 - honest)) + 1)))
    found = fitted(CHEST, targets, said)
    names = [each.name for each in CHEST.classes]
    assert not {names[1], names[2]} & set(found)
    assert found[names[0]].bias == pytest.approx(-1, abs=0.25)


def test_classes_that_are_told_apart_entirely_take_no_slope_without_end():
    truth = np.tile([0.0, 1.0], 100)
    targets = np.stack([truth] * len(CHEST.classes), axis=1)
    found = fitted(CHEST, targets, np.where(targets > 0.5, 0.6, 0.4))
    assert all(each.slope < 20 for each in found.values())


@pytest.mark.parametrize("level", [0.8, 0.9])
def test_sets_hold_the_true_class_as_often_as_they_claim(level):
    targets, _, honest = exclusive(1000, 1.0)
    rule = set_rule(targets, honest, level)
    fresh, _, told = exclusive(4000, 1.0, seed=2)
    held = ((told >= rule.least) & (fresh > 0.5)).any(1).mean()
    assert held == pytest.approx(level, abs=0.03)
    assert set_rule(targets[:8], honest[:8], level) is None or level < 0.9


def test_carried_thresholds_decide_what_they_decided():
    rng = np.random.default_rng(3)
    said = rng.random((400, len(CHEST.classes)))
    old = measured(thresholds={"edema": 0.37}, calibration={"edema": Calibration(slope=1.3, bias=0.2)})
    new = {"edema": Calibration(slope=0.6, bias=-0.9)}
    k = [each.name for each in CHEST.classes].index("edema")
    before = calibrated(CHEST, said, old)[:, k] >= 0.37
    after = calibrated(CHEST, said, measured(calibration=new))[:, k] >= carried(CHEST, old, new)["edema"]
    assert np.array_equal(before, after)


def test_a_second_calibration_replaces_the_first():
    targets, said, _ = exclusive(1500, 0.5)
    spec = SPECS["alzheimer"]
    once = recalibrated(spec, measured(), targets, said, said)
    assert recalibrated(spec, once, targets, said, said) == once


def test_a_sensitivity_that_is_asked_for_is_reached_by_what_is_told():
    targets, said, _ = exclusive(1500, 0.5)
    spec, part = SPECS["breast"], SPECS["breast"].classifications[0]
    two = np.stack((targets[:, 0], 1 - targets[:, 0]), 1), np.stack((said[:, 0], 1 - said[:, 0]), 1)
    found = recalibrated(spec, measured(thresholds={"benign": 0.5, "malignant": 0.5}), *two, two[1], sensitivity=0.95)
    assert found.sensitivity == 0.95
    called = calibrated(part, two[1], found)[:, 1] >= found.thresholds["malignant"]
    assert 0.95 <= called[two[0][:, 1] > 0.5].mean() < 0.96


def test_what_sampling_shows_is_taken_out_of_the_error():
    rng = np.random.default_rng(4)
    told = rng.random(300)
    truths = [(rng.random(300) < told).astype(float) for _ in range(40)]
    assert np.mean([expected_error(truth, told) for truth in truths]) > 0.04
    assert np.median([debiased_error(truth, told) for truth in truths]) < 0.03

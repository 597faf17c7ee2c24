"""Probabilities that are told: monotone, summing to 1 where they must, and what the network said where nothing was measured."""

import numpy as np
import pytest

from models import SPECS
from models.calibration import calibrated, inverse, moved
from models.classification import class_findings, class_set
from models.spec import Calibration, Measured, SetRule

AD, CHEST = SPECS["alzheimer"].classifications[0], SPECS["chest"].classifications[0]


def measured(**some):
    return Measured(training_data="t", recipe="r", seed=0, **some)


def test_without_a_measurement_nothing_changes():
    values = np.array([[0.2, 0.3, 0.5]])
    assert np.array_equal(calibrated(AD, values, None), values)
    assert np.array_equal(calibrated(AD, values, measured()), values)


@pytest.mark.parametrize("slope", [0.4, 1.0, 2.5])
def test_a_temperature_keeps_the_order_and_the_sum(slope):
    values = np.random.default_rng(0).dirichlet((1, 1, 1), 200)
    told = calibrated(AD, values, measured(calibration={AD.tensor: Calibration(slope=slope)}))
    assert np.allclose(told.sum(1), 1)
    assert np.array_equal(told.argsort(1), values.argsort(1))
    sharper = told.max(1) - values.max(1)
    assert (sharper >= -1e-12).all() if slope >= 1 else (sharper <= 1e-12).all()


def test_each_finding_that_excludes_no_other_has_its_own():
    values = np.full((1, len(CHEST.classes)), 0.3)
    told = calibrated(CHEST, values, measured(calibration={"edema": Calibration(slope=2.0, bias=1.0)}))[0]
    names = [each.name for each in CHEST.classes]
    assert told[names.index("edema")] == pytest.approx(1 / (1 + np.exp(-(2 * np.log(0.3 / 0.7) + 1))))
    assert {float(value) for name, value in zip(names, told, strict=True) if name != "edema"} == {0.3}


@pytest.mark.parametrize("value", [0.0, 1e-12, 0.3, 1.0])
def test_probabilities_at_the_edge_stay_finite(value):
    assert 0 <= moved(np.array(value), Calibration(slope=4.0, bias=-2.0)) <= 1


def test_the_inverse_takes_it_back():
    by = Calibration(slope=1.7, bias=-0.4)
    assert moved(moved(np.array([0.01, 0.5, 0.9]), by), inverse(by)) == pytest.approx([0.01, 0.5, 0.9])


@pytest.mark.parametrize(
    ("values", "least", "among"),
    [([0.1, 0.3, 0.6], 0.25, ("mci", "ad")), ([0.05, 0.05, 0.9], 0.25, ("ad",)), ([0.34, 0.33, 0.33], 0.5, ("cn",)),
     ([0.4, 0.35, 0.25], 0.2, ("cn", "mci", "ad"))],
)  # fmt: skip
def test_a_set_holds_what_is_probable_enough_and_never_nothing(values, least, among):
    rule = measured(sets={AD.tensor: SetRule(level=0.9, least=least, cases=100)})
    findings = class_findings(AD, {AD.tensor: np.array(values, np.float32)}, rule)
    found = class_set(AD, findings, rule)
    assert found is not None
    assert (found.level, found.findings) == (0.9, among)
    assert class_set(AD, findings, measured()) is None

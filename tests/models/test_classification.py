"""Class probabilities -> findings."""

import numpy as np
import pytest

from models.classification import UNPROVEN, class_findings
from models.prediction import InvalidOutputError
from models.spec import Class, Classification, Code, Measured

CODE = Code(value="X", scheme_designator="99TEST", meaning="x")


def part(*names, threshold=0.5, **kwargs):
    classes = tuple(Class(name=name, code=CODE, threshold=threshold) for name in names)
    return Classification(**{"tensor": "p", "exclusive": True, "classes": classes, **kwargs})


def found(spec, values, **chosen):
    return answered(spec, values, Measured(training_data="x", recipe="x", seed=0, thresholds=chosen))


def answered(spec, values, measured):
    return {finding.name: finding for finding in class_findings(spec, {"p": np.array(values, np.float32)}, measured)}


def test_a_class_that_training_could_not_prove_is_answered_with_a_reservation_and_no_other_is():
    measured = Measured(training_data="x", recipe="x", seed=0, unproven=("fracture",))
    findings = answered(part("edema", "fracture", exclusive=False), [0.9, 0.9], measured)
    assert [finding.reservation for finding in findings.values()] == [None, UNPROVEN]


def test_exactly_one_exclusive_class_is_positive_and_they_sum_to_one():
    findings = found(part("benign", "malignant"), [0.3, 0.7])
    assert [finding.positive for finding in findings.values()] == [False, True]
    assert sum(finding.probability for finding in findings.values()) == pytest.approx(1, abs=1e-12)
    assert sum(finding.positive for finding in found(part("benign", "malignant"), [0.5, 0.5]).values()) == 1


def test_a_chosen_threshold_moves_the_decision_and_is_told():
    findings = found(part("benign", "malignant"), [0.7, 0.3], benign=0.75, malignant=0.25)
    assert findings["malignant"].positive
    assert not findings["benign"].positive
    assert (findings["benign"].threshold, findings["malignant"].threshold) == (0.75, 0.25)


def test_without_thresholds_the_likeliest_class_is_positive_and_had_to_beat_the_next():
    findings = found(part("cn", "mci", "ad", threshold=None), [0.4, 0.35, 0.25])
    assert [finding.positive for finding in findings.values()] == [True, False, False]
    assert findings["cn"].threshold == pytest.approx(0.35)
    assert findings["ad"].threshold == pytest.approx(0.4)
    assert all(finding.positive == (finding.probability >= finding.threshold) for finding in findings.values())


@pytest.mark.parametrize("values", [[0.3, 0.6], [1.2, -0.2], [0.9, 0.9]])
def test_what_is_no_distribution_is_no_answer(values):
    with pytest.raises(InvalidOutputError):
        found(part("benign", "malignant"), values)


@pytest.fixture
def chest():
    return part("no_finding", "edema", "support_devices", exclusive=False, none_of_the_others="no_finding", beside=("support_devices",))


def test_independent_classes_are_judged_each_by_its_own_threshold(chest):
    findings = found(chest, [0.1, 0.4, 0.9], edema=0.3)
    assert [finding.positive for finding in findings.values()] == [False, True, True]


def test_no_finding_is_never_likelier_than_the_others_allow(chest):
    findings = found(chest, [0.9, 0.6, 0.9])
    assert findings["no_finding"].probability == pytest.approx(0.4)
    assert not findings["no_finding"].positive


def test_no_finding_is_not_positive_beside_another_but_may_be_beside_devices(chest):
    assert not found(chest, [0.9, 0.3, 0.0], edema=0.2)["no_finding"].positive
    assert found(chest, [0.9, 0.1, 0.9])["no_finding"].positive

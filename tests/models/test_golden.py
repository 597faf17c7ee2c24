"""The golden case: kept whole, and unforgiving."""

import numpy as np
import pytest

from models.golden import TOLERANCE, Golden
from models.study import Part, Study

STUDY = Study((Part(b"\x00DICM\xff", "image"), Part(b"second", None)), {"sex": "female", "weight_kg": 64.5})
OUTPUTS = {"bmd": np.array([0.81], np.float32), "map": np.eye(2, dtype=np.float32)}


def test_a_golden_case_survives_the_disk(tmp_path):
    Golden(STUDY, OUTPUTS).save(tmp_path / "golden.npz")
    loaded = Golden.load(tmp_path / "golden.npz")
    assert loaded.study == STUDY
    assert loaded.drift(OUTPUTS) == 0.0


@pytest.mark.parametrize("tolerance", [TOLERANCE, 0.02])
def test_so_does_what_it_tolerates(tmp_path, tolerance):
    Golden(STUDY, OUTPUTS, tolerance).save(tmp_path / "golden.npz")
    assert Golden.load(tmp_path / "golden.npz").tolerance == tolerance


@pytest.mark.parametrize(
    "outputs",
    [
        {},
        {"bmd": OUTPUTS["bmd"]},
        {"bmd": np.array([[0.81]], np.float32), "map": OUTPUTS["map"]},
        {"bmd": np.array([np.nan], np.float32), "map": OUTPUTS["map"]},
    ],
)
def test_an_absent_misshapen_or_infinite_output_drifts_without_bound(outputs):
    assert Golden(STUDY, OUTPUTS).drift(outputs) == float("inf")


def test_the_largest_difference_counts():
    changed = OUTPUTS | {"map": OUTPUTS["map"] + np.array([[0, 0.25], [0, 0]], np.float32)}
    assert Golden(STUDY, OUTPUTS).drift(changed) == 0.25

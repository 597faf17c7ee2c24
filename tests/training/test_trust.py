"""How far the served artifacts are to be trusted: the committed figures are theirs, and within what is promised."""

import hashlib
import json

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed")

from models import SPECS
from tests.contract.conftest import ROOT
from training.evaluation.honesty import honesty, lines, shifts_of, store
from training.evaluation.served import wilson


@pytest.mark.parametrize("model", SPECS)
def test_the_figures_are_of_the_artifact_that_is_served(model):
    figures = json.loads((ROOT / "artifacts" / model / "evaluation.json").read_text())
    assert figures["digest"] == "sha256:" + hashlib.sha256((ROOT / "artifacts" / model / "model.onnx").read_bytes()).hexdigest()


@pytest.mark.parametrize("model", SPECS)
def test_probabilities_are_honest_on_phantoms_that_nobody_has_seen(model):
    figures = json.loads((ROOT / "artifacts" / model / "evaluation.json").read_text())
    assert figures["cases"] >= 500
    assert figures["ece"] <= 0.03
    assert figures["ece"] <= figures["ece_before"]


@pytest.mark.parametrize("model", [name for name in SPECS if name != "chest"])  # its findings exclude nothing, and it has no sets
def test_intervals_and_sets_hold_what_they_claim(model):
    assert 0.87 <= json.loads((ROOT / "artifacts" / model / "evaluation.json").read_text())["coverage"] <= 0.93


@pytest.fixture(scope="module")
def found(cohort):
    return honesty(ROOT / "artifacts" / "bmd", cohort)


def test_the_card_tells_calibration_coverage_groups_and_shifts(found, tmp_path):
    text = "\n".join(lines(found))
    assert all(f"| {name} |" in text for name in ("ECE, each finding by itself", "Brier", "everybody", "unchanged", *shifts_of(found.spec)))
    assert "holds the truth in" in text
    store(found, tmp_path / "evaluation.json")
    figures = json.loads((tmp_path / "evaluation.json").read_text())
    assert figures["digest"] == found.digest
    assert figures["cases"] == len(found.told.groups)


def test_groups_are_parts_of_the_cohort_and_large_enough(found):
    assert all(30 <= len(some.groups) < len(found.told.groups) for some in found.groups.values())


def test_a_shift_changes_the_answer_and_hidden_fields_widen_the_interval(found):
    assert all(not np.array_equal(some.scored.estimate, found.told.scored.estimate) for some in found.shifts.values())
    assert found.shifts["every optional field hidden"].sizes.mean() > found.told.sizes.mean()


def test_wilson_s_interval_stays_within_a_share():
    assert wilson(0, 10).low >= 0
    assert wilson(10, 10).high <= 1
    assert wilson(8, 10).low < 0.8 < wilson(8, 10).high

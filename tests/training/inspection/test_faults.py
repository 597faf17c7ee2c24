"""A clean cohort is found clean; each planted fault is found, named, and placed, and nothing else is reported."""

import importlib

import pytest

from models import SPECS
from tests.training.inspection.cohort import CASES
from training.inspection import examine

FAULTS = {model: importlib.import_module(f"tests.training.inspection.faults_{model}") for model in SPECS}
TWELVE = [(model, name) for model in SPECS for name in FAULTS[model].TWELVE]
MORE = [(model, name) for model in SPECS for name in FAULTS[model].MORE]


def examined(cohort):
    return examine(cohort.model, cohort.folder, workers=1, progress=False)


@pytest.mark.parametrize("model", SPECS)
def test_a_clean_cohort_is_found_clean(clean, model):
    inspection = examined(clean(model))
    assert inspection.findings == ()
    assert len(inspection.evidence.rows) == CASES
    assert all(view.content for seen in inspection.evidence.seen for view in seen.views.values())
    assert len(FAULTS[model].TWELVE) == 12


@pytest.mark.parametrize(("model", "fault"), [*TWELVE, *MORE])
def test_a_planted_fault_is_found_and_nothing_else(copied, model, fault):
    cohort = copied(model)
    planted = {**FAULTS[model].TWELVE, **FAULTS[model].MORE}[fault](cohort)
    expected = planted if isinstance(planted, list) else [planted]
    findings = examined(cohort).findings
    assert [(each.kind, each.level) for each in findings] == [(each.kind, each.level) for each in expected], findings
    for found, wanted in zip(findings, expected, strict=True):
        assert wanted.words in found.text
        assert any(wanted.place in place for place in found.places) or not wanted.place

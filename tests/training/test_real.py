"""Real films and tables: patients stay on one side, nothing of a patient reaches the page, and the verdict follows the interval."""

import json

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed")

from tests.contract.conftest import ROOT
from tests.models.decode.real import DATA, needs_data
from training.data import splits
from training.metrics import Estimate
from training.real.cohort import cbis_descriptors, nih_films
from training.real.experiments import film_recipe, official
from training.real.page import page, verdict
from training.recipes import recipe
from training.sources import CohortError


@pytest.fixture(scope="module")
def lesions(tmp_path_factory):
    return cbis_descriptors(DATA, tmp_path_factory.mktemp("cbis"))


@needs_data
def test_no_patient_of_the_official_test_set_trains_or_chooses(lesions):
    tested = np.array([row.part == "test" for row in lesions.rows])
    split = official(lesions, recipe("breast", "reference"), tested)
    patients = [{lesions.rows[i].group for i in part} for part in (split.train, split.validation, split.held_out)]
    assert not patients[0] & patients[1]
    assert not (patients[0] | patients[1]) & patients[2]
    assert len(split.held_out) == 704
    assert sum(lesions.targets[split.held_out, 1]) == 276


@needs_data
def test_descriptors_reach_the_network_as_a_request_s_would(lesions):
    table = lesions.spec.table
    assert lesions.tensors[table.mask].mean() > 0.5
    assert set(np.unique(lesions.tensors[table.mask])) == {0.0, 1.0}


@needs_data
def test_folds_of_films_are_of_patients(monkeypatch, tmp_path):
    monkeypatch.setattr("training.real.cohort.load", lambda spec, rows, _: (spec, rows))
    _, rows = nih_films(DATA, tmp_path)
    targets = np.array([list(row.target.values()) for row in rows])
    for part in splits(rows, targets, film_recipe())[:-1]:
        seen = {rows[i].group for i in (*part.train, *part.validation)}
        assert not seen & {rows[i].group for i in part.held_out}
    assert np.isnan(targets).any()
    assert len(rows) > 800


def test_data_that_is_not_there_is_told_in_plain_lines(tmp_path):
    with pytest.raises(CohortError, match="is missing"):
        nih_films(tmp_path, tmp_path)


@pytest.mark.parametrize(("low", "high", "said"), [(0.01, 0.1, "better"), (-0.1, -0.01, "worse"), (-0.1, 0.1, "not told apart")])
def test_the_verdict_is_the_interval_s(low, high, said):
    assert verdict(Estimate((low + high) / 2, low, high)) == said


def test_the_page_is_what_the_stored_figures_give_and_names_nobody():
    stored = ROOT / "docs" / "evidence" / "results" / "real.json"
    assert (ROOT / "docs" / "evidence" / "real.md").read_text() == page(stored)
    for result in json.loads(stored.read_text())["results"]:
        assert set(result) == {"name", "network", "patients", "counts", "auc", "gain"}

"""One rule chooses for networks and for baselines; baselines learn; what is hidden is hidden from all alike."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from models import SPECS  # noqa: E402  after the check for torch
from training.ablation.answers import Answer, best, hidden_mask  # noqa: E402
from training.ablation.classical import FORESTS, STRENGTHS, _of_finding, trained  # noqa: E402
from training.ablation.compare import Draws  # noqa: E402
from training.ablation.features import image_features, table_features  # noqa: E402
from training.ablation.plan import RATES  # noqa: E402
from training.ablation.resolution import halved  # noqa: E402
from training.data import Split  # noqa: E402
from training.metrics import mse  # noqa: E402


def test_the_trial_that_errs_least_on_validation_rows_is_chosen_whatever_it_says_of_others():
    truth = np.array([[1.0], [0.0]])
    trials = {0: Answer(truth + 0.3, {0.0: truth}, "a"), 1: Answer(truth + 0.1, {0.0: truth + 9}, "b")}
    assert best(trials, SPECS["bmd"], truth) == 1
    sure, unsure = np.array([[0.9, 0.1], [0.1, 0.9]]), np.full((2, 2), 0.5)
    classes = {0: Answer(unsure, {}, "a"), 1: Answer(sure, {}, "b")}
    assert best(classes, SPECS["breast"], np.eye(2)) == 1


def test_networks_and_baselines_have_as_many_settings_to_choose_from():
    assert len(RATES) == len(STRENGTHS) == len(FORESTS)


@pytest.mark.parametrize("kind", ["linear", "boosting"])
def test_a_baseline_learns_from_its_training_rows(cohort, kind):
    everything = np.arange(len(cohort.rows))
    split = Split("all", everything, everything[:5], everything)
    told = np.concatenate((cohort.targets, table_features(cohort)), axis=1)  # the truth among the features: it must be found
    answer = trained(kind, 0, cohort, split, {0.0: told})
    assert answer.validation.shape == (5, 1)
    assert mse(cohort.targets, answer.held_out[0.0]) < 0.8 * float(np.var(cohort.targets))


def test_a_finding_that_is_hardly_there_is_told_by_how_common_it_is():
    def none():
        raise AssertionError("nothing can be learned from a single positive")

    answer = _of_finding(none, np.zeros((4, 1)), np.array([1.0, 0.0, 0.0, np.nan]))
    assert answer(np.zeros((2, 1))) == pytest.approx(1 / 3)


def test_features_of_an_image_are_finite_and_of_a_missing_field_are_not_a_number(cohort):
    assert np.isfinite(image_features(cohort)).all()
    mask = np.array(cohort.tensors["present"])
    mask[0] = 0
    fields = table_features(cohort, mask)
    assert np.isnan(fields[0, : mask.shape[1]]).all()
    assert (fields[0, -mask.shape[1] :] == 0).all()


def test_fields_are_hidden_by_share_never_required_ones_and_always_the_same(cohort):
    required = [field.required for field in cohort.spec.table.network_fields]
    whole, half, nothing = (hidden_mask(cohort, share) for share in (0.0, 0.5, 1.0))
    assert np.array_equal(whole, cohort.tensors["present"])
    assert nothing.sum() < half.sum() < whole.sum()
    assert (nothing[:, ~np.array(required)] == 0).all()
    assert (nothing[:, required] == whole[:, required]).all()
    assert np.array_equal(half, hidden_mask(cohort, 0.5))


def test_half_the_resolution_is_means_of_four_pixels_and_everything_else_as_it_is(cohort):
    small = halved(cohort)
    whole = np.asarray(cohort.tensors["image"][1])
    assert small.tensors["image"].shape[2:] == (112, 112)
    assert small.tensors["image"][1, 0, 3, 5] == pytest.approx(whole[0, 6:8, 10:12].mean(), abs=1e-6)
    assert np.array_equal(small.tensors["metadata"], cohort.tensors["metadata"])


def test_draws_take_as_many_patients_and_seeds_as_there_are():
    draws = Draws.of(7, 3, count=20)
    assert (draws.patients.sum(1) == 7).all()
    assert draws.seeds.shape == (20, 3)
    assert draws.seeds.max() == 2

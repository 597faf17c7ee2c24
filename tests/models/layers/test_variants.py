"""Genotypes for a network: chosen, filled and scaled by the training fold alone."""

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from scipy.stats import f_oneway  # noqa: E402  after the check for torch

from models.layers.variants import Variants, association, modes  # noqa: E402


def cohort(cases=200, variants=30, seed=0):
    """Calls (N, V) of which number 7 follows the class, and targets (N, 3)."""
    rng = torch.Generator().manual_seed(seed)
    classes = torch.randint(0, 3, (cases,), generator=rng)
    calls = torch.randint(0, 3, (cases, variants), generator=rng).float()
    calls[:, 7] = torch.where(torch.rand(cases, generator=rng) < 0.7, classes.float(), calls[:, 7])
    calls[torch.rand(calls.shape, generator=rng) < 0.05] = -1
    return calls, torch.nn.functional.one_hot(classes, 3).float()


def test_association_is_the_f_statistic_over_what_was_called():
    calls, targets = cohort()
    scores = association(calls, targets)
    for variant in (0, 7, 29):
        groups = [calls[(targets[:, k] == 1) & (calls[:, variant] >= 0), variant].double().numpy() for k in range(3)]
        assert float(scores[variant]) == pytest.approx(f_oneway(*groups).statistic, rel=1e-6)
    assert int(scores.argmax()) == 7


def test_a_variant_that_does_not_vary_or_is_never_called_says_nothing():
    calls, targets = cohort()
    calls[:, 3], calls[:, 4] = 0, -1
    assert association(calls, targets)[3:5].tolist() == [0, 0]


def test_the_training_rows_choose_and_the_panel_s_order_stays():
    calls, targets = cohort()
    layer = Variants(5)
    layer.standardise(calls, targets)
    best = association(calls, targets).argsort(descending=True)[:5].sort().values
    assert torch.equal(layer.chosen, best)
    assert 7 in layer.chosen.tolist()


def test_a_missing_call_counts_as_the_commonest_one():
    calls, targets = cohort()
    layer = Variants(5)
    layer.standardise(calls, targets)
    row = calls[:1].clone()
    row[:, 7] = -1
    filled = row.clone()
    filled[:, 7] = modes(calls)[7]
    assert torch.equal(layer(row), layer(filled))
    assert torch.isfinite(layer(torch.full((1, 30), -1.0))).all()


def test_of_a_small_panel_all_is_read_and_the_places_that_are_left_stay_empty():
    calls, targets = cohort()
    layer, exact = Variants(33), Variants(30)
    for each in (layer, exact):
        each.standardise(calls, targets)
    assert torch.equal(layer(calls)[:, :30], exact(calls))
    assert not layer(calls)[:, 30:].any()

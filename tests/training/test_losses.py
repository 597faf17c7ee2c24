"""Weighted Smooth L1, by the vectors computed by hand from its definition."""

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from training.losses import LOSSES, binary_cross_entropy, binary_cross_entropy_twice, loss_of, weighted_smooth_l1  # noqa: E402  after the check for torch

OPTIONS = {"tau": 0.899, "weight_low": 2.0, "beta": 0.1}
ESTIMATE, TARGET = torch.tensor([[0.85], [1.15]]), torch.tensor([[0.80], [0.95]])


def test_the_batch_of_the_definition():
    assert weighted_smooth_l1(ESTIMATE, TARGET, **OPTIONS).item() == pytest.approx((2 * 0.0125 + 0.15) / 3, abs=1e-6)


@pytest.mark.parametrize(("case", "expected"), [(0, 0.0125), (1, 0.15)])
def test_each_case_alone_has_its_smooth_l1(case, expected):
    assert weighted_smooth_l1(ESTIMATE[[case]], TARGET[[case]], **OPTIONS).item() == pytest.approx(expected, abs=1e-6)


def test_the_boundary_itself_is_not_low():
    on_the_boundary, error = torch.tensor([[0.899], [1.2]]), 0.05
    loss = weighted_smooth_l1(on_the_boundary + torch.tensor([[error], [0.0]]), on_the_boundary, **OPTIONS)
    assert loss.item() == pytest.approx(0.5 * error**2 / 0.1 / 2, abs=1e-6)


def test_with_a_beta_of_one_it_would_be_half_the_squared_error():
    loss = weighted_smooth_l1(ESTIMATE, TARGET, tau=0.0, weight_low=1.0, beta=1.0)
    assert loss.item() == pytest.approx(0.5 * LOSSES["mse"](ESTIMATE, TARGET).item(), abs=1e-6)


@pytest.mark.parametrize(("name", "options"), [("mse", {}), ("mae", {}), ("smooth_l1", {"beta": 0.1}), ("weighted_smooth_l1", OPTIONS)])
def test_every_loss_is_zero_only_for_the_truth(name, options):
    loss = loss_of(name, options)
    assert loss(TARGET, TARGET).item() == 0.0
    assert loss(ESTIMATE, TARGET).item() > 0.0


def test_a_second_sigmoid_keeps_the_loss_from_ever_being_small():
    sure, truth = torch.tensor([[9.0, -9.0]]), torch.tensor([[1.0, 0.0]])
    assert binary_cross_entropy(sure, truth).item() < 0.001
    assert binary_cross_entropy_twice(sure, truth).item() > 0.5

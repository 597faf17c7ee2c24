"""Losses by name, as recipes choose them. Every loss takes estimates and targets (B, 1) in the target's own unit."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]


def weighted_smooth_l1(estimate: Tensor, target: Tensor, *, tau: float, weight_low: float, beta: float) -> Tensor:
    """Smooth L1 with more weight on targets below `tau` (Zhang et al., arXiv:2511.14604; the constants are recipe values).

    `beta` is where the loss turns from quadratic to linear, in the unit of the target: with beta = 1 and errors near
    0.07 g/cm2 it would silently be half the squared error. Weights are normalised by their sum over the batch.
    """
    error = (estimate - target).abs()
    smooth = torch.where(error < beta, 0.5 * error**2 / beta, error - 0.5 * beta)
    weight = torch.where(target < tau, weight_low, 1.0)
    return (weight * smooth).sum() / weight.sum()


def smooth_l1(estimate: Tensor, target: Tensor, *, beta: float) -> Tensor:
    """Unweighted Smooth L1 (Huber loss divided by beta)."""
    return weighted_smooth_l1(estimate, target, tau=float("-inf"), weight_low=1.0, beta=beta)


def mse(estimate: Tensor, target: Tensor) -> Tensor:
    """Mean squared error."""
    return ((estimate - target) ** 2).mean()


def mae(estimate: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error."""
    return (estimate - target).abs().mean()


LOSSES: Mapping[str, Callable[..., Tensor]] = {
    "weighted_smooth_l1": weighted_smooth_l1,
    "smooth_l1": smooth_l1,
    "mse": mse,
    "mae": mae,
}


def loss_of(name: str, options: Mapping[str, float]) -> Loss:
    """The loss `name` with those of the options that it has."""
    chosen = LOSSES[name]
    mine = {option: value for option, value in options.items() if option in inspect.signature(chosen).parameters}
    return lambda estimate, target: chosen(estimate, target, **mine)

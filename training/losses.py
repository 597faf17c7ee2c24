"""Losses by name, as recipes choose them: of what a network's `logits` returns, and of targets (B, K).

A regression's logits are its estimates, in the unit of the target. A target of NaN is not known, and is passed over.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

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


def cross_entropy(logits: Tensor, target: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """Of exclusive classes: targets (B, K) one-hot; `weights` (K,) of the classes, normalised by their sum over the batch."""
    weight = target if weights is None else target * weights
    return -(weight * logits.log_softmax(1)).sum() / weight.sum()


def binary_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Of independent classes: the mean over every target (B, K) that is known."""
    known = ~target.isnan()
    return binary_cross_entropy_with_logits(logits[known], target[known])


def binary_cross_entropy_twice(logits: Tensor, target: Tensor) -> Tensor:
    """As the released baseline of Rand & Ibrahim is trained: the network applies its sigmoid, and the loss applies it again.

    Kept to measure what that costs; no recipe uses it.
    """
    return binary_cross_entropy(logits.sigmoid(), target)


LOSSES: Mapping[str, Callable[..., Tensor]] = {
    "weighted_smooth_l1": weighted_smooth_l1,
    "smooth_l1": smooth_l1,
    "mse": mse,
    "mae": mae,
    "cross_entropy": cross_entropy,
    "binary_cross_entropy": binary_cross_entropy,
    "binary_cross_entropy_twice": binary_cross_entropy_twice,
}


def loss_of(name: str, options: Mapping[str, float], targets: Tensor | None = None) -> Loss:
    """The loss `name` with those of the options that it has.

    With the option ``balanced``, cross-entropy weighs class k by N / (K n_k) of the training `targets` (N, K).
    """
    chosen = LOSSES[name]
    mine: dict[str, object] = {option: value for option, value in options.items() if option in inspect.signature(chosen).parameters}
    if options.get("balanced") and targets is not None:
        mine["weights"] = len(targets) / (targets.shape[1] * targets.sum(0).clamp(min=1))
    return lambda output, target: chosen(output, target, **mine)


def surprise(probabilities: Tensor, targets: Tensor, *, exclusive: bool) -> Tensor:
    """The mean negative log-likelihood of what was true: what chooses the epoch of a classification."""
    p = probabilities.clamp(1e-7, 1 - 1e-7)
    if exclusive:
        return -(targets * p.log()).sum(1).mean()
    known = ~targets.isnan()
    truth = targets[known]
    return -(truth * p[known].log() + (1 - truth) * (1 - p[known]).log()).mean()

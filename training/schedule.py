"""Optimizer and learning-rate schedule of a recipe."""

from __future__ import annotations

import math

import torch
from torch import nn

from training.recipes import Recipe


def optimizer_of(network: nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW: the trunk at its own rate; no decay for biases, norms and gates, which are not weights of a sum."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    trunk_parameters = {id(parameter) for trunk in network.trunks for parameter in trunk.parameters()}  # type: ignore[union-attr]
    for name, parameter in network.named_parameters():
        groups.setdefault((id(parameter) in trunk_parameters, parameter.ndim > 1 and "bias" not in name), []).append(parameter)
    rates = {True: recipe.trunk_learning_rate, False: recipe.learning_rate}
    return torch.optim.AdamW(
        [
            {"params": parameters, "lr": rates[trunk], "full_lr": rates[trunk], "weight_decay": recipe.weight_decay if decays else 0.0}
            for (trunk, decays), parameters in groups.items()
        ]
    )


def learning_rate_share(recipe: Recipe, progress: float) -> float:
    """Linear warm-up, then cosine decay to zero: the share of the full rate after `progress` epochs."""
    if progress < recipe.warmup_epochs:
        return (progress + 0.1) / (recipe.warmup_epochs + 0.1)
    done = (progress - recipe.warmup_epochs) / max(1, recipe.epochs - recipe.warmup_epochs)
    return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))

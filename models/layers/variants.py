"""Genotypes for a network: which variants of a panel it reads, what stands where nothing was called, and their scale."""

from __future__ import annotations

import torch
from torch import Tensor, nn

COUNTS = 3  # copies of the alternate allele: 0, 1 or 2


class Variants(nn.Module):
    """Calls (B, V), -1 where there is none -> standardised copies (B, K) of the K variants that the training fold chose.

    The choice, the commonest call of each and its mean and deviation are buffers: they travel in the graph, and a row outside the
    training fold has no part in them.
    """

    chosen: Tensor
    used: Tensor
    mode: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self, count: int) -> None:
        super().__init__()
        self.register_buffer("chosen", torch.arange(count))
        self.register_buffer("used", torch.ones(count))
        self.register_buffer("mode", torch.zeros(count))
        self.register_buffer("mean", torch.zeros(count))
        self.register_buffer("std", torch.ones(count))

    def standardise(self, calls: Tensor, targets: Tensor) -> None:
        """Choose the variants by their association with the targets (N, classes) of the training rows (N, V).

        Of a panel with fewer variants than the network has places for, all are read, and the places that are left stay 0.
        """
        best = association(calls, targets).argsort(descending=True, stable=True)[: len(self.chosen)].sort().values
        self.chosen.zero_()[: len(best)] = best
        self.used.zero_()[: len(best)] = 1
        taken = calls[:, self.chosen]
        self.mode.copy_(modes(taken))
        filled = torch.where(taken < 0, self.mode, taken)
        self.mean.copy_(filled.mean(0))
        self.std.copy_(filled.std(0, correction=0).clamp(min=0.1))  # a variant that nearly nobody carries must not shout

    def forward(self, calls: Tensor) -> Tensor:
        taken = calls[:, self.chosen]
        return self.used * (torch.where(taken < 0, self.mode, taken) - self.mean) / self.std


def modes(calls: Tensor) -> Tensor:
    """The commonest call of each variant (V,) over rows (N, V); the smaller of equals, and 0 where nothing was called."""
    counts = torch.stack([(calls == copies).sum(0) for copies in range(COUNTS)])
    return counts.argmax(0).to(calls)


def association(calls: Tensor, targets: Tensor) -> Tensor:
    """How much the mean number of copies differs between classes: the F statistic of each variant (V,), over the rows that are called.

    Calls (N, V) with -1 where there is none, targets (N, classes) one-hot. 0 where nothing varies.
    """
    known = (calls >= 0).double()
    copies = calls.clamp(min=0).double()
    members = targets.double()
    count_CV, sum_CV = members.T @ known, members.T @ (known * copies)
    mean_CV = sum_CV / count_CV.clamp(min=1)
    total_V, squares_V = count_CV.sum(0), (known * copies**2).sum(0)
    grand_V = sum_CV.sum(0) / total_V.clamp(min=1)
    between_V = (count_CV * (mean_CV - grand_V) ** 2).sum(0)
    within_V = (squares_V - (count_CV * mean_CV**2).sum(0)).clamp(min=0)
    classes = members.shape[1]
    scores = (between_V / (classes - 1)) / (within_V / (total_V - classes).clamp(min=1)).clamp(min=1e-9)
    return torch.where(between_V > 1e-12, scores, 0.0)

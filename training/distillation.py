"""Learning from a teacher as well as from labels: a head for each (Rand & Ibrahim, arXiv:2504.02277, without its double sigmoid)."""

from __future__ import annotations

from torch import Tensor

from training.losses import binary_cross_entropy

SHARE = 0.5  # of the teacher in the loss


def distilled(logits: tuple[Tensor, Tensor], target: Tensor, taught: Tensor, share: float = SHARE) -> Tensor:
    """(1 - share) BCE(first head, labels) + share BCE(second head, the teacher's probabilities).

    Both targets are (B, K); NaN is a label that is not known, or a finding that the teacher knows nothing of.
    """
    return (1 - share) * binary_cross_entropy(logits[0], target) + share * binary_cross_entropy(logits[1], taught)

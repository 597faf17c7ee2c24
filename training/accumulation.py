"""The gradient of a batch, added up over micro-batches: only one of them is in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad


def add_gradient(
    logits_of: Callable[[Mapping[str, Tensor]], Sequence[Tensor]],
    loss_of: Callable[[Sequence[Tensor]], Tensor],
    inputs: Mapping[str, Tensor],
    micro_batches: int,
) -> float:
    """Add the gradient of ``loss_of(logits_of(inputs))`` to the parameters' own; returns the loss.

    `inputs` are (B, ...) each, the logits (B, K) each. Losses are weighted means over rows, and what they divide by is a matter of the
    targets alone: with zeros in place of the other rows' logits, the loss of the batch has just the gradient that a micro-batch
    contributes, whatever its weights. The sum is the gradient of the whole batch, up to rounding, for a network whose rows do not see
    each other. Batch norm lets them: its statistics are those of each micro-batch, and its running ones move once for each. Dropout
    draws anew for each. A batch is never cut into more micro-batches than it has rows.
    """
    count = len(next(iter(inputs.values())))
    seen: list[list[Tensor]] = []
    for rows in torch.arange(count).chunk(micro_batches):
        start, stop = int(rows[0]), int(rows[-1]) + 1
        logits = logits_of({name: value[start:stop] for name, value in inputs.items()})
        loss = loss_of([pad(part, (0, 0, start, count - stop)) for part in logits])
        loss.backward()  # type: ignore[no-untyped-call]
        seen.append([part.detach() for part in logits])
    return float(loss_of([torch.cat(parts) for parts in zip(*seen, strict=True)]))

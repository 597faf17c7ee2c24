"""Panels and training rows: which variants a network should read, and what stands where nothing was called. Never sees another row."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from models.layers.variants import association, modes
from models.spec import Panel
from training.data import Indices

Calls = NDArray[np.float32]


def with_modes(panel: Panel, calls: Calls, rows: Indices) -> Panel:
    """The panel with the commonest call of each variant over the rows of a training fold; `calls` (N, V), -1 where there is none."""
    common = modes(torch.from_numpy(np.asarray(calls[rows]))).int().tolist()
    variants = tuple(each.model_copy(update={"mode": mode}) for each, mode in zip(panel.variants, common, strict=True))
    return panel.model_copy(update={"variants": variants})


def associated(calls: Calls, targets: NDArray[np.float64], rows: Indices, count: int) -> Indices:
    """The `count` variants that are most associated with the classes (N, K) over the rows of a training fold, in the panel's order.

    It is what the network does when it takes its scales; here for those who want to look at it, or to cut a panel down.
    """
    scores = association(torch.from_numpy(np.asarray(calls[rows])), torch.from_numpy(targets[rows]))
    return np.sort(scores.argsort(descending=True, stable=True)[:count].numpy())


def cut(panel: Panel, chosen: Indices, name: str) -> Panel:
    """A panel of some of the variants."""
    return Panel(name=name, build=panel.build, variants=tuple(panel.variants[index] for index in chosen))

"""What a variant says of rows that it has not seen, and which of its trials speaks for it. One rule for networks and for baselines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from models.spec import ModelSpec
from training.augment import drop_fields
from training.data import Cohort, Indices
from training.fit import Task, load_network
from training.losses import surprise
from training.metrics import Floats, mse
from training.recipes import Augmentation

BATCH = 64
HIDING_SEED = 5


@dataclass(frozen=True)
class Answer:
    """What one trial says of the validation rows (V, K), and of the held-out rows (N, K), by the share of fields that is hidden."""

    validation: Floats
    held_out: Mapping[float, Floats]
    setting: str  # what this trial had of its own


def best(trials: Mapping[int, Answer], spec: ModelSpec, validation_target: Floats) -> int:
    """The trial that errs least on the validation rows: no held-out row has a say."""
    return min(trials, key=lambda trial: error(spec, validation_target, trials[trial].validation))


def error(spec: ModelSpec, target: Floats, estimate: Floats) -> float:
    """Mean squared error of a number, mean negative log-likelihood of classes; both (N, K)."""
    if spec.regressions:
        return mse(target, estimate)
    return float(surprise(torch.from_numpy(estimate), torch.from_numpy(target), exclusive=spec.classifications[0].exclusive))


def hidden_mask(cohort: Cohort, share: float) -> NDArray[np.float32]:
    """The cohort's mask with a share of the optional fields hidden at random: the same ones for every variant."""
    present = torch.from_numpy(np.array(cohort.tensors[cohort.spec.table.mask]))
    how = Augmentation(field_dropout=share, all_fields_dropout=0.0)
    return drop_fields(present, cohort.spec.table, how, torch.Generator().manual_seed(HIDING_SEED)).numpy()


def of_network(task: Task, cohort: Cohort, masks: Mapping[float, NDArray[np.float32]], setting: str) -> Answer:
    """What a trained network says; what it says with everything shown was kept when it was trained."""
    kept = np.load(task.folder / "held_out.npz")
    held_out = {0.0: kept["estimate"].astype(np.float64)}
    held_out |= {share: _predicted(task, cohort, task.split.held_out, mask) for share, mask in masks.items()}
    return Answer(kept["validation"].astype(np.float64), held_out, setting)


def _predicted(task: Task, cohort: Cohort, indices: Indices, mask: NDArray[np.float32]) -> Floats:
    tensors, network = cohort.tensors | {cohort.spec.table.mask: mask}, load_network(task)
    with torch.inference_mode():
        parts = [
            network(**{name: torch.from_numpy(np.array(array[batch])) for name, array in tensors.items()})[0].numpy()
            for batch in np.split(indices, range(BATCH, len(indices), BATCH))
        ]
    return np.concatenate(parts).astype(np.float64)

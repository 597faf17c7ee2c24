"""How long an ablation will take, measured before it starts: a step of every network, and an epoch of the slowest that learns alone."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor

from training.ablation import Variant
from training.ablation.plan import Plan
from training.fit import Task, fit


def forecast(plan: Plan, device: torch.device) -> tuple[int, float]:
    """How many networks are still to be trained, and how many seconds that will take on all cores, or on one GPU."""
    missing = [variant for variant in plan.networks for _ in range(_missing(plan, variant))]
    if not missing:
        return 0, 0.0
    seed, split = next(plan.every())
    steps = {variant.name: _step_s(plan.task(variant, seed, 0, split), plan, device) for variant in plan.networks}
    slowest = max((variant for variant in plan.networks if not variant.teacher), key=lambda variant: steps[variant.name])
    epoch_s = _epoch_s(plan.task(slowest, seed, 0, split), plan, device)
    shares = sum(steps[variant.name] / steps[slowest.name] for variant in missing)
    side_by_side = (os.cpu_count() or 1) if device.type == "cpu" else 1
    return len(missing), shares * epoch_s * plan.size.epochs / side_by_side


def _missing(plan: Plan, variant: Variant) -> int:
    folders = [plan.task(variant, seed, trial, split).folder for seed, split in plan.every() for trial in range(plan.size.trials)]
    return sum(not (folder / "held_out.npz").exists() for folder in folders)


def _step_s(task: Task, plan: Plan, device: torch.device) -> float:
    """Seconds for one step forth and back, the second of two."""
    network, rows = task.network().train(), task.split.train[: task.recipe.batch_size]
    inputs = {name: torch.from_numpy(np.array(array[rows])) for name, array in plan.cohort.tensors.items()}
    network.standardise(inputs, torch.from_numpy(plan.cohort.targets[rows]).float())  # type: ignore[operator]
    network.to(device)
    inputs = {name: tensor.to(device) for name, tensor in inputs.items()}
    took = 0.0
    for _ in range(2):
        started = time.perf_counter()
        logits: Tensor | tuple[Tensor, ...] = network.logits(**inputs)  # type: ignore[operator]
        total = logits.sum() if isinstance(logits, Tensor) else torch.stack(logits).sum()
        total.backward()  # type: ignore[no-untyped-call]
        if device.type == "cuda":
            torch.cuda.synchronize()  # it is still computing when the call returns
        took = time.perf_counter() - started
    return took


def _epoch_s(task: Task, plan: Plan, device: torch.device) -> float:
    """Seconds that the training of one epoch takes, augmentation, validation and writing included."""
    with TemporaryDirectory() as folder:
        short = replace(task, recipe=replace(task.recipe, epochs=1), folder=Path(folder))
        started = time.perf_counter()
        fit(short, plan.cohort, device)
        return time.perf_counter() - started


def in_words(seconds: float) -> str:
    """About how long, for a person: 40 s, 12 min, 3 h 20 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"

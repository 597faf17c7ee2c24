"""Train and ask every variant of a plan: resumable, side by side, and with the time that it will take told first."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from training.ablation import Variant
from training.ablation.answers import Answer, best, hidden_mask, of_network
from training.ablation.classical import trained
from training.ablation.features import genotype_features, image_features, table_features
from training.ablation.plan import RATES, Plan, named
from training.data import Indices, Split
from training.fit import Task
from training.metrics import Floats
from training.pipeline import fit_all

Masks = Mapping[float, NDArray[np.float32]]


class Answers:
    """What every variant says of the rows that each seed holds out: (N, K), by variant, seed and share of hidden fields."""

    def __init__(self, plan: Plan) -> None:
        self.rows: dict[int, Indices] = {
            seed: np.concatenate([split.held_out for split in plan.splits(seed)]) for seed in plan.seeds
        }
        self.estimates: dict[tuple[str, int, float], Floats] = {}
        self.chosen: dict[str, list[str]] = {}  # variant -> the setting that was chosen, split by split

    def add(self, variant: str, seed: int, chosen: list[Answer]) -> None:
        """The answers of the chosen trials of a seed, in the order of its splits."""
        for share in chosen[0].held_out:
            self.estimates[variant, seed, share] = np.concatenate([answer.held_out[share] for answer in chosen])
        self.chosen.setdefault(variant, []).extend(answer.setting for answer in chosen)


def check_record(plan: Plan) -> None:
    """Leave what the networks are beside them; a folder that holds others of the same name is not gone on with.

    Raises
    ------
    FileExistsError
        The folder belongs to another cohort, size or study.
    """
    path, cohort = plan.folder / "ablation.json", plan.cohort
    _, split = next(plan.every())
    record = {"cohort": cohort.folder.name, "rows": len(cohort.rows), "protocol": plan.protocol}
    for variant in plan.networks:
        record |= {named(variant, trial): repr(plan.task(variant, 0, trial, split).recipe) for trial in range(plan.size.trials)}
    found = json.loads(path.read_text()) if path.exists() else {}
    if any(found[name] != record[name] for name in record.keys() & found.keys()):
        raise FileExistsError(f"{plan.folder} holds networks of another cohort, size or study: choose another --work")
    plan.folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found | record, indent=2) + "\n")


def fit_networks(plan: Plan, device: torch.device, networks: int) -> None:
    """Train whatever is not finished: every trial of every network, teachers and their choice before their students."""
    free = [variant for variant in plan.networks if not variant.teacher]
    taught = [variant for variant in plan.networks if variant.teacher]
    with _quiet_workers(), tqdm(total=networks, desc=f"ablate {plan.study.model}", unit="network", smoothing=0.1) as bar:
        for some in (free, taught):
            tasks = [task for variant in some for task in _tasks(plan, variant)]
            waiting = tuple(task for task in tasks if not (task.folder / "held_out.npz").exists())
            for _ in fit_all(waiting, plan.cohort, device):
                bar.update()


@contextmanager
def _quiet_workers() -> Iterator[None]:
    """Processes that are started within draw no bars: one for all networks is enough."""
    before = os.environ.get("TQDM_DISABLE")
    os.environ["TQDM_DISABLE"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["TQDM_DISABLE"]
        else:
            os.environ["TQDM_DISABLE"] = before


def ask(plan: Plan) -> Answers:
    """Every variant's chosen trials, asked about the rows that were held out from them."""
    answers = Answers(plan)
    masks = {share: hidden_mask(plan.cohort, share) for share in plan.study.hidden}
    pictures = image_features(plan.cohort) if any(variant.classical for variant in plan.variants) else None
    for variant in tqdm(plan.variants, desc="ask", unit="variant"):
        for seed in plan.seeds:
            chosen = []
            for split in plan.splits(seed):
                if variant.classical and pictures is not None:
                    trials = _of_baseline(plan, variant, split, pictures, masks)
                else:
                    trials = _of_networks(plan, variant, seed, split, masks)
                chosen.append(trials[best(trials, plan.cohort.spec, plan.cohort.targets[split.validation])])
            answers.add(variant.name, seed, chosen)
    return answers


def _tasks(plan: Plan, variant: Variant) -> list[Task]:
    return [
        plan.task(variant, seed, trial, split, _taught_by(plan, variant, seed, split))
        for seed, split in plan.every()
        for trial in range(plan.size.trials)
    ]


def _taught_by(plan: Plan, variant: Variant, seed: int, split: Split) -> int:
    """The trial of the teacher that errs least on the validation rows; the teacher must be trained."""
    if not variant.teacher:
        return 0
    trials = _of_networks(plan, plan.study.variant(variant.teacher), seed, split, {})
    return best(trials, plan.cohort.spec, plan.cohort.targets[split.validation])


def _of_networks(plan: Plan, variant: Variant, seed: int, split: Split, masks: Masks) -> dict[int, Answer]:
    return {
        trial: of_network(plan.task(variant, seed, trial, split), plan.cohort, masks, f"learning rate x {RATES[trial]:g}")
        for trial in range(plan.size.trials)
    }


def _of_baseline(plan: Plan, variant: Variant, split: Split, pictures: Floats, masks: Masks) -> dict[int, Answer]:
    genotypes = genotype_features(plan.cohort, split.train)
    tables = {0.0: table_features(plan.cohort)} | {share: table_features(plan.cohort, mask) for share, mask in masks.items()}
    features = {share: np.concatenate((table, genotypes, pictures), axis=1) for share, table in tables.items()}
    return {trial: trained(variant.classical, trial, plan.cohort, split, features) for trial in range(plan.size.trials)}

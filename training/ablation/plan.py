"""A study made ready to run: its size, its splits, and which networks there are to train, each in a folder of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from training.ablation import Size, Study, Variant
from training.data import Cohort, Split, official_split, splits
from training.fit import Task
from training.recipes import Recipe, recipe

HELD_OUT, VALIDATION = 0.3, 0.15  # shares: of the cohort, and of what is left
RATES = (1.0, 0.5, 2.0, 0.25)  # of the recipe's learning rate: what a network's trials differ in


@dataclass(frozen=True)
class Plan:
    """Which variants, seeds and trials, on which cohort, under which protocol, in which folder."""

    study: Study
    size_name: str
    size: Size
    protocol: str
    seeds: tuple[int, ...]
    variants: tuple[Variant, ...]
    folder: Path
    cohort: Cohort

    @property
    def networks(self) -> tuple[Variant, ...]:
        """The variants that are networks."""
        return tuple(variant for variant in self.variants if not variant.classical)

    def splits(self, seed: int) -> tuple[Split, ...]:
        """The splits of a seed, the same for every variant: stratified, and no patient on two sides."""
        rows, targets, chosen = self.cohort.rows, self.cohort.targets, self._recipe(seed)
        if self.protocol == "published" and self.study.folds:
            return splits(rows, targets, replace(chosen, folds=self.study.folds))[:-1]  # the last one holds out nothing
        if self.protocol == "published" and self.study.official_test:
            return (official_split(rows, targets, chosen),)
        return splits(rows, targets, chosen)

    def task(self, variant: Variant, seed: int, trial: int, split: Split, taught_by: int = 0) -> Task:
        """One network; `taught_by` is the trial of the teacher that it learns from."""
        base = self._recipe(seed)
        name, teacher = named(variant, trial), self.study.variant(variant.teacher) if variant.teacher else None
        teachers = {} if teacher is None else {named(teacher, taught_by): teacher.options}
        chosen = replace(
            base,
            variants={name: variant.options, **teachers},
            teachers={name: next(iter(teachers))} if teachers else {},
            loss=variant.loss or base.loss,
            learning_rate=base.learning_rate * RATES[trial],
            trunk_learning_rate=base.trunk_learning_rate * RATES[trial],
        )
        return Task(chosen, name, split, self.folder / f"seed-{seed}" / name / split.name)

    def every(self) -> Iterator[tuple[int, Split]]:
        """Each seed with each of its splits."""
        for seed in self.seeds:
            for split in self.splits(seed):
                yield seed, split

    def _recipe(self, seed: int) -> Recipe:
        base = recipe(self.study.model, "reference")
        return replace(
            base,
            network={**base.network, **self.size.network},
            epochs=self.size.epochs,
            batch_size=self.size.batch_size,
            validation=VALIDATION,
            calibration=HELD_OUT,
            seed=seed,
        )


def named(variant: Variant, trial: int) -> str:
    """The name of one trial of a variant, as its folder bears it."""
    return f"{variant.name}@{trial}"

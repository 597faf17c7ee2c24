"""Recipes for the chest model. `paper` has the values of the released runs (their argument files); `reference` is ours."""

from __future__ import annotations

from collections.abc import Mapping

from training.recipes import Augmentation, Options, Recipe

PAPER_NAME = "Rand & Ibrahim, arXiv:2504.02277"
VARIANTS: Mapping[str, Options] = {
    "mxa-kd": {"outputs": 2},
    "mxa": {},
    "plain": {"mxa": False},  # with logits: the published baseline applies its sigmoid twice
    "teacher": {"architecture": "densenet121"},
}
SMALL = {"widths": (48, 60, 72), "growth": 8, "dense": (3, 4, 6, 4)}

REFERENCE = Recipe(
    model="chest",
    name="reference",
    network=SMALL,  # a quarter of M5's width, and a DenseNet of 17 layers for a teacher
    variants=VARIANTS,
    teachers={"mxa-kd": "teacher"},
    loss="binary_cross_entropy",
    loss_options={},
    epochs=16,
    batch_size=32,
    learning_rate=2e-3,
    trunk_learning_rate=2e-3,
    weight_decay=0.025,
    paper=PAPER_NAME,
    phantom_cases=2400,
    phantom_rows=256,
    augmentation=Augmentation(rotation_degrees=7.0, translation=0.05, scale=0.08, brightness=0.08, contrast=0.15),
)

PAPER = Recipe(
    model="chest",
    name="paper",
    network={},
    variants=VARIANTS,
    teachers={"mxa-kd": "teacher"},
    loss="binary_cross_entropy",
    loss_options={},
    epochs=30,  # scheduled for 50, but the released runs overfit from about 24 on
    batch_size=512,
    learning_rate=1e-3,
    trunk_learning_rate=1e-3,
    weight_decay=0.025,
    warmup_epochs=5,
    patience=8,
    validation=0.02,
    calibration=0.02,
    paper=PAPER_NAME,
    augmentation=Augmentation(rotation_degrees=10.0, translation=0.05, scale=0.10),
)

RECIPES = {recipe.name: recipe for recipe in (REFERENCE, PAPER)}

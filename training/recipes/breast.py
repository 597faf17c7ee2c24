"""Recipes for the breast model. The paper names ResNet-50, a freeze of ten epochs and modality dropout; the numbers are ours."""

from __future__ import annotations

from training.recipes import Augmentation, Recipe

PAPER_NAME = "Nantogmah et al., arXiv:2508.16000"
VARIANTS = {
    "xattn": {},
    "concatenation": {"fusion": "concatenation"},
    "image-only": {"streams": "image"},
    "clinical-only": {"streams": "clinical"},
}
TURNED = Augmentation(
    rotation_degrees=15.0, translation=0.04, scale=0.08, brightness=0.05, contrast=0.10, mirror=0.5, field_dropout=0.10,
    all_fields_dropout=0.0,  # the network drops a whole modality itself
)  # fmt: skip

REFERENCE = Recipe(
    model="breast",
    name="reference",
    network={"trunk": "resnet34", "trunk_width": 8},  # an eighth of its width: minutes on two cores
    variants=VARIANTS,
    loss="cross_entropy",
    loss_options={"balanced": 1.0},
    epochs=12,
    batch_size=32,
    learning_rate=2e-3,
    trunk_learning_rate=2e-3,  # from scratch: no pretrained trunk to be careful with
    paper=PAPER_NAME,
    phantom_cases=2200,
    fresh_cases=1500,
    phantom_rows=256,
    augmentation=TURNED,
)

PAPER = Recipe(
    model="breast",
    name="paper",
    network={"trunk_width": 64},
    variants=VARIANTS,
    loss="cross_entropy",
    loss_options={"balanced": 1.0},
    epochs=60,
    batch_size=32,
    learning_rate=1e-3,
    trunk_learning_rate=1e-4,
    weight_decay=1e-4,
    frozen_trunk_epochs=10,
    patience=10,
    validation=0.15,
    paper=PAPER_NAME,
    augmentation=TURNED,
)

RECIPES = {recipe.name: recipe for recipe in (REFERENCE, PAPER)}

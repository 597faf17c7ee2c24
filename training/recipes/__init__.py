"""Recipes: frozen values, one `reference` and one `paper` for each model. Everything that a paper leaves open stands here."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

Options = Mapping[str, object]

REFERENCE_SEED = 1  # the phantoms that the reference artifacts learn from
FRESH_SEED = 2  # another seed draws other patients: none of them seen by any fit
CALIBRATION_CASES, CALIBRATION_SEED = 600, 5  # calibrate the reference artifacts: more than a recipe's own split holds out
EXAMPLE_SEED = 3


@dataclass(frozen=True)
class Augmentation:
    """Random changes in training only, after preprocessing; each is the half-width of a uniform distribution."""

    rotation_degrees: float = 7.0
    translation: float = 0.05  # of the image's side
    scale: float = 0.10
    brightness: float = 0.15  # of the intensity range
    contrast: float = 0.15
    mirror: float = 0.0  # share of images mirrored: how an image looks whose side nobody stated
    field_dropout: float = 0.15  # share of optional metadata fields hidden, each by itself
    all_fields_dropout: float = 0.10  # share of rows that lose every optional field


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training run besides the cohort."""

    model: str
    name: str
    network: Options
    variants: Mapping[str, Options]  # network options that differ; the first variant is the model, the others its baselines
    loss: str
    loss_options: Mapping[str, float]
    epochs: int
    batch_size: int
    learning_rate: float
    trunk_learning_rate: float
    weight_decay: float = 1e-2
    clip_norm: float = 1.0
    warmup_epochs: int = 1
    frozen_trunk_epochs: int = 0
    patience: int = 0  # epochs without a better validation loss before stopping; 0: never stop early
    folds: int = 0  # 0: one split; k: stratified k-fold cross-validation and a final fit on everything
    validation: float = 0.1  # share of the training part that chooses the epoch
    calibration: float = 0.15  # share held out for the error distribution, where folds do not provide it
    recentre: bool = True  # take the median error on the validation rows out of the estimates
    seed: int = 0
    mixed_precision: bool = False  # bfloat16 where torch deems it safe; weights stay in float32
    accumulate: int = 1  # micro-batches that a batch is cut into: less memory for the same step; see training.accumulation
    teachers: Mapping[str, str] = field(default_factory=dict)  # variant -> the variant that it learns from, which is trained first
    paper: str = ""  # whom the model is after
    phantom_cases: int = 2500  # the phantom cohort that a reference artifact learns from
    fresh_cases: int = 500  # the phantom cohort that it is judged on
    phantom_rows: int = 384  # of a film: above what the networks see, and quick to draw
    augmentation: Augmentation = field(default_factory=Augmentation)


def adjusted(
    recipe: Recipe, *, epochs: int | None = None, loss: str | None = None, network: Options | None = None,
    accumulate: int | None = None, mixed_precision: bool = False,
) -> Recipe:  # fmt: skip
    """The recipe with other epochs, another loss, or other network options, one ablation each; or fitted to another device."""
    chosen = replace(recipe, network={**recipe.network, **(network or {})}, accumulate=accumulate or recipe.accumulate)
    return replace(
        chosen, epochs=epochs or chosen.epochs, loss=loss or chosen.loss, mixed_precision=mixed_precision or chosen.mixed_precision
    )


def recipe(model: str, name: str) -> Recipe:
    """The recipe `name` of a model.

    Raises
    ------
    KeyError
        Naming the recipes there are.
    """
    recipes: Mapping[str, Recipe] = importlib.import_module(f"training.recipes.{model}").RECIPES
    if name not in recipes:
        raise KeyError(f"{model} has the recipes {', '.join(sorted(recipes))}")
    return recipes[name]

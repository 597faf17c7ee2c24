"""What is compared with what, and why, as data: one study for each model. Nothing here trains or measures."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from training.recipes import Options


@dataclass(frozen=True)
class Variant:
    """One way to answer: the model with one thing changed, or a classical baseline on hand-made features."""

    name: str
    text: str  # what it is, as a phrase
    options: Options = field(default_factory=dict)  # of the network
    loss: str = ""  # another than the recipe's
    teacher: str = ""  # the variant that it also learns from
    classical: str = ""  # linear or boosting: no network at all


@dataclass(frozen=True)
class Comparison:
    """A question with the two variants that answer it: by how much `one` is better than `other`, on the same held-out patients."""

    question: str
    one: str
    other: str
    claim: str = ""  # what the paper says of it, in our words; empty where the question is ours
    published: str = ""  # the figures that the paper gives for its own cohort
    metric: str = ""  # more is better; the study's first metric where empty
    hidden: float = 0.0  # share of the optional fields that is hidden from both


@dataclass(frozen=True)
class Untestable:
    """A claim that nothing here can decide."""

    claim: str
    published: str
    because: str


@dataclass(frozen=True)
class Size:
    """How much is trained: what a small machine can do in under an hour, or what a GPU can."""

    cases: int
    epochs: int
    batch_size: int
    trials: int  # settings that each variant may choose from, by its validation rows
    network: Options = field(default_factory=dict)  # on top of the reference recipe's


@dataclass(frozen=True)
class Study:
    """Everything that is asked of one model."""

    model: str
    paper: str  # whose claims these are
    metrics: tuple[str, ...]  # the first one decides
    variants: tuple[Variant, ...]
    comparisons: tuple[Comparison, ...]
    untestable: tuple[Untestable, ...]
    sizes: Mapping[str, Size]
    published_protocol: str  # what `--protocol published` does
    limits: tuple[str, ...]  # of these phantoms, for these questions
    hidden: tuple[float, ...] = ()  # shares of the optional fields to hide at evaluation
    folds: int = 0  # of the published protocol: cross-validation
    official_test: bool = False  # of the published protocol: the cohort says which rows are its test
    published_cases: int = 0  # of the published protocol, where its size is part of it

    def variant(self, name: str) -> Variant:
        """The variant of that name.

        Raises
        ------
        KeyError
            Naming the variants there are.
        """
        for variant in self.variants:
            if variant.name == name:
                return variant
        raise KeyError(f"{self.model} has no variant {name}; the variants are {', '.join(each.name for each in self.variants)}")


LINEAR = Variant("linear", "a linear model on metadata and simple image features", classical="linear")
BOOSTING = Variant("boosting", "gradient boosting on metadata and simple image features", classical="boosting")


def study(model: str) -> Study:
    """The study of a model."""
    found: Study = importlib.import_module(f"training.ablation.{model}").STUDY
    return found

"""Baselines of scikit-learn on hand-made features: tuned on the same validation rows, with as many trials as a network has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from models.spec import ModelSpec
from training.ablation.answers import Answer
from training.data import Cohort, Split
from training.metrics import Floats

# trials, in the order in which they are tried
STRENGTHS = (100.0, 10.0, 1000.0, 1.0)  # of the penalty on the weights
FORESTS = ((0.05, 120, 4), (0.1, 120, 8), (0.03, 300, 4), (0.1, 60, 16))  # learning rate, trees, leaves
FEWEST = 2  # of either kind; with fewer a finding is told by how common it is


class Estimator(Protocol):
    """What scikit-learn's estimators have in common."""

    def fit(self, features: Floats, target: Floats) -> object: ...  # noqa: D102
    def predict(self, features: Floats) -> Floats: ...  # noqa: D102
    def predict_proba(self, features: Floats) -> Floats: ...  # noqa: D102


def trained(kind: str, trial: int, cohort: Cohort, split: Split, features: Mapping[float, Floats]) -> Answer:
    """One trial of a baseline; `features` (N, F) of all rows, by the share of fields that is hidden."""
    make = _maker(kind, trial, regression=bool(cohort.spec.regressions))
    seen = features[0.0][split.train]
    answer = _fitted(cohort.spec, make, seen, cohort.targets[split.train])
    held_out = {share: answer(some[split.held_out]) for share, some in features.items()}
    return Answer(answer(features[0.0][split.validation]), held_out, setting(kind, trial))


def setting(kind: str, trial: int) -> str:
    """What a trial has of its own, in words."""
    if kind == "linear":
        return f"penalty {STRENGTHS[trial]:g}"
    rate, trees, leaves = FORESTS[trial]
    return f"rate {rate:g}, {trees} trees of {leaves} leaves"


def _maker(kind: str, trial: int, *, regression: bool) -> Callable[[], Estimator]:
    if kind == "linear":
        strength = STRENGTHS[trial]
        last = partial(Ridge, alpha=strength) if regression else partial(LogisticRegression, C=1 / strength, max_iter=2000)
        return lambda: make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), last())
    rate, trees, leaves = FORESTS[trial]
    forest = HistGradientBoostingRegressor if regression else HistGradientBoostingClassifier
    return lambda: forest(learning_rate=rate, max_iter=trees, max_leaf_nodes=leaves, early_stopping=False, random_state=0)


def _fitted(spec: ModelSpec, make: Callable[[], Estimator], features: Floats, targets: Floats) -> Callable[[Floats], Floats]:
    """A function from features (N, F) to what a network would answer (N, K)."""
    if spec.regressions:
        number = make()
        number.fit(features, targets[:, 0])
        return lambda some: np.asarray(number.predict(some))[:, None]
    if spec.classifications[0].exclusive:
        classes = make()
        classes.fit(features, targets.argmax(1).astype(np.float64))
        return lambda some: np.asarray(classes.predict_proba(some))
    each = [_of_finding(make, features, targets[:, k]) for k in range(targets.shape[1])]
    return lambda some: np.stack([answer(some) for answer in each], axis=1)


def _of_finding(make: Callable[[], Estimator], features: Floats, target: Floats) -> Callable[[Floats], Floats]:
    """One of several findings that may hold together, of the rows where it is known."""
    known: NDArray[np.bool_] = ~np.isnan(target)
    truth = target[known]
    if min(truth.sum(), (1 - truth).sum()) < FEWEST:
        return lambda some: np.full(len(some), truth.mean() if len(truth) else 0.5)
    finding = make()
    finding.fit(features[known], truth)
    return lambda some: np.asarray(finding.predict_proba(some))[:, 1]

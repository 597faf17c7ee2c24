"""What an evaluation of classes measures: of targets and probabilities (N, K), NaN where a target is not known."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from models.spec import Classification
from training.metrics import FEWEST_POSITIVES, Floats, Metric, auc, f1, precision, recall

BINS = 10  # of the calibration error


def class_metrics(part: Classification) -> Mapping[str, Metric]:
    """The primary metric first; the others after it."""
    names = [each.name for each in part.classes]
    if not part.exclusive:
        each = {f"AUC {name}": _column(k, class_auc) for k, name in enumerate(names)}
        return {"macro AUC": macro_auc, "micro AUC": micro_auc, "Brier": brier, "ECE": calibration_error, **each}
    common: dict[str, Metric] = {"accuracy": accuracy, "Brier": brier, "ECE": calibration_error}
    if len(names) == 2:
        called = {"F1": f1, "precision": precision, "recall": recall}
        return {"AUC": _column(1, class_auc), **common, **{name: _called(score) for name, score in called.items()}}
    recalls: dict[str, Metric] = {f"recall {name}": _recall(k) for k, name in enumerate(names)}
    return {"macro AUC": macro_auc, **common, "balanced accuracy": balanced_accuracy, "macro F1": macro_f1, **recalls}


def primary(part: Classification) -> str:
    """The metric by which networks are compared."""
    return next(iter(class_metrics(part)))


def class_auc(target: Floats, probability: Floats) -> float:
    """Of one class (N,); NaN where there are too few of either kind."""
    known = ~np.isnan(target)
    positive = target[known] > 0.5
    return float("nan") if min(positive.sum(), (~positive).sum()) < FEWEST_POSITIVES else auc(positive, probability[known])


def macro_auc(target: Floats, probability: Floats) -> float:
    """The mean over the classes of which there are enough."""
    values = np.array([class_auc(target[:, k], probability[:, k]) for k in range(target.shape[1])])
    return float("nan") if np.isnan(values).all() else float(np.nanmean(values))


def micro_auc(target: Floats, probability: Floats) -> float:
    """All decisions pooled; flattered by classes that differ in how common they are."""
    return class_auc(target.ravel(), probability.ravel())


def accuracy(target: Floats, probability: Floats) -> float:
    """How often the likeliest class is the true one."""
    return float((target.argmax(1) == probability.argmax(1)).mean())


def balanced_accuracy(target: Floats, probability: Floats) -> float:
    """The mean recall over the classes."""
    return float(np.mean([_recall(k)(target, probability) for k in range(target.shape[1])]))


def macro_f1(target: Floats, probability: Floats) -> float:
    """The mean F1 over the classes."""
    truly, called = target.argmax(1), probability.argmax(1)
    return float(np.mean([f1(truly == k, called == k) for k in range(target.shape[1])]))


def brier(target: Floats, probability: Floats) -> float:
    """Mean squared distance of a probability from what was true, over every known decision (Brier, 1950)."""
    return float(np.nanmean((target - probability) ** 2))


def calibration_error(target: Floats, probability: Floats) -> float:
    """Expected calibration error (Naeini et al., AAAI 2015), over every known decision, in ten bins of one width."""
    known = ~np.isnan(target)
    truth, told = target[known], probability[known]
    bins = np.minimum((told * BINS).astype(int), BINS - 1)
    gaps = [abs(truth[bins == b].mean() - told[bins == b].mean()) * (bins == b).sum() for b in np.unique(bins)]
    return float(sum(gaps) / len(truth))


def _column(k: int, metric: Metric) -> Metric:
    return lambda target, probability: metric(target[:, k], probability[:, k])


def _recall(k: int) -> Metric:
    def measure(target: Floats, probability: Floats) -> float:
        truly: NDArray[np.bool_] = target[:, k] > 0.5
        return float((probability[truly].argmax(1) == k).mean()) if truly.any() else float("nan")

    return measure


def _called(score: Callable[[NDArray[np.bool_], NDArray[np.bool_]], float]) -> Metric:
    """A score of the second of two classes, called where it is the likelier."""
    return lambda target, probability: score(target[:, 1] > 0.5, probability[:, 1] >= 0.5)

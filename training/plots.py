"""The pictures of a model card: what a person would rather see than read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from models.regression import boundary
from training.calibration import reliability
from training.evaluation import Evaluation
from training.evaluation.classes import ClassEvaluation
from training.evaluation.honesty import Honesty
from training.evaluation.regression import RegressionEvaluation
from training.evaluation.served import Served
from training.metrics import Floats

mpl.use("Agg")
BLUE, ORANGE, GREY = "#2a6f97", "#d1495b", "#8d99ae"
COLOURS, STYLES = (BLUE, ORANGE, "#5c946e"), ("-", "--", "-.", ":")
CURVES = ("malignant", "low_bone_mass", "osteoporosis", "ad", "pleural_effusion", "cardiomegaly")


def write_plots(evaluation: Evaluation, folder: Path, honest: Honesty | None = None) -> list[str]:
    """One PNG for each question; returns their file names."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    drawings = _drawings(evaluation)
    if honest:
        drawings["reliability"] = lambda axes: _reliability(axes, honest)
        drawings["net-benefit"] = lambda axes: _net_benefit(axes, honest.told)
    for name, draw in drawings.items():
        figure = Figure(figsize=(5, 4.2), layout="constrained")
        draw(figure.subplots())
        figure.savefig(folder / f"{name}.png", dpi=100)
    return [f"{name}.png" for name in drawings]


def _drawings(evaluation: Evaluation) -> dict[str, Callable[[Axes], None]]:
    drawings: dict[str, Callable[[Axes], None]] = {}
    if isinstance(evaluation, RegressionEvaluation):
        drawings |= {
            "predicted": lambda axes: _predicted(axes, evaluation),
            "bland-altman": lambda axes: _bland_altman(axes, evaluation),
            "roc": lambda axes: _roc_below(axes, evaluation),
        }
    if isinstance(evaluation, ClassEvaluation):
        if evaluation.part.exclusive:
            drawings["roc"] = lambda axes: _roc_classes(axes, evaluation)
            drawings["confusion"] = lambda axes: _confusion(axes, evaluation)
        else:
            drawings["auc"] = lambda axes: _auc_bars(axes, evaluation)
    if evaluation.field_attention:
        drawings["field-attention"] = lambda axes: _field_attention(axes, evaluation)
    return drawings


def _predicted(axes: Axes, evaluation: RegressionEvaluation) -> None:
    scored, unit = evaluation.model, evaluation.part.unit
    ends = [min(scored.target.min(), scored.estimate.min()), max(scored.target.max(), scored.estimate.max())]
    axes.fill_between(ends, np.array(ends) - evaluation.half_width, np.array(ends) + evaluation.half_width, color=BLUE, alpha=0.12, lw=0)
    axes.plot(ends, ends, color=GREY, lw=1)
    axes.scatter(scored.target, scored.estimate, s=9, color=BLUE, alpha=0.5, lw=0)
    for finding in evaluation.part.findings:
        axes.axvline(boundary(evaluation.part, finding), color=ORANGE, lw=0.8, ls="--")
    axes.set(xlabel=f"true BMD ({unit})", ylabel=f"estimate ({unit})")
    axes.set_title("Estimate against truth; band: 90 % interval; dashed: T -1, -2.5", fontsize=9)


def _bland_altman(axes: Axes, evaluation: RegressionEvaluation) -> None:
    scored, unit = evaluation.model, evaluation.part.unit
    middle, difference = (scored.target + scored.estimate) / 2, scored.estimate - scored.target
    bias, spread = difference.mean(), 1.96 * difference.std(ddof=1)
    axes.scatter(middle, difference, s=9, color=BLUE, alpha=0.5, lw=0)
    for level, style in ((bias, "-"), (bias - spread, "--"), (bias + spread, "--")):
        axes.axhline(level, color=ORANGE, lw=1, ls=style)
        axes.annotate(f"{level:+.3f}", (1, level), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=8, color=ORANGE)
    axes.set(xlabel=f"mean of estimate and truth ({unit})", ylabel=f"estimate - truth ({unit})", title="Bland-Altman: bias and 95 % limits")


def _roc_below(axes: Axes, evaluation: RegressionEvaluation) -> None:
    for finding, colour in zip(evaluation.part.findings, COLOURS, strict=False):
        for (variant, scored), style in zip(evaluation.scored.items(), STYLES, strict=False):
            positive = scored.target < boundary(evaluation.part, finding)
            _curve(axes, positive, -scored.estimate, f"T {finding.t_score:g}: {variant}", colour, style)
    _finish_roc(axes, "ROC by T-score threshold")


def _roc_classes(axes: Axes, evaluation: ClassEvaluation) -> None:
    """Of two classes the second; of more, each against the others."""
    names = [each.name for each in evaluation.part.classes]
    for k, colour in zip(range(1 if len(names) == 2 else 0, len(names)), COLOURS, strict=False):
        for (variant, scored), style in zip(evaluation.scored.items(), STYLES, strict=False):
            _curve(axes, scored.target[:, k] > 0.5, scored.estimate[:, k], f"{names[k]}: {variant}", colour, style)
    _finish_roc(axes, "ROC")


def _curve(axes: Axes, truly: NDArray[np.bool_], score: Floats, label: str, colour: str, style: str) -> None:
    positive = truly[np.argsort(-score)]
    if 0 < positive.sum() < len(positive):
        sensitivity, fall_out = np.cumsum(positive) / positive.sum(), np.cumsum(~positive) / (~positive).sum()
        axes.plot(fall_out, sensitivity, style, color=colour, lw=1.2, label=label)


def _finish_roc(axes: Axes, title: str) -> None:
    axes.plot([0, 1], [0, 1], color=GREY, lw=0.8)
    axes.legend(fontsize=7)
    axes.set(xlabel="1 - specificity", ylabel="sensitivity", title=title)


def _reliability(axes: Axes, honest: Honesty) -> None:
    """All findings pooled, as the network says it and as it is told."""
    axes.plot([0, 1], [0, 1], color=GREY, lw=0.8)
    for some, colour, label in ((honest.raw, ORANGE, "as the network says it"), (honest.told, BLUE, "as it is told")):
        probable, true, _ = reliability(some.truth.ravel(), some.told.ravel())
        axes.plot(probable, true, color=colour, lw=1, marker="o", ms=4, label=label)
    axes.legend(fontsize=7)
    axes.set(xlabel="probability", ylabel="share that was true", title="Reliability; each point is a tenth of the decisions")


def _net_benefit(axes: Axes, told: Served) -> None:
    """What is gained by acting from a probability on (Vickers & Elkin, Medical Decision Making 2006), of the findings in CURVES."""
    limits = np.linspace(0.02, 0.9, 60)
    odds = limits / (1 - limits)
    for name, colour in zip([name for name in told.findings if name in CURVES], COLOURS, strict=False):
        truth, score = (some[:, told.findings.index(name)] for some in (told.truth, told.told))
        truth, score = truth[~np.isnan(truth)], score[~np.isnan(truth)]
        called = score[:, np.newaxis] >= limits
        gained = (called & (truth[:, np.newaxis] > 0.5)).mean(0) - (called & (truth[:, np.newaxis] < 0.5)).mean(0) * odds
        axes.plot(limits, gained, color=colour, lw=1.2, label=name)
        axes.plot(limits, truth.mean() - (1 - truth.mean()) * odds, color=colour, lw=0.8, ls=":", label=f"everybody ({name})")
    axes.axhline(0, color=GREY, lw=0.8)
    axes.set(ylim=(-0.05, None), xlabel="probability from which one acts", ylabel="net benefit", title="Decision curve; zero: nobody")
    axes.legend(fontsize=7)


def _confusion(axes: Axes, evaluation: ClassEvaluation) -> None:
    names = [each.name for each in evaluation.part.classes]
    counts = np.zeros((len(names), len(names)), int)
    np.add.at(counts, (evaluation.model.target.argmax(1), evaluation.model.estimate.argmax(1)), 1)
    axes.imshow(counts / np.maximum(counts.sum(1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        axes.text(column, row, str(count), ha="center", va="center", color="white" if count > counts[row].sum() / 2 else "black")
    axes.set(xlabel="likeliest class", ylabel="true class", title="Confusion")
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)


def _auc_bars(axes: Axes, evaluation: ClassEvaluation) -> None:
    names = [each.name for each in evaluation.part.classes][::-1]
    places, height = np.arange(len(names)), 0.8 / len(evaluation.table)
    for i, (variant, colour) in enumerate(zip(evaluation.table, (BLUE, ORANGE, GREY, "#5c946e", "#333333"), strict=False)):
        found = [evaluation.table[variant][f"AUC {name}"] for name in names]
        values = np.array([each.value for each in found])
        spread = np.array([(each.value - each.low, each.high - each.value) for each in found]).T
        level = places + 0.4 - (i + 0.5) * height
        axes.barh(level, values, height, xerr=np.nan_to_num(spread).clip(0), color=colour, label=variant, error_kw={"lw": 0.6})
    axes.set_yticks(places, names, fontsize=7)
    axes.set(xlim=(0.4, 1), xlabel="AUC", title="Each class, with 95 % intervals")
    axes.legend(fontsize=7, loc="lower left")


def _field_attention(axes: Axes, evaluation: Evaluation) -> None:
    names = list(evaluation.field_attention)[::-1]
    axes.barh(names, [evaluation.field_attention[name] for name in names], color=BLUE)
    axes.set(xlabel="mean weight where present", title="Attention over the metadata fields")
    axes.tick_params(axis="y", labelsize=8)

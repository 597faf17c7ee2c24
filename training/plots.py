"""The pictures of a model card: predicted against true, Bland-Altman, ROC, field attention."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from models.regression import boundary
from training.evaluate import Evaluation
from training.metrics import Scored

mpl.use("Agg")
BLUE, ORANGE, GREY = "#2a6f97", "#d1495b", "#8d99ae"


def write_plots(evaluation: Evaluation, folder: Path) -> list[str]:
    """One PNG for each question; returns their file names."""
    folder.mkdir(parents=True, exist_ok=True)
    drawings = {"predicted": _predicted, "bland-altman": _bland_altman, "roc": _roc}
    if evaluation.field_attention:
        drawings["field-attention"] = _field_attention
    for name, draw in drawings.items():
        figure = Figure(figsize=(5, 4.2), layout="constrained")
        draw(figure.subplots(), evaluation)
        figure.savefig(folder / f"{name}.png", dpi=100)
    return [f"{name}.png" for name in drawings]


def _model(evaluation: Evaluation) -> Scored:
    return next(iter(evaluation.scored.values()))


def _predicted(axes: Axes, evaluation: Evaluation) -> None:
    scored, unit = _model(evaluation), evaluation.part.unit
    ends = [min(scored.target.min(), scored.estimate.min()), max(scored.target.max(), scored.estimate.max())]
    axes.fill_between(ends, np.array(ends) - evaluation.half_width, np.array(ends) + evaluation.half_width, color=BLUE, alpha=0.12, lw=0)
    axes.plot(ends, ends, color=GREY, lw=1)
    axes.scatter(scored.target, scored.estimate, s=9, color=BLUE, alpha=0.5, lw=0)
    for finding in evaluation.part.findings:
        axes.axvline(boundary(evaluation.part, finding), color=ORANGE, lw=0.8, ls="--")
    axes.set(xlabel=f"true BMD ({unit})", ylabel=f"estimate ({unit})")
    axes.set_title("Estimate against truth; band: 90 % interval; dashed: T -1, -2.5", fontsize=9)


def _bland_altman(axes: Axes, evaluation: Evaluation) -> None:
    scored, unit = _model(evaluation), evaluation.part.unit
    middle, difference = (scored.target + scored.estimate) / 2, scored.estimate - scored.target
    bias, spread = difference.mean(), 1.96 * difference.std(ddof=1)
    axes.scatter(middle, difference, s=9, color=BLUE, alpha=0.5, lw=0)
    for level, style in ((bias, "-"), (bias - spread, "--"), (bias + spread, "--")):
        axes.axhline(level, color=ORANGE, lw=1, ls=style)
        axes.annotate(f"{level:+.3f}", (1, level), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=8, color=ORANGE)
    axes.set(xlabel=f"mean of estimate and truth ({unit})", ylabel=f"estimate - truth ({unit})", title="Bland-Altman: bias and 95 % limits")


def _roc(axes: Axes, evaluation: Evaluation) -> None:
    for finding, colour in zip(evaluation.part.findings, (BLUE, ORANGE), strict=False):
        for (variant, scored), style in zip(evaluation.scored.items(), ("-", "--", "-.", ":"), strict=False):
            positive = (scored.target < boundary(evaluation.part, finding))[np.argsort(scored.estimate)]
            if 0 < positive.sum() < len(positive):
                sensitivity, fall_out = np.cumsum(positive) / positive.sum(), np.cumsum(~positive) / (~positive).sum()
                axes.plot(fall_out, sensitivity, style, color=colour, lw=1.2, label=f"T {finding.t_score:g}: {variant}")
    axes.plot([0, 1], [0, 1], color=GREY, lw=0.8)
    axes.legend(fontsize=7)
    axes.set(xlabel="1 - specificity", ylabel="sensitivity", title="ROC by T-score threshold")


def _field_attention(axes: Axes, evaluation: Evaluation) -> None:
    names = list(evaluation.field_attention)[::-1]
    axes.barh(names, [evaluation.field_attention[name] for name in names], color=BLUE)
    axes.set(xlabel="mean weight where present", title="Attention over the metadata fields")
    axes.tick_params(axis="y", labelsize=8)

"""The model card: what was measured, on what, with which command, and what the model is not for."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.postprocess import SYNTHETIC
from training.evaluate import Evaluation, beats, table_lines
from training.plots import write_plots

NOT_EXPORTED = "a run that is not exported"
CAPTIONS = {
    "predicted.png": "Estimate against planted truth",
    "bland-altman.png": "Bland-Altman",
    "roc.png": "ROC at both T-score thresholds, the model and its baselines",
    "field-attention.png": "Mean attention over the metadata fields; attention is not importance",
}


def write_card(evaluation: Evaluation, folder: Path, command: str) -> None:
    """Write card.md and its plots."""
    pictures = [f"![{CAPTIONS[name]}](plots/{name})" for name in write_plots(evaluation, folder / "plots")]
    (folder / "card.md").write_text("\n".join([*_head(evaluation), *_results(evaluation, command), "", *pictures]) + "\n")


def _head(evaluation: Evaluation) -> list[str]:
    spec = evaluation.spec
    trained_on = spec.measured.training_data if spec.measured else NOT_EXPORTED
    return [
        f"# {spec.title}",
        "",
        f"**Version** {spec.version} · **trained on** {trained_on} · **spec** `{spec.digest()[:19]}`",
        "",
        f"**Intended use.** {spec.intended_use}",
        "",
        f"**Limits.** {' '.join(spec.limitations)}",
        "",
        *_disclaimer(trained_on),
    ]


def _disclaimer(trained_on: str) -> list[str]:
    if trained_on not in {SYNTHETIC, NOT_EXPORTED}:
        return []
    return [
        "> Trained and evaluated on synthetic phantoms: drawings of hips whose BMD was planted. The figures below say that the network,",
        "> the pipeline and the export work. They say nothing about patients. Not for clinical use. None of the figures of the paper",
        "> (Zhang et al., arXiv:2511.14604) is claimed here: its cohort is access-controlled and was not used.",
        "",
    ]


def _results(evaluation: Evaluation, command: str) -> list[str]:
    cases = len(next(iter(evaluation.scored.values())).target)
    spread = [f"- {metric}: {value}" for metric, value in evaluation.fold_spread.items()]
    return [
        "## Results",
        "",
        f"{evaluation.protocol}: {cases} cases, values with 95 % bootstrap intervals over cases. Positive: true BMD below the threshold.",
        "",
        *table_lines(evaluation),
        "",
        f"90 % interval: ± {evaluation.half_width:.3f} {evaluation.part.unit} (median), holds {evaluation.coverage} of the cases.",
        "",
        *_comparison(evaluation),
        _shrinkage(evaluation),
        "",
        *_missingness(evaluation),
        *(["Mean ± SD over folds:", "", *spread, ""] if spread else []),
        f"Reproduce: `{command}`",
    ]


def _comparison(evaluation: Evaluation) -> list[str]:
    """Which baselines the model is better than, and which it is not: said in words, because a table is easily misread."""
    baselines = list(evaluation.table)[1:]
    beaten = [name for name in baselines if beats(evaluation, "R2", name)]
    others = [name for name in baselines if name not in beaten]
    better = [f"By R2 the model is better than {' and '.join(beaten)}: the intervals do not overlap."] if beaten else []
    unproven = [f"It is not shown to be better than {' or '.join(others)} here."] if others else []
    return [" ".join([*better, *unproven]), ""] if baselines else []


def _shrinkage(evaluation: Evaluation) -> str:
    """How far estimates fall back to the mean: the reader of a low recall should know why."""
    scored = next(iter(evaluation.scored.values()))
    slope = float(np.cov(scored.target, scored.estimate)[0, 1] / np.var(scored.target, ddof=1))
    return (
        f"For each {evaluation.part.unit} of truth the estimate moves by {slope:.2f}: low values are read too high, high ones too low, "
        "so fewer cases cross a far threshold by their estimate than truly lie beyond it."
    )


def _missingness(evaluation: Evaluation) -> list[str]:
    if not evaluation.missingness:
        return []
    rows = [f"| {row.hidden} | {row.r2} | ± {row.half_width:.3f} | {row.coverage} |" for row in evaluation.missingness]
    return ["The same cases with fields hidden:", "", "| hidden | R2 | 90 % interval | holds |", "|---|---|---|---|", *rows, ""]

"""The model card: what was measured, on what, with which command, and what the model is not for."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.postprocess import SYNTHETIC
from training.evaluation import Evaluation, honesty, table_lines
from training.evaluation.classes import ClassEvaluation
from training.evaluation.honesty import Honesty
from training.evaluation.regression import RegressionEvaluation
from training.plots import write_plots
from training.recipes import recipe
from training.records import NAME, Record, artifact_record
from training.thresholds import LEAST_AUC

NOT_EXPORTED = "a run that is not exported"
CAPTIONS = {
    "predicted.png": "Estimate against planted truth",
    "bland-altman.png": "Bland-Altman",
    "roc.png": "ROC, the model and its baselines",
    "reliability.png": "Reliability: how often what was given a probability was true",
    "confusion.png": "Confusion: true class against the likeliest",
    "auc.png": "AUC of each class, the model and its baselines",
    "net-benefit.png": "Decision curve: what acting on an answer gains over treating everybody or nobody",
    "field-attention.png": "Mean attention over the metadata fields; attention is not importance",
}


def write_card(evaluation: Evaluation, folder: Path, command: str, honest: Honesty | None = None) -> None:
    """Write card.md and its plots; with `honest`, how far to trust the numbers too, and evaluation.json."""
    pictures = [f"![{CAPTIONS[name]}](plots/{name})" for name in write_plots(evaluation, folder / "plots", honest)]
    trust = honesty.lines(honest) if honest else []
    told = [*_head(evaluation), *trust, *_results(evaluation, command), "", *_run(artifact_record(folder)), *pictures]
    (folder / "card.md").write_text("\n".join(told) + "\n")
    if honest:
        honesty.store(honest, folder / "evaluation.json")


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
        *_disclaimer(trained_on, recipe(spec.name, "reference").paper),
    ]


def _disclaimer(trained_on: str, paper: str) -> list[str]:
    if trained_on not in {SYNTHETIC, NOT_EXPORTED}:
        return []
    return [
        "> Trained and evaluated on synthetic phantoms: drawings of patients whose truth was planted. The figures below say that the",
        "> network, the pipeline and the export work. They say nothing about patients. Not for clinical use. None of the figures of the",
        f"> paper ({paper}) is claimed here: its cohort was not used.",
        "",
    ]


def detail_lines(evaluation: Evaluation) -> list[str]:
    """What stands below the table: of a regression its interval, of classes how the model does without metadata."""
    if isinstance(evaluation, RegressionEvaluation):
        return [
            f"90 % interval: ± {evaluation.half_width:.3f} {evaluation.part.unit} (median), holds {evaluation.coverage} of the cases.",
            "",
            *_comparison(evaluation),
            _shrinkage(evaluation),
            "",
            *_missingness(evaluation),
        ]
    hidden = evaluation.hidden if isinstance(evaluation, ClassEvaluation) else None
    without = [f"With every optional metadata field hidden: {evaluation.primary} {hidden}.", ""] if hidden else []
    return [*_thresholds(evaluation), *_unproven(evaluation), *_comparison(evaluation), *without]


def _results(evaluation: Evaluation, command: str) -> list[str]:
    spread = [f"- {metric}: {value}" for metric, value in evaluation.fold_spread.items()]
    return [
        "## Results",
        "",
        f"{evaluation.protocol}: {len(evaluation.model.target)} cases, values with 95 % bootstrap intervals over {_unit(evaluation)}.",
        "",
        *table_lines(evaluation),
        "",
        *detail_lines(evaluation),
        *(["Mean ± SD over folds:", "", *spread, ""] if spread else []),
        f"Reproduce: `{command}`",
    ]


def _run(record: Record | None) -> list[str]:
    """What made the networks, from the record beside the artifact; nothing where there is none."""
    if record is None or not record["sessions"]:
        return []
    recipe, cohort, sessions = record["recipe"], record["cohort"], record["sessions"]
    code, under = sessions[-1]["code"], sessions[-1]["environment"]
    commit = f"commit `{code['commit'][:12]}`{' with changes' if code['dirty'] else ''}, " if code["commit"] else ""
    libraries = ", ".join(f"{name} {under[name]}" for name in ("python", "torch", "onnx", "numpy"))
    times = ", ".join(f"{name} {each['seconds']:.0f} s ({each['epochs']} epochs)" for name, each in record["networks"].items())
    again = f"Trained in {len(sessions)} sessions, of which the last is told here. " if len(sessions) > 1 else ""
    return [
        "## Run", "", "| | |", "|---|---|",
        f"| recipe | {recipe['name']}, seed {recipe['seed']}, {recipe['loss']}, at most {recipe['epochs']} epochs |",
        f"| cohort | {cohort['name']}, {cohort['rows']} rows, content `{cohort['content'][:19]}` |",
        f"| code | {commit}sources `{code['sources'][:19]}` |",
        f"| environment | {libraries}; {under['platform']}; {under['cpu']}, {under['cores']} cores; {under['gpu'] or 'no GPU'} |",
        f"| wall time | on {under['device']}, {under['threads']} thread(s) each: {times} |",
        "", f"{again}The whole record: [{NAME}]({NAME}).", "",
    ]  # fmt: skip


def _unit(evaluation: Evaluation) -> str:
    return "cases. Positive: true value below the threshold" if isinstance(evaluation, RegressionEvaluation) else "patients"


def _comparison(evaluation: Evaluation) -> list[str]:
    """Which baselines the model is better than, and which it is not: said in words, because a table is easily misread."""
    baselines = list(evaluation.table)[1:]
    beaten = [name for name in baselines if evaluation.beats(name)]
    others = [name for name in baselines if name not in beaten]
    told = {name: f"{name} (by {evaluation.advantages[name]})" for name in baselines}
    better = [f"By {evaluation.primary}, on the same cases, the model is better than {_listed(told, beaten, 'and')}."] if beaten else []
    unproven = [f"It is not shown to be better than {_listed(told, others, 'or')}."] if others else []
    return [" ".join([*better, *unproven]), ""] if baselines else []


def _listed(told: dict[str, str], names: list[str], word: str) -> str:
    return f" {word} ".join(told[name] for name in names)


def _thresholds(evaluation: Evaluation) -> list[str]:
    """Each chosen threshold with what it gives on these cases."""
    chosen = evaluation.spec.measured.thresholds if evaluation.spec.measured else {}
    names = [each.name for part in evaluation.spec.classifications for each in part.classes]
    rows = []
    for name, threshold in chosen.items():
        truth, called = evaluation.model.target[:, names.index(name)], evaluation.model.estimate[:, names.index(name)] >= threshold
        sensitivity, specificity = (np.mean(called[truth > 0.5]) if some else np.mean(~called[truth < 0.5]) for some in (True, False))
        rows.append(f"| {name} | {threshold:.3f} | {sensitivity:.2f} | {specificity:.2f} |")
    head = ["| class | threshold | sensitivity | specificity |", "|---|---|---|---|"]
    reached = evaluation.spec.measured.sensitivity if evaluation.spec.measured else None
    how = "Youden" if reached is None else f"to reach a sensitivity of {reached:g}"
    return [f"Thresholds, chosen on validation cases ({how}), and what they give here:", "", *head, *rows, ""] if rows else []


def _unproven(evaluation: Evaluation) -> list[str]:
    names = evaluation.spec.measured.unproven if evaluation.spec.measured else ()
    text = f"**Not proven: {', '.join(names)}.** On validation cases the AUC is not shown to exceed {LEAST_AUC}; every answer says so."
    return [text, ""] if names else []


def _shrinkage(evaluation: RegressionEvaluation) -> str:
    """How far estimates fall back to the mean: the reader of a low recall should know why."""
    scored = evaluation.model
    slope = float(np.cov(scored.target, scored.estimate)[0, 1] / np.var(scored.target, ddof=1))
    return (
        f"For each {evaluation.part.unit} of truth the estimate moves by {slope:.2f}: low values are read too high, high ones too low, "
        "so fewer cases cross a far threshold by their estimate than truly lie beyond it."
    )


def _missingness(evaluation: RegressionEvaluation) -> list[str]:
    if not evaluation.missingness:
        return []
    rows = [f"| {row.hidden} | {row.r2} | ± {row.half_width:.3f} | {row.coverage} |" for row in evaluation.missingness]
    return ["The same cases with fields hidden:", "", "| hidden | R2 | 90 % interval | holds |", "|---|---|---|---|", *rows, ""]

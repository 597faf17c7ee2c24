"""The commands of ``python -m training``: what each does with its options.

torch takes seconds to import: each imports what it needs, so that --help and synth answer at once.
"""

from __future__ import annotations

import argparse
import importlib
import shlex
from pathlib import Path
from tempfile import TemporaryDirectory

from training.recipes import EXAMPLE_SEED, Recipe, adjusted, recipe


def _chosen(options: argparse.Namespace) -> Recipe:
    """The recipe that the options name, with what they change."""
    pairs = (option.partition("=") for option in options.option)
    network = {name: int(value) if value.isdigit() else value for name, _, value in pairs}
    return adjusted(
        recipe(options.model, options.recipe), epochs=options.epochs, loss=options.loss, network=network,
        accumulate=options.accumulate, mixed_precision=options.mixed_precision,
    )  # fmt: skip


def synth(options: argparse.Namespace) -> None:
    """``python -m training synth``."""
    usual = recipe(options.model, "reference")
    cases, rows = options.cases or usual.phantom_cases, options.rows or usual.phantom_rows
    importlib.import_module(f"training.phantoms.{options.model}").write(options.out, cases, options.seed, rows=rows)


def inspect(options: argparse.Namespace) -> int:
    """``python -m training inspect``."""
    from training.inspection import inspect

    return inspect(options.model, options.cohort, options.out or Path("runs") / f"inspection-{options.model}.html")


def fit(options: argparse.Namespace) -> None:
    """``python -m training fit``."""
    from training.pipeline import fit_run, open_run

    run = open_run(_chosen(options), options.run, options.cohort)
    fit_run(run, tuple(options.variant), options.device, options.pretrained, ("python", "-m", "training", *options.command_line))


def export(options: argparse.Namespace) -> None:
    """``python -m training export``."""
    from training.pipeline import export_run, open_run

    run = open_run(_chosen(options), options.run, options.cohort)
    export_run(run, options.out or Path("artifacts") / options.model, options.training_data, options.sensitivity)


def calibrate(options: argparse.Namespace) -> None:
    """``python -m training calibrate``."""
    from training.pipeline import calibrate

    artifact = options.artifact or Path("artifacts") / options.model
    with TemporaryDirectory() as cache:
        measured = calibrate(artifact, options.model, options.cohort, Path(cache), options.out or artifact, options.sensitivity)
    print(measured.model_dump_json(indent=1, include={"calibration", "sets", "thresholds", "sensitivity"}))


def evaluate(options: argparse.Namespace) -> None:
    """``python -m training evaluate``."""
    from training.pipeline import evaluate_fresh, evaluate_held_out, open_run, report, trust_fresh

    command = f"python -m training {shlex.join(options.command_line)}"
    if options.run:
        report(evaluate_held_out(open_run(_chosen(options), options.run, options.cohort)), options.card, command)
        return
    with TemporaryDirectory() as cache:
        judged = options.artifact or Path("artifacts") / options.model, options.model, options.cohort, Path(cache)
        report(evaluate_fresh(*judged), options.card, command, trust_fresh(*judged))


def compare(options: argparse.Namespace) -> None:
    """``python -m training compare``."""
    from training.comparison import compare

    one, other = options.runs
    compare(one, other, options.out)


def variant(options: argparse.Namespace) -> int:
    """``python -m training variant``."""
    from training.graphs import artifact_spec
    from training.pipeline import read_cohort
    from training.variants import make_variant

    artifact = options.artifact or Path("artifacts") / options.model
    spec, out = artifact_spec(artifact / "model.onnx"), options.out or artifact
    with TemporaryDirectory() as cache:
        cohort, fresh = (read_cohort(options.model, folder, Path(cache) / folder.name, spec) for folder in (options.cohort, options.fresh))
        verdict = make_variant(options.kind, artifact, cohort, fresh, out)
    print((out / f"{options.kind}.md").read_text())
    return int(bool(verdict.reasons))


def explain(options: argparse.Namespace) -> None:
    """``python -m training explain``."""
    from training.evaluation.planted import against_planted, page

    artifact = options.artifact or Path("artifacts") / options.model
    with TemporaryDirectory() as folder:
        found = against_planted(options.model, artifact, options.cases, options.seed, Path(folder) / "phantoms")
    text = page(options.model, *found, options.cases, options.seed)
    print(text)
    if options.card:
        (options.card / "explanations.md").write_text(text)


def example(options: argparse.Namespace) -> None:
    """``python -m training example``."""
    phantoms = importlib.import_module(f"training.phantoms.{options.model}")
    phantoms.write_example(options.out or Path("examples") / options.model, EXAMPLE_SEED)


def gate(options: argparse.Namespace) -> None:
    """``python -m training gate``."""
    from training.gate.fit import make_gate

    make_gate(options.films, options.out, options.cases, options.epochs, options.seed)


def real(options: argparse.Namespace) -> None:
    """``python -m training real``."""
    from training.real.cohort import cbis_descriptors, nih_films
    from training.real.experiments import films, tables
    from training.real.page import page, store

    described = tables(cbis_descriptors(options.data, options.work / "tensors"), options.work / "tables")
    seen = []
    if not options.tables_only:
        seen = [films(nih_films(options.data, options.work / "tensors"), Path("artifacts/chest"), options.work / "films")]
    stored = options.out / "results" / "real.json"
    store((*seen, *described), f"python -m training {shlex.join(options.command_line)}", stored)
    (options.out / "real.md").write_text(page(stored))
    print(page(stored))


def ablate(options: argparse.Namespace) -> None:
    """``python -m training ablate``."""
    from training.ablation.command import ablate

    ablate(options)


def evidence(options: argparse.Namespace) -> None:
    """``python -m training evidence``."""
    from training.evidence import write

    print("\n".join(f"wrote {path}" for path in write(options.out)))


def artifacts(options: argparse.Namespace) -> None:
    """``python -m training artifacts``."""
    from training.pipeline import reference_artifact

    reference_artifact(options.model, options.work)

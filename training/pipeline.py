"""The commands as functions: what runs after what, and where it lies on disk."""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from models import SPECS
from models.postprocess import SYNTHETIC
from models.spec import Measured, ModelSpec, answer_names
from models.study import Part, Study
from training.calibration import recalibrated
from training.card import detail_lines, write_card
from training.curves import has_tensorboard
from training.data import Cohort, Split, load, splits, with_panel
from training.environment import code, environment
from training.evaluation import Evaluation, evaluate_artifact, evaluate_run, table_lines
from training.evaluation.honesty import Honesty, honesty, lines
from training.evaluation.tables import outputs_of
from training.export import export_baseline, export_model
from training.fit import CPU_THREADS, Task, fit, tasks_of
from training.graphs import artifact_spec, stamp
from training.processes import end_with_parent
from training.recipes import CALIBRATION_CASES, CALIBRATION_SEED, FRESH_SEED, REFERENCE_SEED, Recipe, recipe
from training.records import artifact_record, check_record, export_record, session, tie_record


@dataclass(frozen=True)
class Run:
    """A recipe on a cohort, in a folder."""

    recipe: Recipe
    folder: Path
    cohort: Cohort
    splits: tuple[Split, ...]

    def tasks(self, variant: str) -> tuple[Task, ...]:
        """The networks of one variant, one for each split."""
        return tasks_of(self.recipe, self.splits, self.folder, (variant,))


def open_run(chosen: Recipe, folder: Path, cohort_folder: Path) -> Run:
    """Read the cohort and lay out the run; nothing is trained yet."""
    cohort = read_cohort(chosen.model, cohort_folder, folder / "tensors")
    check_record(folder, chosen, cohort, cohort_folder.resolve().name)
    return Run(chosen, folder, cohort, splits(cohort.rows, cohort.targets, chosen))


def read_cohort(model: str, folder: Path, cache: Path, spec: ModelSpec | None = None) -> Cohort:
    """A cohort in its documented layout, decoded and preprocessed: with the panel of `spec`, an artifact's, or else with its own."""
    source = importlib.import_module(f"training.sources.{model}")
    return load(with_panel(spec or SPECS[model], folder), source.read(folder), cache)


def fit_run(
    run: Run, variants: tuple[str, ...] = (), device: str = "auto", pretrained: Path | None = None, command: Sequence[str] = ()
) -> None:
    """Train every network of the run that is not finished yet; `command` is what was typed, for the record."""
    chosen = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
    tasks = tasks_of(run.recipe, run.splits, run.folder, variants)
    if run.recipe.frozen_trunk_epochs and pretrained is None:
        raise FileNotFoundError(f"the recipe {run.recipe.name} starts from a pretrained trunk: name one with --pretrained")
    print(f"{len(tasks)} networks on {chosen}, at most {run.recipe.epochs} epochs of {len(tasks[0].split.train)} studies each")
    if not has_tensorboard():
        print("tensorboard is not installed: curves are written to history.csv alone")
    threads = CPU_THREADS if chosen.type == "cpu" else torch.get_num_threads()
    with session(run.folder, code(), environment(chosen, threads), command, pretrained) as changes:
        for change in changes:
            print(change)
        for _ in fit_all(tasks, run.cohort, chosen, pretrained):
            pass


def fit_all(tasks: tuple[Task, ...], cohort: Cohort, device: torch.device, pretrained: Path | None = None) -> Iterator[None]:
    """Train what is not finished, teachers before their students; yields after each network.

    On CPUs one network a core: small networks gain more from that than from threads, and one thread adds in one order only.
    """
    stages = [[task for task in tasks if (task.teacher is None) is free] for free in (True, False)]
    if device.type != "cpu":
        for task in (task for stage in stages for task in stage):
            fit(task, cohort, device, pretrained)
            yield
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=context, initializer=end_with_parent) as pool:
        for stage in stages:
            for done in as_completed([pool.submit(fit, task, cohort, device, pretrained) for task in stage]):
                done.result()
                yield


def export_run(run: Run, out: Path, training_data: str = SYNTHETIC, sensitivity: float | None = None) -> None:
    """The first variant as the artifact, certified with the example study; the others as baselines for comparison."""
    model, *baselines = run.recipe.variants
    export_model(run.tasks(model), run.cohort, example(run.recipe.model), out, training_data, sensitivity)
    shutil.rmtree(out / "baselines", ignore_errors=True)  # only now: a model that was refused leaves everything as it was
    for variant in baselines:
        if (run.tasks(variant)[-1].folder / "held_out.npz").exists():  # finished
            export_baseline(run.tasks(variant)[-1], run.cohort, out / "baselines" / f"{variant}.onnx")
    export_record(run.folder, out)
    size = sum(path.stat().st_size for path in out.rglob("*.onnx"))
    print(f"exported {out}: {size / 1e6:.1f} MB, baselines included")


def evaluate_held_out(run: Run) -> Evaluation:
    """A run judged on the rows that its own splits held out."""
    tasks = {variant: run.tasks(variant) for variant in run.recipe.variants if (run.tasks(variant)[-1].folder / "held_out.npz").exists()}
    if next(iter(run.recipe.variants)) not in tasks:
        raise FileNotFoundError(f"{run.folder}: the model itself is not trained to its end yet; run fit again")
    protocol = f"{run.recipe.folds}-fold cross-validation" if run.recipe.folds else "held-out split"
    return evaluate_run(tasks, run.cohort, f"Recipe {run.recipe.name}, {protocol}, pooled out-of-fold estimates")


def evaluate_fresh(artifact: Path, model: str, cohort_folder: Path, cache: Path) -> Evaluation:
    """An artifact and its baselines judged on a cohort that none of them has seen."""
    cohort = read_cohort(model, cohort_folder, cache, artifact_spec(artifact / "model.onnx"))
    return evaluate_artifact(artifact, cohort, f"Cohort {cohort_folder.name}")


def trust_fresh(artifact: Path, model: str, cohort_folder: Path, cache: Path) -> Honesty:
    """How far an artifact is to be trusted on the same cohort: calibration, coverage, groups, and shifts."""
    return honesty(artifact, read_cohort(model, cohort_folder, cache, artifact_spec(artifact / "model.onnx")))


def calibrate(artifact: Path, model: str, cohort_folder: Path, cache: Path, out: Path, sensitivity: float | None = None) -> Measured:
    """Measure anew on a cohort how honest an artifact's probabilities, intervals and sets are, and write that into `out`.

    No weight changes, and no decision, unless a sensitivity is stated: else thresholds are carried to the new scale. The cohort is one
    that did not train the network.
    """
    spec = artifact_spec(artifact / "model.onnx")
    if spec.measured is None:
        raise FileNotFoundError(f"{artifact}: the artifact says nothing of how it was made")
    cohort = read_cohort(model, cohort_folder, cache, spec)
    name, mask = answer_names(spec)[0], spec.table.mask
    kept = np.array([float(field.required) for field in spec.table.network_fields], np.float32)
    hidden = {mask: cohort.tensors[mask] * kept} if len(kept) else {}
    estimate, bare = (outputs_of(artifact / "model.onnx", cohort, changed)[name].astype(np.float64) for changed in ({}, hidden))
    measured = recalibrated(spec, spec.measured, cohort.targets, estimate, bare, sensitivity)
    record = artifact_record(artifact)
    if out != artifact:
        shutil.copytree(artifact, out, dirs_exist_ok=True)
    partial = shutil.copy(out / "model.onnx", out / "model.onnx.partial")  # an interruption leaves the artifact of before
    stamp(Path(partial), {"spec": spec.with_measured(measured).model_dump_json(), "spec_digest": spec.digest()})
    Path(partial).replace(out / "model.onnx")
    tie_record(record, out)
    return measured


def report(evaluation: Evaluation, card: Path | None, command: str, honest: Honesty | None = None) -> None:
    """Print the table; write the card where a folder is given."""
    print("\n".join([evaluation.protocol, *table_lines(evaluation), *detail_lines(evaluation), *(lines(honest) if honest else [])]))
    for metric, spread in evaluation.fold_spread.items():
        print(f"mean over folds, {metric}: {spread}")
    if card is not None:
        write_card(evaluation, card, command, honest)
        print(f"wrote {card / 'card.md'}")


def reference_artifact(model: str, work: Path) -> None:
    """Everything from nothing: cohort, networks, artifact, fresh cohort, card. Each finished step is kept and skipped."""
    write = importlib.import_module(f"training.phantoms.{model}").write
    chosen = recipe(model, "reference")
    drawn = ((chosen.phantom_cases, REFERENCE_SEED), (CALIBRATION_CASES, CALIBRATION_SEED), (chosen.fresh_cases, FRESH_SEED))
    cohort, unused, fresh = folders = [work / "cohorts" / f"{model}-seed{seed}" for _, seed in drawn]
    for folder, (cases, seed) in zip(folders, drawn, strict=True):
        written = folder.with_name(f"{folder.name}.complete")
        if not written.exists():
            write(folder, cases, seed, rows=chosen.phantom_rows)
            written.touch()
    run = open_run(chosen, work / model / "reference", cohort)
    fit_run(run, command=("python", "-m", "training", "artifacts", model))
    export_run(run, Path("artifacts") / model)
    calibrate(Path("artifacts") / model, model, unused, work / model / "calibration", Path("artifacts") / model)
    judged = Path("artifacts") / model, model, fresh, work / model / "fresh"
    report(evaluate_fresh(*judged), judged[0], f"python -m training artifacts {model}", trust_fresh(*judged))


def example(model: str) -> Study:
    """The example study of the repository: files under their inputs' names, DICOM where several stand."""
    return example_study(Path("examples") / model)


def example_study(folder: Path) -> Study:
    """The files of an example folder, each as the input that its stem names."""
    files = {path.name.split(".")[0]: path for path in sorted(folder.iterdir(), key=lambda path: path.suffix != ".png")}  # DICOM wins
    parts = tuple(Part(path.read_bytes(), name) for name, path in sorted(files.items()) if name != "metadata")
    return Study(parts, json.loads(files["metadata"].read_text()))

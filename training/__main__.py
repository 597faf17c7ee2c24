"""``python -m training COMMAND``: synth, inspect, fit, compare, export, evaluate, or all for the reference artifact; and the gate."""

from __future__ import annotations

import argparse
import importlib
import shlex
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from models import SPECS
from training.recipes import EXAMPLE_SEED, FRESH_SEED, REFERENCE_SEED, Recipe, adjusted, recipe
from training.sources import CohortError
from training.storage import RecordError


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit status; problems with a cohort are told in plain lines, not as a traceback."""
    options = _parser().parse_args(arguments)
    options.command_line = sys.argv[1:] if arguments is None else arguments
    try:
        return options.run_command(options) or 0
    except (CohortError, RecordError, FileExistsError, FileNotFoundError, KeyError) as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description="Make a model: from a cohort to a certified artifact.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    synth = _command(commands, "synth", _synth, "write a phantom cohort: synthetic patients with planted truth")
    synth.add_argument("--out", type=Path, required=True, help="folder to write the cohort into")
    synth.add_argument("--cases", type=int, help="number of studies (default: the reference recipe's)")
    synth.add_argument("--seed", type=int, default=REFERENCE_SEED, help="same seed, same bytes (default: %(default)s)")
    synth.add_argument("--rows", type=int, help="image height in pixels (default: the reference recipe's)")

    _inspect_command(commands)
    fit = _command(commands, "fit", _fit, "train a recipe's network and its baselines on a cohort; goes on where it was interrupted")
    _cohort(fit)
    _run(fit)
    fit.add_argument("--variant", action="append", default=[], help="only this variant (repeatable); default: all of the recipe")
    fit.add_argument("--pretrained", type=Path, help="a torchvision ResNet checkpoint (.pth) for the image trunk")
    fit.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")

    export = _command(commands, "export", _export, "write model.onnx and golden.npz, or nothing if ONNX differs from PyTorch")
    _cohort(export)
    _run(export)
    export.add_argument("--out", type=Path, help="artifact folder (default: artifacts/MODEL)")
    export.add_argument("--training-data", default="synthetic phantoms", help="told in every answer (default: %(default)s)")

    for add in (_evaluate_command, _compare_command, _variant_command, _explain_command):
        add(commands)
    example = _command(commands, "example", _example, "write the example study: a DICOM, a PNG and metadata")
    example.add_argument("--out", type=Path, help="folder (default: examples/MODEL)")

    _gate_command(commands)
    artifacts = _command(commands, "artifacts", _artifacts, "the reference artifact from nothing: synth, fit, export, evaluate")
    artifacts.add_argument("--work", type=Path, default=Path("runs"), help="cohorts and networks in between (default: %(default)s)")
    return parser


def _command(commands: argparse._SubParsersAction, name: str, run: object, text: str) -> argparse.ArgumentParser:  # type: ignore[type-arg]
    command: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    command.add_argument("model", choices=sorted(SPECS), help="which model")
    command.set_defaults(run_command=run)
    return command


def _inspect_command(commands: argparse._SubParsersAction) -> None:  # type: ignore[type-arg]
    inspect = _command(commands, "inspect", _inspect, "look a cohort over before training: a page; exit status 1 if anything must be fixed")
    _cohort(inspect)
    inspect.add_argument("--out", type=Path, help="the page (default: runs/inspection-MODEL.html)")


def _evaluate_command(commands: argparse._SubParsersAction) -> None:  # type: ignore[type-arg]
    evaluate = _command(commands, "evaluate", _evaluate, "print a table with intervals and write the model card")
    _cohort(evaluate)
    evaluate.add_argument("--artifact", type=Path, help="evaluate this artifact folder on the cohort (default: artifacts/MODEL)")
    _run(evaluate, "instead, evaluate a run on the rows that it held out (its folds, pooled)")
    evaluate.add_argument("--card", type=Path, help="also write card.md and plots into this folder")


def _compare_command(commands: argparse._SubParsersAction) -> None:  # type: ignore[type-arg]
    text = "two runs of one model side by side: what differs, what each has reached, finished or not"
    compare = commands.add_parser("compare", help=text, description=text)
    compare.set_defaults(run_command=_compare)
    compare.add_argument("runs", type=Path, nargs=2, metavar="RUN", help="folder that was given to fit as --run")
    compare.add_argument("--out", type=Path, metavar="PAGE", help="also write a page with the curves of both")


def _variant_command(commands: argparse._SubParsersAction) -> None:  # type: ignore[type-arg]
    text = "make a faster variant of an artifact, and certify it or say why not; exit status 1 where it must not be served"
    variant = _command(commands, "variant", _variant, text)
    variant.add_argument("kind", choices=("int8", "fp16"), help="int8 for processors, fp16 for GPUs")
    _cohort(variant)
    variant.add_argument("--fresh", type=Path, required=True, help="folder of a cohort that the network has not seen: it decides")
    variant.add_argument("--artifact", type=Path, help="artifact folder (default: artifacts/MODEL)")
    variant.add_argument("--out", type=Path, help="folder for KIND.onnx, KIND.npz and KIND.md (default: the artifact's)")


def _explain_command(commands: argparse._SubParsersAction) -> None:  # type: ignore[type-arg]
    explain = _command(commands, "explain", _explain, "print how often maps point to what was planted in phantoms, and how fields rank")
    explain.add_argument("--artifact", type=Path, help="artifact folder (default: artifacts/MODEL)")
    explain.add_argument("--cases", type=int, default=300, help="phantoms to draw (default: %(default)s)")
    explain.add_argument("--seed", type=int, default=FRESH_SEED, help="of the phantoms (default: %(default)s)")
    explain.add_argument("--card", type=Path, help="also write explanations.md into this folder")


def _gate_command(commands: argparse._SubParsersAction) -> None:  # type: ignore[type-arg]
    gate = commands.add_parser("gate", help="the gate before every model: draw and read pictures, fit, certify, write its card")
    gate.set_defaults(run_command=_gate)
    gate.add_argument("--films", type=Path, help="folder of real films: see docs/cohorts/gate.md; without it, made pictures alone")
    gate.add_argument("--out", type=Path, default=Path("artifacts/gate"), help="artifact folder (default: %(default)s)")
    gate.add_argument("--cases", type=int, default=2500, help="made pictures of each part (default: %(default)s)")
    gate.add_argument("--epochs", type=int, default=10, help="passes over all pictures (default: %(default)s)")
    gate.add_argument("--seed", type=int, default=7, help="default: %(default)s")


def _cohort(command: argparse.ArgumentParser) -> None:
    command.add_argument("--cohort", type=Path, required=True, help="folder of a cohort: its layout stands in docs/cohorts")


def _run(command: argparse.ArgumentParser, instead: str = "") -> None:
    command.add_argument("--run", type=Path, required=not instead, help=instead or "folder of the networks in training")
    command.add_argument("--recipe", default="reference", help="reference or paper (default: %(default)s)")
    command.add_argument("--epochs", type=int, help="another number of epochs than the recipe's, for a trial")
    command.add_argument("--loss", help="another loss: weighted_smooth_l1, smooth_l1, mse or mae")
    command.add_argument("--accumulate", type=_positive, metavar="N", help="cut each batch into N: the same steps in less memory")
    command.add_argument("--mixed-precision", action="store_true", help="bfloat16 where that is safe: faster on a recent GPU")
    command.add_argument(
        "--option", action="append", default=[], metavar="NAME=VALUE",
        help="another network option, e.g. direction=img_from_meta or fusion_weight=none (repeatable); see the model's network.py",
    )


def _chosen(options: argparse.Namespace) -> Recipe:
    """The recipe that the options name, with what they change."""
    pairs = (option.partition("=") for option in options.option)
    network = {name: int(value) if value.isdigit() else value for name, _, value in pairs}
    return adjusted(
        recipe(options.model, options.recipe), epochs=options.epochs, loss=options.loss, network=network,
        accumulate=options.accumulate, mixed_precision=options.mixed_precision,
    )  # fmt: skip


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 on")
    return int(text)


def _synth(options: argparse.Namespace) -> None:
    usual = recipe(options.model, "reference")
    cases, rows = options.cases or usual.phantom_cases, options.rows or usual.phantom_rows
    importlib.import_module(f"training.phantoms.{options.model}").write(options.out, cases, options.seed, rows=rows)


def _inspect(options: argparse.Namespace) -> int:
    from training.inspection import inspect

    return inspect(options.model, options.cohort, options.out or Path("runs") / f"inspection-{options.model}.html")


# torch takes seconds to import: each command below imports what it needs, so that --help and synth answer at once


def _fit(options: argparse.Namespace) -> None:
    from training.pipeline import fit_run, open_run

    run = open_run(_chosen(options), options.run, options.cohort)
    fit_run(run, tuple(options.variant), options.device, options.pretrained, ("python", "-m", "training", *options.command_line))


def _export(options: argparse.Namespace) -> None:
    from training.pipeline import export_run, open_run

    run = open_run(_chosen(options), options.run, options.cohort)
    export_run(run, options.out or Path("artifacts") / options.model, options.training_data)


def _evaluate(options: argparse.Namespace) -> None:
    from training.pipeline import evaluate_fresh, evaluate_held_out, open_run, report

    if options.run:
        evaluation = evaluate_held_out(open_run(_chosen(options), options.run, options.cohort))
    else:
        with TemporaryDirectory() as cache:
            artifact = options.artifact or Path("artifacts") / options.model
            evaluation = evaluate_fresh(artifact, options.model, options.cohort, Path(cache))
    report(evaluation, options.card, f"python -m training {shlex.join(options.command_line)}")


def _compare(options: argparse.Namespace) -> None:
    from training.comparison import compare

    one, other = options.runs
    compare(one, other, options.out)


def _variant(options: argparse.Namespace) -> int:
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


def _explain(options: argparse.Namespace) -> None:
    from training.evaluation.planted import against_planted, page

    artifact = options.artifact or Path("artifacts") / options.model
    with TemporaryDirectory() as folder:
        found = against_planted(options.model, artifact, options.cases, options.seed, Path(folder) / "phantoms")
    text = page(options.model, *found, options.cases, options.seed)
    print(text)
    if options.card:
        (options.card / "explanations.md").write_text(text)


def _example(options: argparse.Namespace) -> None:
    phantoms = importlib.import_module(f"training.phantoms.{options.model}")
    phantoms.write_example(options.out or Path("examples") / options.model, EXAMPLE_SEED)


def _gate(options: argparse.Namespace) -> None:
    from training.gate.fit import make_gate

    make_gate(options.films, options.out, options.cases, options.epochs, options.seed)


def _artifacts(options: argparse.Namespace) -> None:
    from training.pipeline import reference_artifact

    reference_artifact(options.model, options.work)


if __name__ == "__main__":
    sys.exit(main())

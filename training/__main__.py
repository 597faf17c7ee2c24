"""``python -m training COMMAND``: synth, inspect, fit, compare, export, calibrate, evaluate, or all of them; ablations; and the gate."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from models import SPECS
from training import commands as run
from training.recipes import FRESH_SEED, REFERENCE_SEED
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
    _phantom_commands(commands)
    _inspect_command(commands)
    fit = _command(commands, "fit", run.fit, "train a recipe's network and its baselines on a cohort; goes on where it was interrupted")
    _cohort(fit)
    _run(fit)
    fit.add_argument("--variant", action="append", default=[], help="only this variant (repeatable); default: all of the recipe")
    fit.add_argument("--pretrained", type=Path, help="a torchvision ResNet checkpoint (.pth) for the image trunk")
    fit.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")

    export = _command(commands, "export", run.export, "write model.onnx and golden.npz, or nothing if ONNX differs from PyTorch")
    _cohort(export)
    _run(export)
    export.add_argument("--out", type=Path, help="artifact folder (default: artifacts/MODEL)")
    export.add_argument("--training-data", default="synthetic phantoms", help="told in every answer (default: %(default)s)")

    _sensitivity(export, "validation rows")

    _artifact_commands(commands)
    for add in (_compare_command, _gate_command, _real_command, _ablation_commands):
        add(commands)
    artifacts = _command(commands, "artifacts", run.artifacts, "the reference artifact from nothing: synth, fit, export, evaluate")
    artifacts.add_argument("--work", type=Path, default=Path("runs"), help="cohorts and networks in between (default: %(default)s)")
    return parser


def _command(commands: argparse._SubParsersAction, name: str, run: object, text: str) -> argparse.ArgumentParser:  # type: ignore[type-arg]
    command: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    command.add_argument("model", choices=sorted(SPECS), help="which model")
    command.set_defaults(run_command=run)
    return command


def _phantom_commands(commands: argparse._SubParsersAction) -> None:  # type: ignore[type-arg]
    synth = _command(commands, "synth", run.synth, "write a phantom cohort: synthetic patients with planted truth")
    synth.add_argument("--out", type=Path, required=True, help="folder to write the cohort into")
    synth.add_argument("--cases", type=int, help="number of studies (default: the reference recipe's)")
    synth.add_argument("--seed", type=int, default=REFERENCE_SEED, help="same seed, same bytes (default: %(default)s)")
    synth.add_argument("--rows", type=int, help="image height in pixels (default: the reference recipe's)")
    example = _command(commands, "example", run.example, "write the example study: a DICOM, a PNG and metadata")
    example.add_argument("--out", type=Path, help="folder (default: examples/MODEL)")


def _inspect_command(commands: argparse._SubParsersAction) -> None:  # type: ignore[type-arg]
    inspect = _command(commands, "inspect", run.inspect, "look a cohort over before training: a page; exit status 1 if it must be mended")
    _cohort(inspect)
    inspect.add_argument("--out", type=Path, help="the page (default: runs/inspection-MODEL.html)")


def _artifact_commands(commands: argparse._SubParsersAction) -> None:  # type: ignore[type-arg]
    for add in (_calibrate_command, _evaluate_command, _variant_command, _explain_command):
        add(commands)


def _calibrate_command(commands: argparse._SubParsersAction) -> None:  # type: ignore[type-arg]
    text = "measure on a cohort how honest an artifact's numbers are, and correct them; decisions stay what they are, unless asked for"
    calibrated = _command(commands, "calibrate", run.calibrate, text)
    _cohort(calibrated)
    calibrated.add_argument("--artifact", type=Path, help="artifact folder (default: artifacts/MODEL)")
    calibrated.add_argument("--out", type=Path, help="folder of the corrected artifact (default: the artifact itself)")
    _sensitivity(calibrated, "cohort")


def _sensitivity(command: argparse.ArgumentParser, rows: str) -> None:
    text = f"choose thresholds that reach it on the {rows}, between 0 and 1 (default: Youden's, or those that the artifact has)"
    command.add_argument("--sensitivity", type=_share, help=text)


def _share(text: str) -> float:
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError("not between 0 and 1")
    return value


def _evaluate_command(commands: argparse._SubParsersAction) -> None:  # type: ignore[type-arg]
    evaluate = _command(commands, "evaluate", run.evaluate, "print a table with intervals and write the model card")
    _cohort(evaluate)
    evaluate.add_argument("--artifact", type=Path, help="evaluate this artifact folder on the cohort (default: artifacts/MODEL)")
    _run(evaluate, "instead, evaluate a run on the rows that it held out (its folds, pooled)")
    evaluate.add_argument("--card", type=Path, help="also write card.md and plots into this folder")


def _compare_command(commands: argparse._SubParsersAction) -> None:  # type: ignore[type-arg]
    text = "two runs of one model side by side: what differs, what each has reached, finished or not"
    compare = commands.add_parser("compare", help=text, description=text)
    compare.set_defaults(run_command=run.compare)
    compare.add_argument("runs", type=Path, nargs=2, metavar="RUN", help="folder that was given to fit as --run")
    compare.add_argument("--out", type=Path, metavar="PAGE", help="also write a page with the curves of both")


def _variant_command(commands: argparse._SubParsersAction) -> None:  # type: ignore[type-arg]
    text = "make a faster variant of an artifact, and certify it or say why not; exit status 1 where it must not be served"
    variant = _command(commands, "variant", run.variant, text)
    variant.add_argument("kind", choices=("int8", "fp16", "fp16u8"), help="int8 for processors, fp16 for GPUs, fp16u8 with byte uploads")
    _cohort(variant)
    variant.add_argument("--fresh", type=Path, required=True, help="folder of a cohort that the network has not seen: it decides")
    variant.add_argument("--artifact", type=Path, help="artifact folder (default: artifacts/MODEL)")
    variant.add_argument("--out", type=Path, help="folder for KIND.onnx, KIND.npz and KIND.md (default: the artifact's)")


def _explain_command(commands: argparse._SubParsersAction) -> None:  # type: ignore[type-arg]
    explain = _command(commands, "explain", run.explain, "print how often maps point to what was planted in phantoms, and how fields rank")
    explain.add_argument("--artifact", type=Path, help="artifact folder (default: artifacts/MODEL)")
    explain.add_argument("--cases", type=int, default=300, help="phantoms to draw (default: %(default)s)")
    explain.add_argument("--seed", type=int, default=FRESH_SEED, help="of the phantoms (default: %(default)s)")
    explain.add_argument("--card", type=Path, help="also write explanations.md into this folder")


def _ablation_commands(commands: argparse._SubParsersAction) -> None:  # type: ignore[type-arg]
    ablate = _command(commands, "ablate", run.ablate, "compare the model with variants of itself and with tuned baselines; resumable")
    ablate.add_argument("--cohort", type=Path, help="folder of a cohort (default: phantoms, which are drawn first)")
    ablate.add_argument("--work", type=Path, default=Path("runs/ablation"), help="phantoms and networks (default: %(default)s)")
    ablate.add_argument("--size", choices=("small", "full"), default="small", help="small: two cores, under an hour; full: a GPU")
    ablate.add_argument("--protocol", choices=("repeated", "published"), default="repeated", help="of the splits (default: %(default)s)")
    ablate.add_argument("--seeds", type=int, default=3, help="splits and starts of training (default: %(default)s)")
    ablate.add_argument("--trials", type=int, choices=(1, 2, 3, 4), help="settings each variant chooses from (default: the size's)")
    ablate.add_argument("--cases", type=int, help="phantoms to draw (default: the size's)")
    ablate.add_argument("--rows", type=int, help="their height in pixels (default: the reference recipe's)")
    ablate.add_argument("--epochs", type=int, help="default: the size's")
    ablate.add_argument("--only", action="append", default=[], metavar="VARIANT", help="only this variant (repeatable)")
    ablate.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    ablate.add_argument("--out", type=Path, help="result (default: docs/evidence/results/MODEL.json)")
    evidence = commands.add_parser("evidence", help="write docs/evidence from the stored results of the ablations; trains nothing")
    evidence.set_defaults(run_command=run.evidence)
    evidence.add_argument("--out", type=Path, default=Path("docs/evidence"), help="folder; its results/ is read (default: %(default)s)")


def _gate_command(commands: argparse._SubParsersAction) -> None:  # type: ignore[type-arg]
    gate = commands.add_parser("gate", help="the gate before every model: draw and read pictures, fit, certify, write its card")
    gate.set_defaults(run_command=run.gate)
    gate.add_argument("--films", type=Path, help="folder of real films: see docs/cohorts/gate.md; without it, made pictures alone")
    gate.add_argument("--out", type=Path, default=Path("artifacts/gate"), help="artifact folder (default: %(default)s)")
    gate.add_argument("--cases", type=int, default=2500, help="made pictures of each part (default: %(default)s)")
    gate.add_argument("--epochs", type=int, default=10, help="passes over all pictures (default: %(default)s)")
    gate.add_argument("--seed", type=int, default=7, help="default: %(default)s")


def _real_command(commands: argparse._SubParsersAction) -> None:  # type: ignore[type-arg]
    real = commands.add_parser("real", help="our networks on public films and tables of real patients, beside the simplest baselines")
    real.set_defaults(run_command=run.real)
    real.add_argument("--data", type=Path, required=True, help="folder with chest_xray/ and mammography/: see docs/evidence/real.md")
    real.add_argument("--tables-only", action="store_true", help="leave out the films, whose five folds take over an hour on two cores")
    real.add_argument("--out", type=Path, default=Path("docs/evidence"), help="folder of the page and its figures (default: %(default)s)")
    real.add_argument("--work", type=Path, default=Path("runs/real"), help="tensors and networks in between (default: %(default)s)")


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


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 on")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())

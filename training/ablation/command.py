"""``python -m training ablate MODEL``: draw or read a cohort, tell how long it takes, train, compare, and store the result."""

from __future__ import annotations

import hashlib
import importlib
import json
import time
from argparse import Namespace
from pathlib import Path

import torch

import models
import training
from training.ablation import Size, Study, Variant, study
from training.ablation.compare import Numbers, numbers
from training.ablation.forecast import forecast, in_words
from training.ablation.plan import Plan
from training.ablation.resolution import halved
from training.ablation.run import ask, check_record, fit_networks
from training.data import Cohort
from training.pipeline import read_cohort
from training.recipes import recipe

ABLATION_SEED = 4  # of the phantoms: neither those of the artifacts nor those of their cards
RESULTS = Path("docs/evidence/results")


def ablate(options: Namespace) -> Path:
    """Run what the options ask for; returns the file with the result. A run that was interrupted goes on where it was."""
    started = time.time()
    plan = _plan(options)
    check_record(plan)
    device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if options.device == "auto" else options.device)
    networks, seconds = forecast(plan, device)
    print(f"{networks} networks to train on {device}: about {in_words(seconds)}", flush=True)
    fit_networks(plan, device, networks)
    found = numbers(plan.study, plan.cohort, ask(plan))
    return _store(options.out or RESULTS / f"{options.model}.json", _protocol(plan, options) | found, time.time() - started)


def _plan(options: Namespace) -> Plan:
    chosen = study(options.model)
    size = _size(chosen, options)
    seeds = tuple(range(options.seeds))
    cohort = _cohort(chosen, size, options)
    return Plan(chosen, options.size, size, options.protocol, seeds, _variants(chosen, options.only), options.work / options.model, cohort)


def _size(chosen: Study, options: Namespace) -> Size:
    usual = chosen.sizes[options.size]
    cases = chosen.published_cases if options.protocol == "published" and chosen.published_cases else usual.cases
    return Size(options.cases or cases, options.epochs or usual.epochs, usual.batch_size, options.trials or usual.trials, usual.network)


def _variants(chosen: Study, only: list[str]) -> tuple[Variant, ...]:
    """Those that are named and the teachers they need, in the study's order; all where none is named."""
    named = {name for each in only for name in (each, chosen.variant(each).teacher) if name}
    return tuple(variant for variant in chosen.variants if not named or variant.name in named)


def _cohort(chosen: Study, size: Size, options: Namespace) -> Cohort:
    """The cohort that is named, or else phantoms: drawn once, and kept."""
    folder = options.cohort or options.work / "cohorts" / f"{chosen.model}-seed{ABLATION_SEED}-{size.cases}"
    written = folder.with_name(f"{folder.name}.complete")
    if options.cohort is None and not written.exists():
        print(f"{size.cases} phantoms are drawn first; how long the training takes is told after that", flush=True)
        write = importlib.import_module(f"training.phantoms.{chosen.model}").write
        write(folder, size.cases, ABLATION_SEED, rows=options.rows or recipe(chosen.model, "reference").phantom_rows)
        written.touch()
    cohort = read_cohort(chosen.model, folder, options.work / chosen.model / "tensors")
    return halved(cohort) if size.network.get("half") else cohort


def _protocol(plan: Plan, options: Namespace) -> Numbers:
    splits = plan.splits(plan.seeds[0])
    return {
        "model": plan.study.model,
        "phantoms": options.cohort is None,
        "protocol": plan.protocol,
        "size": plan.size_name,
        "rows": len(plan.cohort.rows),
        "train": round(sum(len(split.train) for split in splits) / len(splits)),
        "validation": round(sum(len(split.validation) for split in splits) / len(splits)),
        "held_out": round(sum(len(split.held_out) for split in splits) / len(splits)),
        "splits": len(splits),
        "epochs": plan.size.epochs,
        "batch_size": plan.size.batch_size,
        "trials": plan.size.trials,
        "network": {**recipe(plan.study.model, "reference").network, **plan.size.network},
        "seeds": list(plan.seeds),
        "code": code_version(),
        "command": _command(options),
    }


def _command(options: Namespace) -> str:
    """What to type to have it again; places on a machine and names of folders stay out of the file."""
    chosen = {name: getattr(options, name) for name in ("size", "protocol", "seeds", "trials", "cases", "rows", "epochs")}
    named = [f"--{name} {value}" for name, value in chosen.items() if value is not None]
    named += [f"--only {name}" for name in options.only] + ["--cohort COHORT"] * (options.cohort is not None)
    return " ".join(["python -m training ablate", options.model, *named])


def code_version() -> str:
    """A digest of the code that decides the result: models and training."""
    digest = hashlib.sha256()
    for package in (models, training):
        root = Path(str(package.__file__)).parent
        for source in sorted(root.rglob("*.py")):
            digest.update(f"{root.name}/{source.relative_to(root)}".encode() + source.read_bytes())
    return f"sha256:{digest.hexdigest()[:12]}"


def _store(path: Path, result: Numbers, seconds: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result | {"wall_s": round(seconds)}, indent=1) + "\n")
    print(f"wrote {path}; python -m training evidence writes the pages")
    return path

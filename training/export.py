"""PyTorch -> ONNX with spec, digest and golden case: certified against PyTorch, or no file at all."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

from models.decode import Limits
from models.explain import FOLDER
from models.golden import Golden
from models.postprocess import SYNTHETIC
from models.spec import Measured, ModelSpec, Panel, Range, answer_names, features_name
from models.study import Study, read_study
from training.calibration import recalibrated
from training.data import Cohort, Indices
from training.explanations import export_explanations
from training.fit import Task, load_network
from training.genetics import with_modes
from training.graphs import ABSOLUTE_TOLERANCE, OPSET, ParityError, in_half_precision, run_onnx, stamp, strip
from training.thresholds import chosen_thresholds, unproven

PARITY_CASES = 32


def export_model(
    tasks: tuple[Task, ...], cohort: Cohort, example: Study, out: Path, training_data: str = SYNTHETIC, sensitivity: float | None = None
) -> None:
    """Write model.onnx and golden.npz for the last task's network, with what all tasks measured on held-out rows.

    Thresholds are to reach `sensitivity` on the validation rows; they are Youden's where none is stated.

    Raises
    ------
    ParityError
        The exported graph differs from PyTorch by more than `ABSOLUTE_TOLERANCE`; no file is left.
    """
    task = tasks[-1]
    spec = cohort.spec.with_measured(measured(tasks, cohort, training_data, sensitivity))
    out.mkdir(parents=True, exist_ok=True)
    path, explain = out / "model.onnx.partial", out / f"{FOLDER}.partial"  # an export that fails leaves the artifact of before as it was
    cases = _tensors(cohort, task.split.validation[:PARITY_CASES])
    write_graph(load_network(task), spec, path, cases)
    stamp(path, {"spec": spec.model_dump_json(), "spec_digest": spec.digest()})
    golden_case(spec, path, example).save(out / "golden.npz")
    if spec.explanations:
        export_explanations(load_network(task), spec, cases, explain)
        shutil.rmtree(out / FOLDER, ignore_errors=True)
        explain.replace(out / FOLDER)
    path.replace(out / "model.onnx")


def export_baseline(task: Task, cohort: Cohort, path: Path) -> None:
    """Write a baseline's graph, for comparison only, with its weights stored in half precision where that changes little."""
    path.parent.mkdir(parents=True, exist_ok=True)
    network = load_network(task)
    halved = {name: value.half().float() if value.is_floating_point() else value for name, value in network.state_dict().items()}
    network.load_state_dict(halved)
    cases = _tensors(cohort, task.split.validation[:PARITY_CASES])
    write_graph(network, cohort.spec, path, cases, optimize=False)  # folded, weights would be rounded twice
    small = path.with_suffix(".half")
    onnx.save(in_half_precision(onnx.load(path)), small)
    if _drift(network, cohort.spec, small, cases, answer_names(cohort.spec)) > ABSOLUTE_TOLERANCE:
        small.unlink()  # it stays in single precision
    else:
        small.replace(path)


def measured(tasks: tuple[Task, ...], cohort: Cohort, training_data: str, sensitivity: float | None = None) -> Measured:
    """What held-out rows say of the errors (split- or cross-conformal), the range of each field in training, and chosen thresholds."""
    spec, recipe = cohort.spec, tasks[-1].recipe
    held_out = [np.load(task.folder / "held_out.npz") for task in tasks]
    target, estimate, bare = (
        np.concatenate([case[key] for case in held_out]).astype(np.float64) for key in ("target", "estimate", "estimate_without_context")
    )
    ranges = {name: field_range for name in _numbers(spec) if (field_range := _range(spec, name, cohort, tasks[-1].split.train))}
    validation = cohort.targets[tasks[-1].split.validation], held_out[-1]["validation"].astype(np.float64)
    thresholds = [chosen_thresholds(part, *validation, sensitivity) for part in spec.classifications]
    chosen = Measured(
        training_data=training_data,
        recipe=recipe.name,
        seed=recipe.seed,
        field_ranges=ranges,
        thresholds={name: value for each in thresholds for name, value in each.items()},
        sensitivity=sensitivity,
        unproven=tuple(name for part in spec.classifications for name in unproven(part, *validation)),
        panel=_panel(spec, cohort, tasks[-1].split.train),
    )
    return recalibrated(spec, chosen, target, estimate, bare)


def write_graph(
    network: nn.Module, spec: ModelSpec, path: Path, inputs: dict[str, torch.Tensor], expected_from: nn.Module | None = None,
    *, optimize: bool = True,
) -> None:  # fmt: skip
    """Export with a free batch axis, compare with PyTorch on the cases of `inputs`, and delete the file if they differ.

    `expected_from` is the network to compare with where it is not the exported one. Without `optimize`, weights are not folded into
    each other: they stand in the file as they stand in the network.
    """
    batch = torch.export.Dim("batch", min=1, max=1024)
    program = torch.onnx.export(
        network,
        kwargs=inputs,
        dynamic_shapes={name: {0: batch} for name in inputs},
        output_names=output_names(spec),
        opset_version=OPSET,
        dynamo=True,
        optimize=optimize,
        verbose=False,
    )
    assert program is not None  # noqa: S101  torch types the older exporter's None into the result
    program.save(path, external_data=False)
    strip(path)
    try:
        batches = ({name: tensor[:count] for name, tensor in inputs.items()} for count in (1, PARITY_CASES))  # the batch axis must be free
        drift = max(_drift(expected_from or network, spec, path, batch, output_names(spec)) for batch in batches)
    except Exception:
        path.unlink()
        raise
    if drift > ABSOLUTE_TOLERANCE:
        path.unlink()
        raise ParityError(f"{spec.name}: largest difference {drift:.1e} > {ABSOLUTE_TOLERANCE:.0e}")


def _tensors(cohort: Cohort, cases: Indices) -> dict[str, torch.Tensor]:
    """Of at least two cases, one of them twice if need be: the exporter takes a batch of one for a constant."""
    cases = np.resize(cases, max(2, len(cases)))
    return {name: torch.from_numpy(np.array(array[cases])) for name, array in cohort.tensors.items()}


def _drift(network: nn.Module, spec: ModelSpec, path: Path, inputs: dict[str, torch.Tensor], names: list[str]) -> float:
    """The largest difference between PyTorch and the file, over the named outputs and all cases; of features, relative to the largest."""
    with torch.inference_mode():
        given = dict(zip(output_names(spec), (output.numpy() for output in network(**inputs)), strict=True))
    expected = {name: given[name] for name in names}
    answered = run_onnx(path, {name: tensor.numpy() for name, tensor in inputs.items()}, names)
    for name in set(names) - set(answer_names(spec)):
        scale = np.float32(max(1.0, float(np.abs(expected[name]).max())))
        expected[name], answered[name] = expected[name] / scale, answered[name] / scale
    return Golden(Study((), {}), expected).drift(answered)


def output_names(spec: ModelSpec) -> list[str]:
    """The names of a network's outputs, in the order in which its forward returns them: the answer's, then the image features."""
    return [*answer_names(spec), *(features_name(part.name) for part in spec.images)]


def golden_case(spec: ModelSpec, path: Path, example: Study) -> Golden:
    """The example study and what the exported file says of it."""
    tensors = read_study(spec, example, Limits()).tensors
    outputs = run_onnx(path, {name: tensor[np.newaxis] for name, tensor in tensors.items()})
    return Golden(example, {name: outputs[name][0] for name in answer_names(spec)})


def _panel(spec: ModelSpec, cohort: Cohort, train: Indices) -> Panel | None:
    """The cohort's panel, with the commonest call of each variant in training."""
    if spec.genotypes is None or spec.measured is None or spec.measured.panel is None:
        return None
    return with_modes(spec.measured.panel, cohort.tensors[spec.genotypes.name], train)


def _numbers(spec: ModelSpec) -> list[str]:
    return [field.name for field in spec.table.network_fields if field.kind == "number"]


def _range(spec: ModelSpec, name: str, cohort: Cohort, train: Indices) -> Range | None:
    column = [field.name for field in spec.table.network_fields].index(name)
    known = cohort.tensors[spec.table.mask][train][:, column] > 0
    values = cohort.tensors[spec.table.name][train][known, column]
    return Range(low=float(values.min()), high=float(values.max())) if len(values) else None

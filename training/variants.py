"""Faster variants of an artifact, certified beside it or refused: int8 for processors, fp16 and fp16u8 for GPUs. No weight is trained.

int8 is static quantisation in QDQ form, per channel (Jacob et al., CVPR 2018), of the image trunks alone: nearly all of the arithmetic
is there, and what decides stays in float32. Activations are scaled by what rows of the training cohort drive them to. fp16u8 is fp16
that reads its pictures as 256 grey levels: what that takes from radiographs of 10 to 16 bits is certified with it.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.transformers.float16 import convert_float_to_float16

from models.classification import class_findings
from models.golden import Golden
from models.levels import PROPERTY
from models.prediction import Tensors
from models.regression import boundary
from models.spec import ModelSpec, features_name
from training.data import Cohort
from training.evaluation import evaluate_artifact
from training.evaluation.tables import outputs_of
from training.export import golden_case
from training.graphs import Graph, artifact_spec, open_graph, run_onnx, stamp
from training.metrics import Estimate
from training.upload import in_levels

CALIBRATION_ROWS = 128
ROUNDS = 100
WITHIN = 0.002  # of AUC or R2: the whole interval of the difference must lie in it
FASTER = {"int8": 2.5, "fp16": None, "fp16u8": None}  # what a variant must gain; the speed of those for GPUs is measured where there is one
KINDS = tuple(FASTER)


@dataclass(frozen=True)
class Verdict:
    """What a variant changes beside the float32 artifact, on cases that neither has seen."""

    kind: str
    metric: str
    difference: Estimate  # of the metric: the variant less float32, on the same cases
    cases: int
    flips: Mapping[str, int]  # finding -> cases in which it is judged otherwise
    golden_flips: tuple[str, ...]  # findings of the golden case that are judged otherwise
    speedup: Estimate  # float32's time over the variant's, one thread of this processor, alternating
    bytes: tuple[int, int]  # float32, variant

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it must not be served; none where it may."""
        least = FASTER[self.kind]
        found = [f"{name} of the golden case is judged otherwise" for name in self.golden_flips]
        if not (self.difference.low >= -WITHIN and self.difference.high <= WITHIN):
            found.append(f"{self.metric} differs by {self.difference}, which is not within {WITHIN:g}")
        if least is not None and self.speedup.low < least:
            found.append(f"it is {self.speedup} times as fast, not {least:g} times")
        return tuple(found)


def make_variant(kind: str, artifact: Path, cohort: Cohort, fresh: Cohort, out: Path) -> Verdict:
    """Write KIND.onnx, its golden case and its page into `out`; the graph says in itself whether it may be served.

    Parameters
    ----------
    artifact
        Folder of a certified float32 artifact.
    cohort
        Rows that the network was trained on: they set the scales of int8.
    fresh
        Rows that it has not seen: they decide.
    """
    source, target = artifact / "model.onnx", out / f"{kind}.onnx"
    out.mkdir(parents=True, exist_ok=True)
    spec = artifact_spec(source)
    if kind == "int8":
        quantise(source, cohort, target)
    else:
        halved = convert_float_to_float16(onnx.load(source), keep_io_types=True)
        onnx.save(in_levels(halved, spec) if kind == "fp16u8" else halved, target)
    golden = Golden.load(artifact / "golden.npz")
    own = golden_case(spec, target, golden.study)
    if kind != "int8":  # a GPU rounds halves elsewhere than a processor: by no more than halves differ from float32
        own = replace(own, tolerance=max(own.tolerance, golden.drift(own.outputs)))
    verdict = _judged(kind, artifact, target, fresh, _flipped(spec, golden.outputs, own.outputs))
    own.save(out / f"{kind}.npz")
    said = {"kind": kind, "certified": not verdict.reasons, "reasons": verdict.reasons}
    kept = {entry.key: entry.value for entry in onnx.load(target).metadata_props if entry.key == PROPERTY}
    stamp(target, kept | {"spec": spec.model_dump_json(), "spec_digest": spec.digest(), "variant": json.dumps(said)})
    (out / f"{kind}.md").write_text(page(spec, verdict, fresh.folder.parent.name))
    return verdict


def decisions(spec: ModelSpec, outputs: Tensors) -> dict[str, NDArray[np.bool_]]:
    """Finding -> whether it is positive (N,), by the thresholds that are served, from outputs (N, ...)."""
    found: dict[str, NDArray[np.bool_]] = {}
    for part in spec.classifications:
        rows = [class_findings(part, {part.tensor: row}, spec.measured) for row in outputs[part.tensor]]
        found |= {each.name: np.array([row[k].positive for row in rows]) for k, each in enumerate(part.classes)}
    for regression in spec.regressions:
        estimates = outputs[regression.tensor][:, 0]
        found |= {finding.name: estimates < boundary(regression, finding) for finding in regression.findings}
    return found


def page(spec: ModelSpec, verdict: Verdict, cohort: str) -> str:
    """The verdict for people, in Markdown."""
    lines = [
        f"# {spec.name} {spec.version}, {verdict.kind}", "",
        f"**Certified**: it may be served in place of float32 (`CHIASM_VARIANTS={spec.name}={verdict.kind}`)." if not verdict.reasons
        else "**Not certified**: the service refuses it.", "",
        *(f"* {reason}" for reason in verdict.reasons), *([""] if verdict.reasons else []),
        f"On {verdict.cases} cases of {cohort} that the network has not seen, against float32:", "",
        "| what | value |", "|---|---|",
        f"| {verdict.metric}, variant less float32 | {verdict.difference} |",
        f"| findings of the golden case judged otherwise | {', '.join(verdict.golden_flips) or 'none'} |",
        *(f"| {name} judged otherwise | {count} of {verdict.cases} |" for name, count in verdict.flips.items()),
        f"| speed, float32's time over the variant's | {verdict.speedup} |",
        f"| size | {verdict.bytes[0] / 1e6:.1f} to {verdict.bytes[1] / 1e6:.1f} MB |", "",
        "Intervals hold 95 %: the difference by paired bootstrap over cases, the speed over alternating runs on one thread of a processor.",
        *(["What it gains on a GPU, which it is made for, is not measured here."] if FASTER[verdict.kind] is None else []),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _judged(kind: str, artifact: Path, target: Path, fresh: Cohort, golden_flips: tuple[str, ...]) -> Verdict:
    spec = artifact_spec(artifact / "model.onnx")
    with TemporaryDirectory() as folder:  # an evaluation of the artifact with its variant as the only baseline
        _beside(Path(folder), artifact / "model.onnx", target)
        evaluation = evaluate_artifact(Path(folder), fresh, "")
    advantage = evaluation.advantages[target.stem]
    before, after = (decisions(spec, outputs_of(path, fresh)) for path in (artifact / "model.onnx", target))
    return Verdict(
        kind, evaluation.primary, Estimate(-advantage.value, -advantage.high, -advantage.low), len(fresh.rows),
        {name: int((before[name] != after[name]).sum()) for name in before}, golden_flips,
        speedup(artifact / "model.onnx", target, {name: np.asarray(array[:1]) for name, array in fresh.tensors.items()}),
        ((artifact / "model.onnx").stat().st_size, target.stat().st_size),
    )  # fmt: skip


def _beside(folder: Path, model: Path, variant: Path) -> None:
    (folder / "baselines").mkdir()
    (folder / "model.onnx").symlink_to(model.resolve())
    (folder / "baselines" / variant.name).symlink_to(variant.resolve())


def _flipped(spec: ModelSpec, one: Tensors, other: Tensors) -> tuple[str, ...]:
    before, after = (decisions(spec, {name: output[np.newaxis] for name, output in some.items()}) for some in (one, other))
    return tuple(name for name in before if before[name] != after[name])


def speedup(one: Path, other: Path, inputs: Tensors) -> Estimate:
    """How many times faster the other graph is for inputs (1, ...), on one thread: the median over rounds, each of which runs both."""
    graphs = open_graph(one, threads=1), open_graph(other, threads=1)
    names = [*run_onnx(one, inputs)][:1]
    times = np.array([[_timed(graph, inputs, names) for graph in graphs] for _ in range(ROUNDS)])[ROUNDS // 10 :]  # the first warm up
    rng = np.random.default_rng(0)
    medians = [np.divide(*np.median(times[rng.integers(len(times), size=len(times))], axis=0)) for _ in range(1000)]
    low, high = np.quantile(medians, (0.025, 0.975))
    return Estimate(float(np.divide(*np.median(times, axis=0))), float(low), float(high))


def _timed(graph: Graph, inputs: Tensors, names: list[str]) -> float:
    start = time.perf_counter()
    graph(inputs, names)
    return time.perf_counter() - start


def quantise(source: Path, cohort: Cohort, target: Path) -> None:
    """Write a float32 graph with its image trunks in int8; rows of the cohort set the scales."""
    logging.getLogger().setLevel(logging.ERROR)  # it advises a preparation of the graph that the exporter has already done
    rows = np.random.default_rng(0).permutation(len(cohort.rows))[:CALIBRATION_ROWS]
    quantize_static(
        str(source), str(target), _Rows(cohort, source, rows), quant_format=QuantFormat.QDQ, per_channel=True,
        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, nodes_to_quantize=sorted(trunk_nodes(source, cohort.spec)),
        reduce_range=True,  # weights of 7 bits: with 8, processors without VNNI saturate their sums of 16 bits, and answer otherwise
    )  # fmt: skip


class _Rows(CalibrationDataReader):  # type: ignore[misc]
    """Rows of a cohort, one by one."""

    def __init__(self, cohort: Cohort, source: Path, rows: NDArray[np.int64]) -> None:
        taken = {node.name for node in onnx.load(source).graph.input}
        tensors = {name: array for name, array in cohort.tensors.items() if name in taken}
        self._rows: Iterator[Tensors] = ({name: np.asarray(array[row : row + 1]) for name, array in tensors.items()} for row in rows)

    def get_next(self) -> Tensors | None:
        """The next row (1, ...), until there is none."""
        return next(self._rows, None)


def trunk_nodes(path: Path, spec: ModelSpec) -> set[str]:
    """The names of all nodes that a feature map is made by: the image trunks."""
    makers = {output: node for node in onnx.load(path).graph.node for output in node.output}
    waiting, found = [features_name(image.name) for image in spec.images], set()
    while waiting:
        node = makers.get(waiting.pop())
        if node is not None and node.name not in found:
            found.add(node.name)
            waiting.extend(node.input)
    return found

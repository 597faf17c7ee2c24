"""Faster variants: what they change is measured, and who must not be served says so in itself."""

import json

import onnx
import pytest

pytest.importorskip("torch", reason="torch is not installed")

from models.golden import TOLERANCE, Golden
from tests.contract.conftest import ROOT
from training.graphs import artifact_spec, run_onnx
from training.metrics import Estimate
from training.variants import KINDS, Verdict, decisions, make_variant, trunk_nodes

ARTIFACT = ROOT / "artifacts" / "bmd"
SAME = Estimate(0.0, -0.001, 0.001)


@pytest.fixture(scope="module", params=KINDS)
def made(request, cohort, tmp_path_factory):
    out = tmp_path_factory.mktemp("variant")
    return request.param, make_variant(request.param, ARTIFACT, cohort, cohort, out), out


def test_the_graph_says_what_it_is_and_whether_it_may_be_served(made):
    kind, verdict, out = made
    properties = {entry.key: entry.value for entry in onnx.load(out / f"{kind}.onnx").metadata_props}
    said = json.loads(properties["variant"])
    assert (said["kind"], said["certified"], said["reasons"]) == (kind, not verdict.reasons, list(verdict.reasons))
    assert properties["spec_digest"] == artifact_spec(ARTIFACT / "model.onnx").digest()
    assert artifact_spec(out / f"{kind}.onnx") == artifact_spec(ARTIFACT / "model.onnx")


def test_it_answers_nearly_what_float32_answers_and_its_golden_case_is_its_own(made, cohort):
    kind, verdict, out = made
    theirs, own = Golden.load(ARTIFACT / "golden.npz"), Golden.load(out / f"{kind}.npz")
    assert 0 < theirs.drift(own.outputs) < 0.1
    assert verdict.cases == len(cohort.rows)
    assert verdict.difference.low <= verdict.difference.value <= verdict.difference.high
    assert verdict.bytes[1] < verdict.bytes[0]


def test_halves_are_held_to_what_halving_changes_and_int8_to_what_every_processor_reproduces(made):
    kind, _, out = made
    theirs, own = Golden.load(ARTIFACT / "golden.npz"), Golden.load(out / f"{kind}.npz")
    changes = max(TOLERANCE, theirs.drift(own.outputs))
    assert own.tolerance == (TOLERANCE if kind == "int8" else changes)
    assert own.tolerance < 0.1


def test_flips_are_what_two_sets_of_decisions_differ_by(made, cohort):
    kind, verdict, out = made
    spec = artifact_spec(ARTIFACT / "model.onnx")
    inputs = dict(cohort.tensors)
    before, after = (decisions(spec, run_onnx(path, inputs)) for path in (ARTIFACT / "model.onnx", out / f"{kind}.onnx"))
    assert verdict.flips == {name: sum(before[name] != after[name]) for name in ("low_bone_mass", "osteoporosis")}


def test_the_page_tells_the_verdict_and_every_reason(made):
    kind, verdict, out = made
    text = (out / f"{kind}.md").read_text()
    assert ("**Not certified**" in text) == bool(verdict.reasons)
    assert all(reason in text for reason in verdict.reasons)


def test_nothing_but_the_image_trunk_is_quantised(made, cohort):
    kind, _, out = made
    graph = onnx.load(out / f"{kind}.onnx").graph
    scaled = {name for node in graph.node if node.op_type == "DequantizeLinear" for name in node.output}
    fed = {node.name for node in graph.node if node.op_type == "Conv" and scaled & set(node.input)}
    assert bool(fed) == (kind == "int8")
    assert fed <= trunk_nodes(ARTIFACT / "model.onnx", cohort.spec)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({}, ""),
        ({"golden_flips": ("osteoporosis",)}, "osteoporosis of the golden case"),
        ({"difference": Estimate(-0.001, -0.003, 0.001)}, "R2 differs"),
        ({"difference": Estimate(float("nan"), float("nan"), float("nan"))}, "R2 differs"),
        ({"speedup": Estimate(2.6, 2.4, 2.8)}, "not 2.5 times"),
        ({"kind": "fp16", "speedup": Estimate(0.5, 0.4, 0.6)}, ""),
    ],
)
def test_it_is_certified_only_where_nothing_speaks_against_it(changed, reason):
    good = {"kind": "int8", "metric": "R2", "difference": SAME, "cases": 9, "flips": {}, "golden_flips": (), "bytes": (2, 1)}
    reasons = Verdict(**{**good, "speedup": Estimate(2.7, 2.6, 2.8), **changed}).reasons
    assert len(reasons) == bool(reason)
    assert reason in " ".join(reasons)

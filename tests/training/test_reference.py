"""The reference artifact in the repository: good on patients it has never seen, better than its baselines, and what its card says."""

import numpy as np
import pytest

from models.bmd import SPEC
from models.decode import Limits
from models.golden import Golden
from models.study import Study, read_study
from tests.contract.conftest import ROOT
from tests.untraced import untraced
from training.evaluation import evaluate_artifact, table_lines
from training.graphs import artifact_spec, run_onnx
from training.phantoms.bmd import write
from training.pipeline import read_cohort
from training.recipes import recipe

ARTIFACT = ROOT / "artifacts" / "bmd"
UNSEEN_CASES, UNSEEN_SEED = 600, 2027  # neither the seed of training nor that of the card; enough for narrow intervals


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unseen")
    untraced(write)(folder, UNSEEN_CASES, UNSEEN_SEED, rows=recipe("bmd", "reference").phantom_rows, progress=False)
    return evaluate_artifact(ARTIFACT, read_cohort("bmd", folder, folder / "tensors"), "unseen phantoms")


@pytest.mark.slow
def test_it_is_good_on_a_fresh_seed(evaluation, capsys):
    with capsys.disabled():
        print("", *table_lines(evaluation), sep="\n")  # noqa: T201  the table is what a person wants to see
    assert evaluation.table["xattn"]["R2"].value >= 0.6


@pytest.mark.slow
@pytest.mark.parametrize("baseline", ["image-only", "metadata-only"])
def test_it_beats_each_single_modality_with_intervals_that_do_not_overlap(evaluation, baseline):
    assert evaluation.beats(baseline)
    assert evaluation.table["xattn"]["R2"].low > evaluation.table[baseline]["R2"].high


@pytest.mark.slow
def test_its_interval_covers_what_it_claims(evaluation):
    assert evaluation.coverage.low <= 0.9 <= evaluation.coverage.high + 0.03


def outputs_of(study):
    tensors = read_study(SPEC, study, Limits()).tensors
    outputs = run_onnx(ARTIFACT / "model.onnx", {name: tensor[np.newaxis] for name, tensor in tensors.items()})
    return {name: output[0] for name, output in outputs.items()}


def test_it_was_exported_from_this_declaration_and_reproduces_its_golden_case():
    golden = Golden.load(ARTIFACT / "golden.npz")
    assert artifact_spec(ARTIFACT / "model.onnx").digest() == SPEC.digest()
    assert golden.drift(outputs_of(golden.study)) <= golden.tolerance


def test_changing_only_the_metadata_changes_the_estimate():
    golden = Golden.load(ARTIFACT / "golden.npz")
    heavier = {**golden.study.metadata, "weight_kg": 100.0}
    change = outputs_of(Study(golden.study.parts, heavier))["bmd"] - golden.outputs["bmd"]
    assert abs(change.item()) > 0.01


def test_changing_only_the_image_changes_the_estimate(tmp_path):
    golden = Golden.load(ARTIFACT / "golden.npz")
    write(tmp_path, 1, 7, rows=recipe("bmd", "reference").phantom_rows, progress=False)
    tensors = read_study(SPEC, golden.study, Limits()).tensors
    other = read_cohort("bmd", tmp_path, tmp_path / "tensors").tensors["image"][0]
    inputs = {name: tensor[np.newaxis] for name, tensor in (tensors | {"image": np.asarray(other)}).items()}
    change = run_onnx(ARTIFACT / "model.onnx", inputs)["bmd"][0] - golden.outputs["bmd"]
    assert abs(change.item()) > 0.01


def test_it_tells_nothing_of_the_machine_that_made_it():
    assert not [path for path in ARTIFACT.rglob("*.onnx") if b".py" in path.read_bytes()]


def test_it_stays_small():
    assert sum(path.stat().st_size for path in ARTIFACT.rglob("*.onnx")) < 8_000_000


def test_its_card_says_what_it_is():
    card = (ARTIFACT / "card.md").read_text()
    assert "Not for clinical use" in card
    assert SPEC.digest()[:19] in card
    pictures = [line.split("(")[1].rstrip(")") for line in card.splitlines() if line.startswith("![")]
    assert len(pictures) == 6
    assert all((ARTIFACT / picture).exists() for picture in pictures)

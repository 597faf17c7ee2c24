"""The artifacts of the models that answer with classes: each is what its card says it is."""

import importlib

import numpy as np
import pytest

from models import SPECS
from models.decode import Limits
from models.golden import Golden
from models.study import read_study
from tests.contract.conftest import ROOT
from training.evaluation import table_lines
from training.graphs import artifact_spec, run_onnx
from training.pipeline import evaluate_fresh
from training.recipes import recipe

MODELS = [name for name, spec in SPECS.items() if spec.classifications]
ALONE = {  # by model, the baselines that lack a modality
    "breast": ("image-only", "clinical-only"),
    "alzheimer": ("images-only", "clinical-only", "genotypes-only"),
}
UNSEEN_CASES = {"breast": 500, "alzheimer": 250}  # as few as tell the model from its baselines; the cards have more
UNSEEN_SEED = 2027  # neither the seed of training nor that of the card


def outputs_of(model, study):
    spec = artifact_spec(ROOT / "artifacts" / model / "model.onnx")
    tensors = read_study(spec, study, Limits()).tensors
    outputs = run_onnx(ROOT / "artifacts" / model / "model.onnx", {name: tensor[np.newaxis] for name, tensor in tensors.items()})
    return {name: output[0] for name, output in outputs.items()}


@pytest.mark.slow
@pytest.mark.no_cover  # phantoms and evaluation have tests of their own
@pytest.mark.parametrize("model", ALONE)
def test_a_model_of_several_modalities_beats_each_of_them_on_a_fresh_seed(model, tmp_path, capsys):
    write = importlib.import_module(f"training.phantoms.{model}").write
    write(tmp_path / "unseen", UNSEEN_CASES[model], UNSEEN_SEED, rows=recipe(model, "reference").phantom_rows, progress=False)
    evaluation = evaluate_fresh(ROOT / "artifacts" / model, model, tmp_path / "unseen", tmp_path / "tensors")
    with capsys.disabled():
        print("", *table_lines(evaluation), sep="\n")  # noqa: T201  the table is what a person wants to see
    assert all(evaluation.beats(alone) for alone in ALONE[model])


@pytest.mark.parametrize("model", MODELS)
def test_it_was_exported_from_this_declaration_and_reproduces_its_golden_case(model):
    golden = Golden.load(ROOT / "artifacts" / model / "golden.npz")
    assert artifact_spec(ROOT / "artifacts" / model / "model.onnx").digest() == SPECS[model].digest()
    assert golden.drift(outputs_of(model, golden.study)) <= golden.tolerance


@pytest.mark.parametrize("model", MODELS)
def test_it_stays_small_and_tells_nothing_of_the_machine_that_made_it(model):
    files = list((ROOT / "artifacts" / model).rglob("*.onnx"))
    assert sum(path.stat().st_size for path in files) < 8_000_000
    assert not [path for path in files if b".py" in path.read_bytes()]


@pytest.mark.parametrize("model", MODELS)
def test_its_card_says_what_it_is(model):
    card = (ROOT / "artifacts" / model / "card.md").read_text()
    assert "Not for clinical use" in card
    assert SPECS[model].digest()[:19] in card
    pictures = [line.split("(")[1].rstrip(")") for line in card.splitlines() if line.startswith("![")]
    assert pictures
    assert all((ROOT / "artifacts" / model / picture).exists() for picture in pictures)

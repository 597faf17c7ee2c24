"""Export: parity or no file; the artifact says what it is and proves itself."""

import shutil

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from models.bmd import SPEC  # noqa: E402  after the check for torch
from models.bmd.network import build  # noqa: E402
from models.decode import Limits  # noqa: E402
from models.golden import Golden  # noqa: E402
from models.spec import ModelSpec  # noqa: E402
from models.study import read_study  # noqa: E402
from tests.training.cohort import QUICK, ROWS  # noqa: E402
from training.__main__ import main  # noqa: E402
from training.evaluation import evaluate_artifact  # noqa: E402
from training.export import write_graph  # noqa: E402
from training.graphs import ParityError, run_onnx  # noqa: E402
from training.records import artifact_record  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # the exporter's own deprecations


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    """What a person types who begins with nothing: synth, fit, export."""
    folder = tmp_path_factory.mktemp("commands")
    fit = ["--cohort", str(folder / "cohort"), "--run", str(folder / "run"), "--epochs", "4"]
    assert main(["synth", "bmd", "--out", str(folder / "cohort"), "--cases", "72", "--seed", "6", "--rows", str(ROWS)]) == 0
    assert main(["fit", "bmd", *fit, "--variant", "xattn", "--variant", "metadata-only"]) == 0
    assert main(["export", "bmd", *fit, "--out", str(folder / "artifact")]) == 0
    return folder


@pytest.fixture
def artifact(commands):
    return commands / "artifact"


def test_the_commands_end_with_a_card(commands, capsys):
    artifact = str(commands / "artifact")
    assert main(["evaluate", "bmd", "--cohort", str(commands / "cohort"), "--artifact", artifact, "--card", artifact]) == 0
    printed = capsys.readouterr().out
    assert "| metric | xattn | metadata-only |" in printed
    assert "90 % interval" in printed
    card = (commands / "artifact" / "card.md").read_text()
    assert "| R2 |" in card
    assert "| cohort | cohort, 72 rows, content `sha256:" in card
    assert "xattn/main" in card
    assert {path.name for path in (commands / "artifact" / "plots").iterdir()} == {
        "predicted.png", "bland-altman.png", "roc.png", "field-attention.png", "reliability.png", "net-benefit.png"
    }  # fmt: skip


def test_the_record_of_a_run_goes_with_its_artifact_alone(artifact, tmp_path):
    record = artifact_record(artifact)
    assert record["networks"]["xattn/main"] == {"epochs": 4, "seconds": record["networks"]["xattn/main"]["seconds"], "finished": True}
    assert record["recipe"]["epochs"] == 4
    shutil.copy(artifact / "run.json", tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"another artifact")
    assert artifact_record(tmp_path) is None


def test_the_file_says_what_it_is(artifact):
    properties = {entry.key: entry.value for entry in onnx.load(artifact / "model.onnx").metadata_props}
    spec = ModelSpec.model_validate_json(properties["spec"])
    assert spec.digest() == SPEC.digest() == properties["spec_digest"]
    assert spec.measured is not None
    assert spec.measured.training_data == "synthetic phantoms"
    assert spec.measured.errors["femoral_neck_bmd"].half_width > 0
    assert spec.measured.field_ranges["weight_kg"].low > 30


def test_the_golden_case_reproduces_from_bytes(artifact):
    golden = Golden.load(artifact / "golden.npz")
    tensors = read_study(SPEC, golden.study, Limits()).tensors
    outputs = run_onnx(artifact / "model.onnx", {name: tensor[np.newaxis] for name, tensor in tensors.items()})
    assert golden.drift({name: output[0] for name, output in outputs.items()}) <= golden.tolerance


def test_a_batch_gives_what_its_cases_give_alone(artifact, cohort):
    inputs = {name: np.asarray(array[:4]) for name, array in cohort.tensors.items()}
    batch = run_onnx(artifact / "model.onnx", inputs)
    alone = run_onnx(artifact / "model.onnx", {name: array[2:3] for name, array in inputs.items()})
    assert all(np.allclose(batch[name][2], alone[name][0], atol=1e-6) for name in batch)


def test_an_export_that_differs_from_pytorch_leaves_no_file(cohort, tmp_path):
    network = build({**QUICK.network, **QUICK.variants["metadata-only"]}).eval()
    cases = {name: torch.from_numpy(np.array(array[:4])) for name, array in cohort.tensors.items()}
    with pytest.raises(ParityError):
        write_graph(network, SPEC, tmp_path / "model.onnx", cases, expected_from=_shifted(network))
    assert not (tmp_path / "model.onnx").exists()


def _shifted(network):
    """The same network with another bias: what a wrong export would look like."""
    other = type(network)(network.options)
    other.load_state_dict(network.state_dict())
    other.target_mean += 0.01
    return other.eval()


def test_an_evaluation_covers_the_model_and_its_baselines(artifact, cohort):
    evaluation = evaluate_artifact(artifact, cohort, "test")
    assert list(evaluation.table) == ["xattn", "metadata-only"]
    assert {"R2", "MAE", "MSE", "ROC-AUC low_bone_mass", "F1 osteoporosis"} <= set(evaluation.table["xattn"])
    assert sum(evaluation.field_attention.values()) > 0.5

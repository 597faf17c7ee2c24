"""A run that is killed, at whatever moment, ends as if it had not been: the same bits in weights, estimates and artifact."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from tests.training.killed import RECIPE, SPLIT  # noqa: E402  after the check for torch
from training.curves import read_history  # noqa: E402
from training.export import measured, write_graph  # noqa: E402
from training.fit import Task, fit, load_network  # noqa: E402

MOMENTS = 16  # of two epochs: five for each checkpoint and its table, four for best.pt and what it takes, two for held_out.npz
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def killed(cohort, cohort_folder, tmp_path_factory):
    """The folder of all runs, and the signal that ended each at first."""
    out = tmp_path_factory.mktemp("killed")
    command = [sys.executable, "-m", "tests.training.killed", str(cohort_folder), str(cohort.folder.parent), str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out, json.loads(done.stdout)


def content(folder):
    """Everything of a finished run that must not depend on how it came about."""
    with np.load(folder / "held_out.npz") as file:
        held_out = {name: (file[name].dtype.str, file[name].tobytes()) for name in file.files}
    weights = {name: value.numpy().tobytes() for name, value in torch.load(folder / "best.pt", weights_only=True).items()}
    history = [{name: value for name, value in row.items() if name != "seconds"} for row in read_history(folder)]
    return {"held_out": held_out, "weights": weights, "history": history}


def test_a_run_that_is_killed_at_any_moment_ends_as_if_it_had_not_been(killed):
    out, found = killed
    moments = [name for name in found["deaths"] if name.startswith("moment")]
    assert len(moments) == MOMENTS
    assert {found["deaths"][name] for name in moments} == {signal.SIGKILL}
    whole = content(out / "whole")
    assert [name for name in found["deaths"] if content(out / name) != whole] == []


def test_a_run_that_was_killed_leaves_nothing_half_written(killed):
    out, _ = killed
    assert [path for path in out.rglob("*.partial") if path.parent.name.startswith("moment")] == []


def test_estimates_are_moved_from_where_the_checkpoint_has_them(killed, cohort, tmp_path):
    """Moved a second time they are mostly off by less than a float can tell, so the first move is made a large one."""
    out, _ = killed
    folder = tmp_path / "run"
    shutil.copytree(out / "whole", folder)
    (folder / "held_out.npz").unlink()
    moved = torch.load(folder / "best.pt", weights_only=True)
    moved["target_mean"] += 1.0
    torch.save(moved, folder / "best.pt")
    fit(Task(RECIPE, "metadata-only", SPLIT, folder), cohort, torch.device("cpu"))
    assert content(folder) == content(out / "whole")


def test_tensors_that_were_half_written_are_made_anew(killed, cohort):
    out, found = killed
    assert found["tensors"] == signal.SIGKILL
    (folder,) = (path for path in (out / "tensors").iterdir() if path.is_dir())
    assert {name: np.load(folder / f"{name}.npy").tobytes() for name in cohort.tensors} == {
        name: array.tobytes() for name, array in cohort.tensors.items()
    }


@pytest.mark.filterwarnings("ignore")  # the exporter's own deprecations
def test_the_artifact_of_a_killed_run_is_that_of_an_unbroken_one(killed, cohort, tmp_path):
    out, _ = killed
    files = []
    for name in ("whole", f"moment-{MOMENTS - 2}"):  # killed between best.pt and held_out.npz
        task = Task(RECIPE, "metadata-only", SPLIT, out / name)
        spec = cohort.spec.with_measured(measured((task,), cohort, "synthetic phantoms"))
        cases = {key: torch.from_numpy(np.array(array[:32])) for key, array in cohort.tensors.items()}
        write_graph(load_network(task), spec, tmp_path / f"{name}.onnx", cases)
        files.append(((tmp_path / f"{name}.onnx").read_bytes(), spec.model_dump_json()))
    assert files[0] == files[1]

"""What made a run stands beside it; it is told what changes, and refused what must not."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from tests.training.cohort import QUICK  # noqa: E402  after the check for torch
from training.curves import Curves, read_history  # noqa: E402
from training.environment import code, environment  # noqa: E402
from training.pipeline import read_cohort  # noqa: E402
from training.records import check_record, content_digest, read_record, session, without_places  # noqa: E402
from training.storage import RecordError  # noqa: E402

COMMAND = ("python", "-m", "training", "fit", "bmd", "--cohort", "/data/patients/cohort", "--run=/scratch/run", "--loss", "mae")
UNDER = environment(torch.device("cpu"), 1)


@pytest.fixture
def run(cohort, tmp_path):
    check_record(tmp_path / "run", QUICK, cohort, "cohort")
    return tmp_path / "run"


def test_a_record_says_what_made_the_run(run, cohort):
    with session(run, code(), UNDER, COMMAND) as changes:
        assert read_record(run)["sessions"][0]["ended"] is None  # a killed session stays so
    assert changes == []
    record = read_record(run)
    assert record["recipe"]["network"] == {"trunk_width": 8, "width": 16}
    assert record["cohort"]["rows"] == len(cohort.rows)
    (only,) = record["sessions"]
    assert only["started"] <= only["ended"]
    assert only["environment"]["torch"] == torch.__version__
    assert {"python", "numpy", "onnx", "cpu", "cores", "platform", "device", "threads", "gpu"} <= only["environment"].keys()
    assert only["code"]["sources"].startswith("sha256:")


def test_a_record_names_no_place_on_a_machine_and_no_patient(run, cohort):
    with session(run, code(), UNDER, COMMAND):
        pass
    text = (run / "run.json").read_text()
    assert "python -m training fit bmd --cohort cohort --run=run --loss mae" in text
    assert str(Path.cwd()) not in text
    assert str(run.parent) not in text
    assert [row.patient for row in cohort.rows if f'"{row.patient}"' in text] == []


def test_only_places_leave_a_command_line():
    command = ["--option", "width=8", "--pretrained=/w/resnet.pth", "runs/bmd/"]
    assert without_places(command) == ["--option", "width=8", "--pretrained=resnet.pth", "bmd"]


def test_another_recipe_is_refused_by_the_name_of_what_differs(run, cohort):
    with pytest.raises(FileExistsError, match=r"recipe\.loss\b"):
        check_record(run, replace(QUICK, loss="mae"), cohort, "cohort")


def test_another_cohort_is_refused_and_a_moved_one_is_not(run, cohort, cohort_folder, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(cohort_folder, moved)
    again = read_cohort("bmd", moved, tmp_path / "tensors")
    assert again.folder.name != cohort.folder.name
    check_record(run, QUICK, again, "moved")
    picture = next(iter(again.rows[3].images.values()))
    picture.write_bytes(picture.read_bytes() + b"\0")  # what stands behind a picture is content, too
    (again.folder / "content.sha256").unlink()
    with pytest.raises(FileExistsError, match=r"cohort\.content"):
        check_record(run, QUICK, again, "moved")


def test_the_digest_follows_rows_as_well_as_files(cohort, tmp_path):
    other = replace(cohort, folder=tmp_path, rows=(replace(cohort.rows[0], target={"femoral_neck_bmd": 0.5}), *cohort.rows[1:]))
    assert content_digest(other) != content_digest(cohort)


def test_other_code_and_another_environment_are_told_and_recorded(run):
    with session(run, code(), UNDER, COMMAND):
        pass
    with session(run, code() | {"sources": "sha256:other"}, UNDER | {"torch": "9.0"}, COMMAND) as changes:
        pass
    assert len(changes) == 2
    assert f"another environment.torch: {torch.__version__} before, 9.0 now" in changes[1]
    assert [each["environment"]["torch"] for each in read_record(run)["sessions"]] == [torch.__version__, "9.0"]


def test_a_session_that_fails_is_ended_too(run):
    with pytest.raises(ZeroDivisionError), session(run, code(), UNDER, COMMAND):
        1 / 0  # noqa: B018
    assert read_record(run)["sessions"][0]["ended"]


def test_a_folder_without_a_record_or_with_an_old_one_is_told_apart(tmp_path):
    with pytest.raises(RecordError, match="is no run"):
        read_record(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps({"recipe": "Recipe(model='bmd')", "cohort": "0f", "rows": 3}))
    with pytest.raises(RecordError, match="before runs were recorded"):
        read_record(tmp_path)


def test_code_that_git_does_not_keep_has_a_digest_alone(monkeypatch):
    known = code()
    monkeypatch.setenv("PATH", "")
    found = code()
    assert (found["commit"], found["dirty"]) == (None, None)
    assert found["sources"] == known["sources"]


def test_curves_are_a_table_and_events_that_a_second_start_does_not_double(tmp_path):
    loader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason="tensorboard is not installed")
    rows = [{"epoch": float(n), "train": 1.0 / (n + 1), "validation": 2.0 - n, "learning_rate": 0.1, "seconds": 3.0} for n in range(3)]
    first = Curves(tmp_path, [])
    first.add(rows[:1])
    first.add(rows[:2])  # and here it is killed
    second = Curves(tmp_path, rows[:2])
    second.add(rows)
    second.close()
    events = loader.EventAccumulator(str(tmp_path))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss/validation")] == [(0, 2.0), (1, 1.0), (2, 0.0)]
    assert read_history(tmp_path) == rows

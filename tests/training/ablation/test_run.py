"""A whole ablation, as small as it can be: two networks and a baseline, two seeds, one epoch."""

import json
import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from training.__main__ import main  # noqa: E402  after the check for torch
from training.ablation import study  # noqa: E402
from training.ablation.plan import Plan  # noqa: E402

VARIANTS = ("xattn", "metadata-only", "linear")


@pytest.fixture(scope="module")
def command(cohort, cohort_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ablation")
    shutil.copytree(cohort.folder, folder / "bmd" / "tensors" / cohort.folder.name)  # read once for all tests
    options = ["--cohort", str(cohort_folder), "--work", str(folder), "--out", str(folder / "results" / "bmd.json")]
    return folder, ["ablate", "bmd", *options, "--epochs", "1", "--seeds", "2", "--trials", "2", "--device", "cpu"]


@pytest.fixture(scope="module")
def result(command):
    folder, arguments = command
    assert main([*arguments, *(word for name in VARIANTS for word in ("--only", name))]) == 0
    return json.loads((folder / "results" / "bmd.json").read_text())


def test_every_variant_has_every_metric_of_every_seed(result):
    assert list(result["variants"]) == list(VARIANTS)
    for each in result["variants"].values():
        assert set(each["seeds"]) == set(study("bmd").metrics)
        assert all(len(values) == 2 for values in each["seeds"].values())
        low, high = each["mean"]["R2"][1:]
        assert low <= high


def test_differences_are_of_the_same_patients(result):
    one, other = (result["variants"][name]["seeds"]["R2"] for name in ("xattn", "metadata-only"))
    found = next(each for each in result["differences"] if (each["one"], each["other"]) == ("xattn", "metadata-only"))
    assert found["seeds"] == pytest.approx(np.subtract(one, other), abs=2e-4)
    assert found["difference"][0] == pytest.approx(np.mean(found["seeds"]), abs=2e-4)


def test_every_variant_chose_among_its_trials_once_a_seed(result):
    assert all(sum(each["chosen"].values()) == 2 for each in result["variants"].values())


def test_it_tells_how_it_was_made_and_nothing_of_a_patient_or_a_machine(result, command):
    text = json.dumps(result)
    assert "--epochs 1" in result["command"]
    assert str(command[0]) not in text
    assert "phantom-" not in text
    assert (result["phantoms"], result["trials"], result["epochs"]) == (False, 2, 1)


def test_going_on_trains_only_what_is_missing(result, command, capsys):
    folder, arguments = command
    networks = sorted(folder.glob("bmd/seed-*/*/main/best.pt"))
    stamps = [path.stat().st_mtime_ns for path in networks]
    networks[0].with_name("held_out.npz").unlink()
    networks[0].with_name("last.pt").rename(networks[0].with_name("kept.pt"))  # as if it had been killed within its first epoch
    assert main([*arguments, "--only", "xattn", "--only", "metadata-only"]) == 0
    assert "1 networks to train" in capsys.readouterr().out
    assert [path.stat().st_mtime_ns for path in networks[1:]] == stamps[1:]
    again = json.loads((folder / "results" / "bmd.json").read_text())
    assert again["variants"]["xattn"] == result["variants"]["xattn"]


@pytest.mark.usefixtures("result")
def test_networks_of_another_size_are_not_gone_on_with(command, capsys):
    assert main([*command[1], "--only", "xattn", "--epochs", "2"]) == 1
    assert "choose another --work" in capsys.readouterr().err


def test_a_student_learns_from_the_trial_of_its_teacher_that_was_chosen(cohort, tmp_path):
    asked = study("chest")
    plan = Plan(asked, "small", asked.sizes["small"], "repeated", (0,), asked.variants, tmp_path, cohort)
    split = plan.splits(0)[0]
    student = plan.task(asked.variant("mxa-kd"), 0, 0, split, taught_by=1)
    teacher = plan.task(asked.variant("teacher"), 0, 1, split)
    assert student.teacher.folder == teacher.folder
    assert student.teacher.network().state_dict().keys() == teacher.network().state_dict().keys()
    assert teacher.teacher is None


def test_the_published_protocol_holds_every_patient_out_once(cohort, tmp_path):
    asked = study("bmd")
    plan = Plan(asked, "small", asked.sizes["small"], "published", (0,), asked.variants, tmp_path, cohort)
    parts = plan.splits(0)
    assert len(parts) == 10
    assert sorted(np.concatenate([split.held_out for split in parts])) == list(range(len(cohort.rows)))

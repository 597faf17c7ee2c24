"""Two runs side by side: what differs, what was reached, and what may be subtracted from what."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from tests.training.cohort import QUICK  # noqa: E402  after the check for torch
from training.__main__ import main  # noqa: E402
from training.comparison.difference import compared, reached_lines, setting_lines  # noqa: E402
from training.comparison.reading import read_run  # noqa: E402
from training.data import splits  # noqa: E402
from training.environment import code, environment  # noqa: E402
from training.fit import fit, tasks_of  # noqa: E402
from training.metrics import mae  # noqa: E402
from training.records import check_record, session  # noqa: E402

CPU = torch.device("cpu")


def trained(cohort, folder, recipe, variants=("metadata-only",)):
    """A run of a part of its variants, as `fit` leaves it."""
    check_record(folder, recipe, cohort, "cohort")
    with session(folder, code(), environment(CPU, 1), ("python", "-m", "training", "fit", "bmd")):
        for task in tasks_of(recipe, splits(cohort.rows, cohort.targets, recipe), folder, variants):
            fit(task, cohort, CPU)
    return folder


@pytest.fixture(scope="module")
def runs(cohort, tmp_path_factory):
    """Two losses, and another seed."""
    folder = tmp_path_factory.mktemp("runs")
    recipes = {"usual": QUICK, "mae": replace(QUICK, loss="mae"), "seed": replace(QUICK, seed=1)}
    return {name: trained(cohort, folder / name, recipe) for name, recipe in recipes.items()}


def both(runs, one, other):
    return compared(read_run(runs[one]), read_run(runs[other]))


def lines(runs, one, other):
    return {line.name: line for line in reached_lines(both(runs, one, other), "metadata-only")}


def test_only_what_differs_is_told(runs):
    assert [(line.name, line.one, line.other) for line in setting_lines(both(runs, "usual", "mae"))] == [
        ("recipe.loss", "weighted_smooth_l1", "mae")
    ]
    assert setting_lines(both(runs, "usual", "usual")) == []


def test_what_was_reached_is_told_with_intervals_and_paired_differences(runs):
    found = lines(runs, "usual", "mae")
    assert (found["epochs"].one, found["networks finished"].other) == ("2 of at most 2", "1 of 1")
    files = [np.load(runs[name] / "metadata-only/main/held_out.npz") for name in ("usual", "mae")]
    errors = [mae(file["target"][:, 0], file["estimate"][:, 0].astype(float)) for file in files]
    assert found["MAE"].one.startswith(f"{errors[0]:.3f} (")
    assert found["MAE"].change.startswith(f"{errors[1] - errors[0]:+.3f} (")


def test_runs_on_other_rows_are_not_subtracted(runs):
    found = lines(runs, "usual", "seed")
    assert found["MAE"].one
    assert found["MAE"].change == ""


def test_the_command_prints_and_writes_a_page_that_needs_nothing_else(runs, tmp_path, capsys):
    page = tmp_path / "pages" / "page.html"
    assert main(["compare", str(runs["usual"]), str(runs["mae"]), "--out", str(page)]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^recipe.loss +weighted_smooth_l1 +mae$", printed, re.MULTILINE)
    assert "different losses" in printed
    html = page.read_text()
    assert html.count("data:image/png;base64,") == 1
    assert not re.search(r'(?:src|href)="(?!data:|#)', html)
    assert str(runs["usual"].parent) not in html


def test_a_run_that_is_not_finished_is_shown_as_far_as_it_is(runs, cohort, tmp_path, capsys):
    recipe = replace(QUICK, folds=3)
    check_record(tmp_path / "begun", recipe, cohort, "<i>cohort")
    first = tasks_of(recipe, splits(cohort.rows, cohort.targets, recipe), tmp_path / "begun", ("metadata-only",))[0]
    fit(first, cohort, CPU)
    assert main(["compare", str(tmp_path / "begun"), str(runs["usual"]), "--out", str(tmp_path / "page.html")]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^networks finished +1 of 4 +1 of 1$", printed, re.MULTILINE)
    assert "<i>cohort" not in (tmp_path / "page.html").read_text()
    check_record(tmp_path / "empty", QUICK, cohort, "cohort")
    assert main(["compare", str(tmp_path / "empty"), str(runs["usual"])]) == 0
    assert re.search(r"^epochs +- +2 of at most 2$", capsys.readouterr().out, re.MULTILINE)


def test_runs_of_two_models_are_refused_in_a_line(runs, tmp_path, capsys):
    other = json.loads((runs["usual"] / "run.json").read_text())
    other["recipe"]["model"] = "chest"
    (tmp_path / "run.json").write_text(json.dumps(other))
    assert main(["compare", str(runs["usual"]), str(tmp_path)]) == 1
    assert "only runs of one model can be compared" in capsys.readouterr().err


def test_a_folder_that_is_no_run_is_refused_in_a_line(runs, tmp_path, capsys):
    assert main(["compare", str(runs["usual"]), str(tmp_path)]) == 1
    assert "is no run" in capsys.readouterr().err

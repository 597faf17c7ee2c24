"""The commands as a person runs them, from an empty folder to a card."""

from dataclasses import replace

import numpy as np
import pytest

from tests.training.cohort import QUICK, ROWS
from training.__main__ import main
from training.data import splits
from training.evaluation import evaluate_run
from training.fit import fit, tasks_of

torch = pytest.importorskip("torch", reason="torch is not installed")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the exporter's own deprecations
def test_from_nothing_to_a_card(tmp_path, capsys):
    cohort, run, artifact = (str(tmp_path / name) for name in ("cohort", "run", "artifact"))
    assert main(["synth", "bmd", "--out", cohort, "--cases", "72", "--seed", "6", "--rows", str(ROWS)]) == 0
    assert main(["fit", "bmd", "--cohort", cohort, "--run", run, "--epochs", "1", "--variant", "xattn", "--variant", "metadata-only"]) == 0
    assert main(["export", "bmd", "--cohort", cohort, "--run", run, "--epochs", "1", "--out", artifact]) == 0
    assert main(["evaluate", "bmd", "--cohort", cohort, "--artifact", artifact, "--card", artifact]) == 0
    printed = capsys.readouterr().out
    assert "| metric | xattn | metadata-only |" in printed
    assert "90 % interval" in printed
    card = (tmp_path / "artifact" / "card.md").read_text()
    assert "| R2 |" in card
    assert {path.name for path in (tmp_path / "artifact" / "plots").iterdir()} == {
        "predicted.png", "bland-altman.png", "roc.png", "field-attention.png"
    }  # fmt: skip


def test_a_cohort_that_is_not_one_is_told_in_plain_lines(tmp_path, capsys):
    assert main(["fit", "bmd", "--cohort", str(tmp_path), "--run", str(tmp_path / "run")]) == 1
    assert "cohort.csv" in capsys.readouterr().err


def test_cross_validation_is_judged_out_of_fold(cohort, tmp_path):
    recipe = replace(QUICK, folds=3, epochs=3)
    parts = splits(cohort.rows, cohort.targets, recipe)
    tasks = tasks_of(recipe, parts, tmp_path, ("metadata-only",))
    for task in tasks:
        fit(task, cohort, torch.device("cpu"))
    evaluation = evaluate_run({"metadata-only": tasks}, cohort, "three folds")
    assert sorted(np.round(evaluation.scored["metadata-only"].target, 5)) == sorted(np.round(cohort.targets[:, 0].astype(float), 5))
    assert "R2" in evaluation.fold_spread
    assert evaluation.half_width > 0

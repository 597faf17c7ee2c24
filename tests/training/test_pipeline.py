"""The commands around a cohort; tests/training/test_export.py goes on from there to a card."""

from dataclasses import replace

import numpy as np
import pytest

from tests.training.cohort import QUICK
from training.__main__ import main
from training.data import splits
from training.evaluation import evaluate_run
from training.fit import fit, tasks_of

torch = pytest.importorskip("torch", reason="torch is not installed")


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

"""Splits keep patients apart; tensors are those that the service would see."""

from dataclasses import replace

import numpy as np
import pytest

from tests.training.cohort import QUICK
from training.data import load, official_split, splits, tensors_of
from training.sources import CohortError, Row

PAPER_LIKE = replace(QUICK, folds=5)


def rows(patients=60, films=2):
    """Patients with two films each; every third is a man."""
    return tuple(
        Row(f"p{i}", {}, {}, {"bmd": 0.5 + i / patients}, strata={"sex": "male" if i % 3 == 0 else "female"}, group=f"p{i}")
        for i in range(patients)
        for _ in range(films)
    )


def targets(some):
    return np.array([[row.target["bmd"]] for row in some], np.float32)


@pytest.mark.parametrize("recipe", [QUICK, PAPER_LIKE])
def test_a_patient_stands_on_one_side_only(recipe):
    some = rows()
    for split in splits(some, targets(some), recipe):
        sides = [{some[i].group for i in part} for part in (split.train, split.validation, split.held_out)]
        assert not sides[0] & sides[1]
        assert not sides[0] & sides[2]
        assert not sides[1] & sides[2]
        assert sum(map(len, (split.train, split.validation, split.held_out))) == len(some)


def test_folds_hold_out_every_row_once_and_the_last_split_none():
    some = rows()
    *folds, final = splits(some, targets(some), PAPER_LIKE)
    assert sorted(np.concatenate([fold.held_out for fold in folds])) == list(range(len(some)))
    assert len(final.held_out) == 0


def test_folds_are_stratified_by_sex_and_target():
    some = rows(120)
    for fold in splits(some, targets(some), PAPER_LIKE)[:-1]:
        held_out = [some[i] for i in fold.held_out]
        assert np.mean([row.strata["sex"] == "male" for row in held_out]) == pytest.approx(1 / 3, abs=0.1)
        assert np.mean([row.target["bmd"] for row in held_out]) == pytest.approx(1.0, abs=0.08)


def test_the_cohorts_own_test_rows_are_held_out_and_choose_nothing():
    some = tuple(replace(row, part="test" if i >= 90 else "train") for i, row in enumerate(rows()))
    split = official_split(some, targets(some), QUICK)
    assert list(split.held_out) == list(range(90, 120))
    assert sorted(np.concatenate((split.train, split.validation))) == list(range(90))
    assert not {some[i].group for i in split.train} & {some[i].group for i in split.validation}
    with pytest.raises(CohortError, match="no test rows of its own"):
        official_split(rows(), targets(rows()), QUICK)


def test_splits_follow_the_seed():
    some = rows()
    first, same, other = (splits(some, targets(some), replace(QUICK, seed=seed))[0] for seed in (1, 1, 2))
    assert np.array_equal(first.train, same.train)
    assert not np.array_equal(first.held_out, other.held_out)


def test_the_cache_holds_what_the_serving_path_gives(cohort):
    for i in (0, len(cohort.rows) - 1):
        for name, tensor in tensors_of(cohort.spec, cohort.rows[i]).items():
            assert np.array_equal(cohort.tensors[name][i], tensor)


def test_a_second_reading_takes_the_cache(cohort):
    folder = cohort.folder
    stamp = (folder / "complete").stat().st_mtime_ns
    again = load(cohort.spec, cohort.rows, folder.parent)
    assert again.folder == folder
    assert (folder / "complete").stat().st_mtime_ns == stamp

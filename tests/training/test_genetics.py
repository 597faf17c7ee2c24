"""Panels and training rows: no row outside the fold has a part in what is chosen or filled in."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed")

from models.spec import Panel, Variant
from training.genetics import associated, cut, with_modes

PANEL = Panel(name="twelve", build="GRCh37", variants=tuple(
    Variant(chromosome="1", position=index + 1, reference="A", alternate="G", mode=0) for index in range(12)
))  # fmt: skip


def cohort(seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, 120)
    calls = rng.integers(0, 3, (120, 12)).astype(np.float32)
    calls[:60, 5] = labels[:60]  # in the training rows variant 5 tells the class, in the others variant 8 does
    calls[60:, 8] = labels[60:]
    return calls, np.eye(3)[labels]


def test_variants_are_chosen_by_the_training_rows_alone():
    calls, targets = cohort()
    train = np.arange(60)
    chosen = associated(calls, targets, train, 3)
    assert 5 in chosen
    assert list(chosen) == sorted(chosen)
    changed = calls.copy()
    changed[60:] = 2 - changed[60:]
    assert np.array_equal(associated(changed, targets, train, 3), chosen)
    assert associated(calls, targets, np.arange(60, 120), 1).tolist() == [8]


def test_modes_come_from_the_training_rows_alone_and_pass_over_what_was_not_called():
    calls, _ = cohort()
    calls[:60, 0] = [2] * 20 + [-1] * 40
    calls[60:, 0] = 0
    modes = [each.mode for each in with_modes(PANEL, calls, np.arange(60)).variants]
    assert modes[0] == 2
    assert set(modes) <= {0, 1, 2}


def test_a_cut_panel_keeps_its_order_and_its_build():
    smaller = cut(PANEL, np.array([2, 7, 11]), "three")
    assert [each.position for each in smaller.variants] == [3, 8, 12]
    assert (smaller.name, smaller.build) == ("three", "GRCh37")

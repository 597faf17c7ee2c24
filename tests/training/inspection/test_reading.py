"""Every study is read once, in this process or in others, and nothing that is wrong with it stops the reading."""

from dataclasses import replace

import numpy as np

from models.breast import SPEC
from training.data import tensors_of
from training.inspection.reading import PICTURE, TINY, see, see_all


def test_processes_see_what_one_sees(clean, monkeypatch):
    monkeypatch.undo()  # nothing is remembered here
    rows = clean("breast").rows[:6]
    alone, together = (see_all(SPEC, rows, frozenset({0, 3}), workers, progress=False) for workers in (1, 2))
    assert [each.views["image"].content for each in together] == [each.views["image"].content for each in alone]
    assert [bool(each.pictures) for each in together] == [True, False, False, True, False, False]


def test_a_picture_is_what_the_network_sees(clean):
    row = clean("breast").rows[0]
    seen = see(SPEC, (row, True))
    tensor = tensors_of(SPEC, row)["image"][0] * SPEC.images[0].std[0] + SPEC.images[0].mean[0]
    assert seen.pictures["image"].shape == (PICTURE, PICTURE)
    assert seen.views["image"].tiny.shape == (TINY, TINY)
    halved = tensor.reshape(PICTURE, 2, PICTURE, 2).mean((1, 3))
    assert np.abs(halved - seen.pictures["image"] / 255).max() < 0.01


def test_a_file_that_vanishes_is_a_refusal(clean, tmp_path):
    row = replace(clean("breast").rows[0], images={"image": tmp_path / "gone.dcm"})
    assert see(SPEC, (row, False)).refusal == ("unreadable_image", "A file cannot be opened: No such file or directory.")


def test_a_field_that_is_wrong_does_not_hide_the_picture(clean):
    row = clean("breast").rows[0]
    seen = see(SPEC, (replace(row, metadata={**row.metadata, "density": "9"}), False))
    assert set(seen.bad_fields) == {"density"}
    assert seen.refusal is None
    assert seen.views["image"].content

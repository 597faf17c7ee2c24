"""Pictures in 256 levels, and back."""

import numpy as np
import pytest

from models.levels import Levels, uploads

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def normalised(grey: np.ndarray) -> np.ndarray:
    """As preprocessing makes it: (H, W) in [0, 1] -> (3, H, W)."""
    mean, std = (np.asarray(values, np.float32).reshape(3, 1, 1) for values in (MEAN, STD))
    return ((grey[np.newaxis].astype(np.float32) - mean) / std).astype(np.float32)


def test_every_level_comes_back_as_itself():
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    told = Levels.of(3, MEAN[0], STD[0])(normalised(levels / 255))
    assert (told.dtype, told.shape) == (np.uint8, (1, 16, 16))
    assert np.array_equal(told[0], levels)


def test_what_lies_between_is_rounded_and_what_lies_beyond_is_clipped():
    grey = np.float32([[0.5 / 255 - 1e-4, 0.5 / 255 + 1e-4], [-0.1, 1.1]])
    assert Levels.of(3, MEAN[0], STD[0])(normalised(grey))[0].tolist() == [[0, 1], [0, 255]]


def test_a_batch_is_told_as_its_studies():
    batch = np.stack([normalised(np.random.default_rng(seed).random((4, 5))) for seed in range(3)])
    levels = Levels.of(3, MEAN[0], STD[0])
    assert np.array_equal(levels(batch), np.stack([levels(each) for each in batch]))


@pytest.mark.parametrize(("properties", "inputs"), [({}, {}), ({"levels": '{"mri": [3, 58.4, 123.7]}'}, {"mri": Levels(3, 58.4, 123.7)})])
def test_a_file_says_which_inputs_it_reads_in_levels(properties, inputs):
    assert uploads(properties) == inputs

"""Augmentation: random, but only as service and anatomy allow."""

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from models.bmd import HIP, METADATA  # noqa: E402  after the check for torch
from training.augment import augment_image, drop_fields  # noqa: E402
from training.recipes import Augmentation  # noqa: E402

NAMES = [field.name for field in METADATA.network_fields]


def hidden(**how):
    rng = torch.Generator().manual_seed(0)
    return drop_fields(torch.ones(4000, len(NAMES)), METADATA, Augmentation(**how), rng) == 0


def test_a_required_field_is_never_hidden():
    assert not hidden()[:, NAMES.index("sex")].any()


def test_a_derived_field_goes_with_its_source():
    gone = hidden()
    without_weight = gone[:, NAMES.index("weight_kg")]
    assert without_weight.any()
    assert gone[without_weight, NAMES.index("bmi")].all()
    assert gone[gone[:, NAMES.index("age_at_xray_years")], NAMES.index("age_at_dxa_years")].all()


def test_some_rows_lose_everything_optional():
    gone = hidden(field_dropout=0.0, all_fields_dropout=0.1)
    everything = gone.sum(1) == len(NAMES) - 1
    assert everything.float().mean().item() == pytest.approx(0.1, abs=0.02)
    assert (everything | (gone.sum(1) == 0)).all()


def test_a_missing_field_stays_missing():
    present = torch.zeros(5, len(NAMES))
    assert drop_fields(present, METADATA, Augmentation(), torch.Generator()).sum() == 0


def test_images_stay_in_range_and_keep_their_side():
    rng = torch.Generator().manual_seed(0)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (HIP.mean, HIP.std))
    bright_left = torch.zeros(8, 3, 64, 64)
    bright_left[..., :24] = 1.0
    pixels = augment_image((bright_left - mean) / std, HIP, Augmentation(), rng) * std + mean
    assert -1e-5 <= pixels.min().item() <= pixels.max().item() <= 1 + 1e-5
    assert (pixels[..., :24].mean((1, 2, 3)) > pixels[..., 40:].mean((1, 2, 3))).all()
    assert not torch.allclose(pixels[0], pixels[1])

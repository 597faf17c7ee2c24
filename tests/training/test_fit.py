"""Training: the same seed gives the same network, interrupted or not; and the network learns."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from tests.training.cohort import QUICK  # noqa: E402  after the check for torch
from training.data import splits  # noqa: E402
from training.fit import Task, fit, load_network  # noqa: E402
from training.recipes import Augmentation  # noqa: E402

CPU = torch.device("cpu")


def task(cohort, folder, recipe=QUICK, variant="xattn"):
    return Task(recipe, variant, splits(cohort.rows, cohort.targets, recipe)[-1], folder)


def weights(some):
    return torch.cat([value.flatten().float() for value in load_network(some).state_dict().values()])


def test_the_same_seed_gives_the_same_network_even_when_interrupted(cohort, tmp_path):
    whole, first_half = task(cohort, tmp_path / "whole"), task(cohort, tmp_path / "halves", replace(QUICK, epochs=1, warmup_epochs=0))
    fit(task(cohort, tmp_path / "whole", replace(QUICK, warmup_epochs=5)), cohort, CPU)
    fit(replace(first_half, recipe=replace(QUICK, epochs=1, warmup_epochs=5)), cohort, CPU)
    (tmp_path / "halves" / "held_out.npz").unlink()
    fit(replace(first_half, recipe=replace(QUICK, warmup_epochs=5)), cohort, CPU)
    assert torch.equal(weights(whole), weights(first_half))


def test_another_seed_gives_another_network(cohort, tmp_path):
    one, other = task(cohort, tmp_path / "one"), task(cohort, tmp_path / "other", replace(QUICK, seed=1))
    fit(one, cohort, CPU)
    fit(other, cohort, CPU)
    assert not torch.equal(weights(one), weights(other))


def test_a_run_leaves_its_history_and_its_held_out_estimates(cohort, tmp_path):
    some = task(cohort, tmp_path)
    fit(some, cohort, CPU)
    held_out = np.load(tmp_path / "held_out.npz")
    assert np.array_equal(held_out["indices"], some.split.held_out)
    assert held_out["estimate"].shape == held_out["target"].shape
    assert (tmp_path / "history.csv").read_text().splitlines()[0] == "epoch,train,validation,learning_rate,seconds"


def test_metadata_alone_learns_what_metadata_can_tell(cohort, tmp_path):
    recipe = replace(QUICK, epochs=30, learning_rate=5e-3, augmentation=Augmentation(field_dropout=0.0, all_fields_dropout=0.0))
    some = task(cohort, tmp_path, recipe, "metadata-only")
    fit(some, cohort, CPU)
    losses = [float(line.split(",")[1]) for line in (tmp_path / "history.csv").read_text().splitlines()[1:]]
    assert losses[-1] < 0.6 * losses[0]


def test_patience_stops_a_run_that_no_longer_improves(cohort, tmp_path):
    still = replace(QUICK, epochs=50, learning_rate=0.0, trunk_learning_rate=0.0, patience=2)
    fit(task(cohort, tmp_path, still, "metadata-only"), cohort, CPU)
    assert len((tmp_path / "history.csv").read_text().splitlines()) == 1 + 3


def test_a_torchvision_checkpoint_loads_into_the_trunk(cohort, tmp_path):
    some = task(cohort, tmp_path / "run", replace(QUICK, learning_rate=0.0, trunk_learning_rate=0.0, weight_decay=0.0))
    trunk = some.network().image.trunk.state_dict() | {"fc.weight": torch.zeros(1), "fc.bias": torch.zeros(1)}
    trunk["conv1.weight"] = torch.full_like(trunk["conv1.weight"], 0.01)
    torch.save(trunk, tmp_path / "resnet.pth")
    fit(some, cohort, CPU, pretrained=tmp_path / "resnet.pth")
    assert torch.allclose(load_network(some).image.trunk.conv1.weight, torch.tensor(0.01))

"""Micro-batches add up to the batch: the same gradient, whatever the loss divides by."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from tests.training.cohort import QUICK  # noqa: E402  after the check for torch
from training.accumulation import add_gradient  # noqa: E402
from training.data import splits  # noqa: E402
from training.distillation import distilled  # noqa: E402
from training.fit import Task, fit, load_network  # noqa: E402
from training.losses import loss_of  # noqa: E402

ROWS, CLASSES = 11, 3  # eleven rows do not divide evenly
OPTIONS = {"weighted_smooth_l1": {"tau": 0.3, "weight_low": 2.0, "beta": 0.1}, "cross_entropy": {"balanced": 1.0}}


def gradient(total_loss, heads, micro_batches):
    torch.manual_seed(0)
    body = torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.LayerNorm(8), torch.nn.GELU())  # no batch statistics
    outs = torch.nn.ModuleList(torch.nn.Linear(8, CLASSES) for _ in range(heads))
    inputs = {"x": torch.randn(ROWS, 5, generator=torch.Generator().manual_seed(1))}
    value = add_gradient(lambda some: [out(body(some["x"])) for out in outs], total_loss, inputs, micro_batches)
    return value, torch.cat([parameter.grad.flatten() for parameter in (*body.parameters(), *outs.parameters())])


def targets(kind):
    rng = torch.Generator().manual_seed(2)
    if kind == "cross_entropy":
        return torch.eye(CLASSES)[torch.randint(CLASSES, (ROWS,), generator=rng)]
    values = torch.rand(ROWS, CLASSES, generator=rng)
    return torch.where(values < 0.4, torch.nan, values.round()) if kind == "binary_cross_entropy" else values


def distillation(logits):
    """Labels and teacher are known of different rows: each half of the loss divides by a count of its own."""
    taught = torch.rand(ROWS, CLASSES, generator=torch.Generator().manual_seed(3))
    taught[:7] = torch.nan
    return distilled((logits[0], logits[1]), targets("binary_cross_entropy"), taught)


LOSSES = {
    name: lambda logits, name=name: loss_of(name, OPTIONS.get(name, {}), targets(name))(logits[0], targets(name))
    for name in ("weighted_smooth_l1", "mse", "cross_entropy", "binary_cross_entropy")
} | {"distilled": distillation}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("micro_batches", [2, 4, 50])
def test_micro_batches_add_up_to_the_gradient_of_the_batch(name, micro_batches):
    heads = 2 if name == "distilled" else 1
    value, whole = gradient(LOSSES[name], heads, 1)
    same_value, added = gradient(LOSSES[name], heads, micro_batches)
    assert whole.abs().max() > 1e-3
    assert torch.allclose(added, whole, rtol=1e-4, atol=1e-7)
    assert same_value == pytest.approx(value, rel=1e-5)


def weights(task):
    return torch.cat([value.flatten().float() for value in load_network(task).state_dict().values()])


def test_a_run_in_micro_batches_or_in_mixed_precision_ends_near_the_usual_one(cohort, tmp_path):
    still = replace(QUICK, epochs=1)
    split = splits(cohort.rows, cohort.targets, still)[-1]
    recipes = {"usual": still, "accumulated": replace(still, accumulate=2), "mixed": replace(still, mixed_precision=True)}
    tasks = {name: Task(recipe, "metadata-only", split, tmp_path / name) for name, recipe in recipes.items()}
    for task in tasks.values():
        fit(task, cohort, torch.device("cpu"))
    fresh = torch.cat([value.flatten().float() for value in tasks["usual"].network().state_dict().values()])
    usual = weights(tasks["usual"])
    for name in ("accumulated", "mixed"):
        other = weights(tasks[name])
        assert torch.isfinite(other).all()
        assert not torch.equal(other, usual)  # dropout draws anew for each micro-batch; bfloat16 rounds
        assert (other - usual).norm() < 0.5 * (usual - fresh).norm()  # it went the same way


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("mixed", [False, True])
def test_a_run_goes_on_from_its_checkpoint_on_a_gpu(cohort, tmp_path, mixed):
    recipe = replace(QUICK, epochs=2, warmup_epochs=5, mixed_precision=mixed)
    split = splits(cohort.rows, cohort.targets, recipe)[-1]
    whole, halves = (Task(recipe, "xattn", split, tmp_path / name) for name in ("whole", "halves"))
    fit(whole, cohort, torch.device("cuda"))
    fit(replace(halves, recipe=replace(recipe, epochs=1)), cohort, torch.device("cuda"))
    (halves.folder / "held_out.npz").unlink()
    fit(halves, cohort, torch.device("cuda"))
    estimates = [np.load(task.folder / "held_out.npz")["estimate"] for task in (whole, halves)]
    assert estimates[0] == pytest.approx(estimates[1], abs=0.02)  # kernels of a GPU add in no fixed order

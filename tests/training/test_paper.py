"""The recipes of the papers, at full size: from the public layout on disk to an artifact that the service loads and answers with."""

import importlib
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from models import SPECS  # noqa: E402  after the check for torch
from service.app import create_app  # noqa: E402
from service.settings import Settings  # noqa: E402
from training.fit import tasks_of  # noqa: E402
from training.pipeline import export_run, fit_run, open_run  # noqa: E402
from training.recipes import recipe  # noqa: E402

CASES = 16
pytestmark = [
    pytest.mark.slow,
    pytest.mark.no_cover,  # tracing the exporter of a full-size network takes minutes, and other tests cover these lines
    pytest.mark.filterwarnings("ignore"),  # the exporter's own deprecations
]


def short(model):
    """The paper's recipe with its network, batch and optimizer; one epoch, and shares that a handful of cases can be split into."""
    paper = recipe(model, "paper")
    first = next(iter(paper.variants))
    kept = {name: paper.variants[name] for name in (first, paper.teachers.get(first)) if name}
    return replace(paper, variants=kept, epochs=1, folds=2 if paper.folds else 0, validation=0.2, calibration=0.4)


def pretrained(run, path):
    """A torchvision checkpoint for the image trunks, where the recipe tunes them more carefully than the rest; else None."""
    if run.recipe.trunk_learning_rate == run.recipe.learning_rate:
        return None
    trunk = tasks_of(run.recipe, run.splits, run.folder)[0].network().trunks[0]
    torch.save({**trunk.state_dict(), "fc.weight": torch.zeros(1000, trunk.channels), "fc.bias": torch.zeros(1000)}, path)
    return path


@pytest.mark.parametrize("model", SPECS)
async def test_a_full_size_network_is_trained_exported_and_served(model, tmp_path):
    importlib.import_module(f"training.phantoms.{model}").write(tmp_path / "cohort", CASES, seed=5, progress=False)
    run = open_run(short(model), tmp_path / "run", tmp_path / "cohort")
    fit_run(run, device="cpu", pretrained=pretrained(run, tmp_path / "trunk.pth"))
    export_run(run, tmp_path / "artifacts" / model)
    app = create_app(Settings(artifacts=tmp_path / "artifacts", models=(model,), gate=False, decoder_workers=1))
    async with app.router.lifespan_context(app):
        await app.state.proved.wait()
        assert app.state.serving.predictors[model].state == "ready"

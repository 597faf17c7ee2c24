"""The batch axis of every network that a reference recipe trains is free: the exporter silently fixes what Python made a constant."""

import importlib

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from models import SPECS  # noqa: E402
from training.recipes import recipe  # noqa: E402

VARIANTS = [(model, variant) for model in ("bmd", "breast", "chest") for variant in recipe(model, "reference").variants]


@pytest.mark.slow
@pytest.mark.no_cover  # tracing the exporter doubles its time, and other tests cover these lines
@pytest.mark.filterwarnings("ignore")  # the exporter's own deprecations
@pytest.mark.parametrize(("model", "variant"), VARIANTS)
def test_one_graph_takes_any_number_of_studies(model, variant):
    chosen, spec = recipe(model, "reference"), SPECS[model]
    network = importlib.import_module(f"models.{model}.network").build({**chosen.network, **chosen.variants[variant]}).eval()
    inputs = {part.name: torch.randn(4, *part.shape) for part in spec.images}
    fields = spec.table.network_fields
    if fields:
        widths = sum(field.width for field in fields)
        inputs |= {spec.table.name: torch.zeros(4, widths), spec.table.mask: torch.ones(4, len(fields))}
    batch = torch.export.Dim("batch", min=1, max=1024)
    torch.export.export(network, (), inputs, dynamic_shapes={name: {0: batch} for name in inputs})

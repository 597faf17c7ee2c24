"""The studies as data: whole, consistent, and made of networks that exist."""

from collections import Counter
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from models import SPECS  # noqa: E402  after the check for torch
from training.ablation import study  # noqa: E402
from training.ablation.compare import metrics_of  # noqa: E402
from training.fit import Task  # noqa: E402
from training.losses import LOSSES  # noqa: E402
from training.recipes import recipe  # noqa: E402

LESS_IS_BETTER = {"MAE", "MSE", "Brier", "ECE"}


@pytest.fixture(params=SPECS)
def asked(request):
    return study(request.param)


def test_every_comparison_is_of_variants_that_there_are_and_stands_once(asked):
    keys = [(each.one, each.other, each.metric, each.hidden) for each in asked.comparisons]
    assert {name for one, other, *_ in keys for name in (one, other)} <= {variant.name for variant in asked.variants}
    assert max(Counter(keys).values()) == 1
    assert {each.hidden for each in asked.comparisons} <= {0.0, *asked.hidden}


def test_every_variant_is_compared_with_something(asked):
    assert {variant.name for variant in asked.variants} == {name for each in asked.comparisons for name in (each.one, each.other)}


def test_every_metric_exists_and_more_of_what_decides_is_better(asked):
    known = metrics_of(SPECS[asked.model])
    deciding = {each.metric or asked.metrics[0] for each in asked.comparisons}
    assert deciding | set(asked.metrics) <= set(known)
    assert deciding <= set(asked.metrics)
    assert not deciding & LESS_IS_BETTER


def test_every_claim_says_what_was_published_and_every_untestable_one_why(asked):
    assert all(each.published for each in asked.comparisons if each.claim)
    assert all(each.published and each.because for each in asked.untestable)


def test_every_model_has_two_baselines_without_a_network(asked):
    assert {variant.classical for variant in asked.variants} == {"", "linear", "boosting"}


def test_every_network_of_the_small_size_can_be_built(asked, tmp_path):
    base = recipe(asked.model, "reference")
    for variant in (each for each in asked.variants if not each.classical):
        options = {**base.network, **asked.sizes["small"].network}
        task = Task(replace(base, network=options, variants={variant.name: variant.options}), variant.name, None, tmp_path)
        assert sum(parameter.numel() for parameter in task.network().parameters()) > 0
        assert variant.loss in {"", *LOSSES}
        assert not variant.teacher or asked.variant(variant.teacher)


def test_half_the_resolution_gives_maps_of_the_same_size(asked):
    base, size = recipe(asked.model, "reference"), asked.sizes["small"]
    maps = []
    for options, shrink in ((base.network, 1), (base.network | size.network, 2)):
        task = Task(replace(base, network=options, variants={"model": {}}), "model", None, None)
        images = [torch.zeros(1, channels, height // shrink, width // shrink) for channels, height, width in _shapes(asked)]
        with torch.inference_mode():
            maps.append(task.network().eval().encode(*images)[0])
    assert size.network["half"]
    assert maps[0].shape[2:] == maps[1].shape[2:]


def test_a_variant_that_there_is_not_is_told_with_those_that_there_are(asked):
    with pytest.raises(KeyError, match="linear, boosting"):
        asked.variant("cross-eyed")


def _shapes(asked):
    return [image.shape for image in SPECS[asked.model].images]

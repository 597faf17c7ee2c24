"""Explanations of the repository's own artifacts: they add up, they are of the answer, and they stay out of the way."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from models import SPECS
from models.decode import Limits
from models.explain import FOLDER
from models.golden import Golden
from models.postprocess import postprocess
from models.study import read_study
from service import explainer as module
from service.engine.runtime import Runtime
from service.errors import ModelOutputError, OverloadedError
from service.explainer import Explainer
from service.predictor import exported_spec
from tests.contract.conftest import ROOT

ARTIFACTS = ROOT / "artifacts"


@pytest.fixture(scope="module")
def threads():
    with ThreadPoolExecutor(1) as threads:
        yield threads


@pytest.fixture(scope="module")
def explain(threads):
    return explainer("bmd", threads)


@pytest.fixture(scope="module")
def explain_heads(threads):
    return explainer("alzheimer", threads)


@pytest.fixture(scope="module")
def prediction():
    return answer("bmd")


@pytest.fixture(scope="module")
def head_prediction():
    return answer("alzheimer")


def opened(model):
    network = Runtime(ARTIFACTS / model / "model.onnx")
    return exported_spec(SPECS[model], network.metadata), network


def explainer(model, threads):
    return Explainer(*opened(model), ARTIFACTS / model / FOLDER, threads)


def answer(model):
    """The model's own answer to its golden case."""
    spec, network = opened(model)
    reading = read_study(spec, Golden.load(ARTIFACTS / model / "golden.npz").study, Limits())
    outputs = network({name: tensor[np.newaxis] for name, tensor in reading.tensors.items()})
    return postprocess(spec, {name: output[0] for name, output in outputs.items()}, reading)


async def test_shapley_values_add_up_to_what_the_fields_change(explain, prediction):
    (found,) = (await explain(prediction, ["shapley"]))["shapley"]
    assert found.answer == pytest.approx(prediction.measurements[0].value, abs=1e-5)
    assert sum(share.value for share in found.shares) == pytest.approx(found.answer - found.baseline, abs=1e-5)
    present = {name for name, value in prediction.reading.metadata.items() if value.source != "missing"}
    assert {share.name for share in found.shares} == present - {"sex", "laterality"}


async def test_shapley_values_of_modalities_add_up_from_an_answer_without_any(explain_heads, head_prediction):
    fields, modalities = (await explain_heads(head_prediction, ["shapley"]))["shapley"]
    assert (fields.over, modalities.over) == ("fields", "modalities")
    assert [share.name for share in modalities.shares] == ["mri", "pet", "genotypes", "clinical"]
    assert sum(share.value for share in modalities.shares) == pytest.approx(modalities.answer - modalities.baseline, abs=1e-5)
    assert all(share.value for share in modalities.shares)
    assert modalities.answer == pytest.approx(fields.answer)


async def test_lime_explains_each_image_of_a_model_that_reads_two(explain_heads, head_prediction, monkeypatch):
    monkeypatch.setattr(module, "LIME_SAMPLES", 80)
    found = (await explain_heads(head_prediction, ["lime"]))["lime"]
    assert [explanation.maps[0].input for explanation in found] == ["mri", "pet"]


async def test_gradcam_lies_on_the_image_and_sums_to_one(explain, prediction):
    (found,) = (await explain(prediction, ["gradcam"]))["gradcam"]
    (heat,) = found.maps
    assert np.array(heat.values).sum() == pytest.approx(1, abs=1e-5)
    assert heat.geometry == prediction.reading.images[0].geometry


async def test_lime_tells_how_well_it_fits(explain, prediction, monkeypatch):
    monkeypatch.setattr(module, "LIME_SAMPLES", 80)
    (found,) = (await explain(prediction, ["lime"]))["lime"]
    assert 0 < found.fit <= 1
    assert np.array(found.maps[0].values).shape == (56, 56)


async def test_the_same_study_is_explained_the_same(explain, prediction):
    first, second = [await explain(prediction, ["gradcam", "shapley"]) for _ in range(2)]
    assert first == second


async def test_too_many_who_wait_are_refused(explain, prediction, monkeypatch):
    monkeypatch.setattr(module, "MAX_WAITING", 2)
    answers = await asyncio.gather(*(explain(prediction, ["gradcam"]) for _ in range(4)), return_exceptions=True)
    assert sum(isinstance(answer, OverloadedError) for answer in answers) == 2


async def test_an_explanation_of_another_answer_is_none(explain, prediction):
    other = replace(prediction, measurements=(replace(prediction.measurements[0], value=0.5), prediction.measurements[1]))
    with pytest.raises(ModelOutputError):
        await explain(other, ["gradcam"])

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import pytest

from models import SPECS
from models.decode import Limits
from models.golden import Golden
from models.prediction import Reading, Tensors
from models.spec import ModelSpec
from models.study import Part, Study, read_study
from service.engine.batch import Inference
from service.engine.modes import Modes
from service.errors import (
    ArtifactError,
    DeadlineError,
    GoldenMismatchError,
    ModelOutputError,
    NotClinicalError,
    NotReadyError,
    OverloadedError,
    SpecMismatchError,
)
from service.predictor import Identity, Predictor, exported_spec
from service.waiting.forecast import Forecast
from service.waiting.urgency import WHENEVER, Priority, Urgency
from tests.service.artifact import measured
from tests.service.studies import METADATA, hip_png

DECLARED = SPECS["bmd"]
SPEC = DECLARED.with_measured(measured(DECLARED))
STUDY = Study((Part(hip_png(), "image"),), dict(METADATA))


@contextmanager
def noted(expected: list[object], who: object) -> Iterator[None]:
    expected.append(who)
    yield
    expected.remove(who)


class Decoders:
    """Read at once, but say that `wait_s` of others are ahead."""

    def __init__(self, wait_s: float = 0.0) -> None:
        self.wait_s = wait_s
        self.expected: list[object] = []

    async def __call__(self, spec: ModelSpec, study: Study, _: Urgency = WHENEVER) -> Reading:
        return read_study(spec, study, Limits())

    def forecast(self, *_: object) -> Forecast:
        return Forecast(self.wait_s, 0.5)

    def expecting(self, model: str, priority: Priority) -> AbstractContextManager[None]:
        return noted(self.expected, (model, priority))


decode = Decoders()


class Network:
    """Answers the same for everything, after looking at the top left corner of the image."""

    modes = Modes(lambda tensors: tensors)

    def __init__(self, value: float = 0.8) -> None:
        self.value = value
        self.expected: list[object] = []

    def forecast(self, _: Priority) -> Forecast:
        return Forecast(0.0, 1.5)

    def expecting(self, priority: Priority) -> AbstractContextManager[None]:
        return noted(self.expected, priority)

    async def settle(self, tensors: Tensors) -> None:
        self.settled = tensors

    async def __call__(self, tensors: Tensors, _: Urgency = WHENEVER) -> Inference:
        bmd = np.float32([self.value + 0.01 * tensors["image"][0, :112, :112].mean()])
        weights = tensors["present"] / tensors["present"].sum()
        outputs = {"bmd": bmd, "metadata_attention": weights, "image_attention": np.full((7, 7), 1 / 49)}
        return Inference({name: output.astype(np.float32) for name, output in outputs.items()}, 0.002, 0.01)


def predictor(network: Network, decode: Decoders = decode) -> Predictor:
    return Predictor(Identity(SPEC, "sha256:0", "CPUExecutionProvider"), decode, network)


async def golden() -> Golden:
    return Golden(STUDY, (await Network()((await decode(SPEC, STUDY)).tensors)).outputs)


async def test_a_model_that_reproduces_its_golden_case_answers():
    ready = predictor(Network())
    await ready.check(await golden())
    prediction = await ready.predict(STUDY)
    assert ready.state == "ready"
    assert prediction.measurements[0].value == pytest.approx(0.8, abs=0.05)
    assert list(prediction.timing_ms) == ["decode", "preprocess", "queue", "infer", "postprocess"]
    assert (prediction.timing_ms["queue"], prediction.timing_ms["infer"]) == (2.0, 10.0)


async def test_a_model_that_does_not_reproduce_it_never_answers():
    wrong = predictor(Network(0.8011))
    with pytest.raises(GoldenMismatchError, match=r"bmd: golden case differs by 1\.1e-03"):
        await wrong.check(await golden())
    assert wrong.state == "failed"
    with pytest.raises(NotReadyError):
        await wrong.predict(STUDY)


async def test_an_upside_down_decoder_fails_the_golden_case():
    class UpsideDown(Decoders):
        async def __call__(self, spec: ModelSpec, study: Study, _: Urgency = WHENEVER) -> Reading:
            reading = await decode(spec, study)
            reading.tensors["image"] = reading.tensors["image"][:, ::-1].copy()
            return reading

    turned = predictor(Network(), UpsideDown())
    with pytest.raises(GoldenMismatchError):
        await turned.check(await golden())


async def test_nobody_is_answered_before_the_golden_case():
    with pytest.raises(NotReadyError, match="loading") as refused:
        await predictor(Network()).predict(STUDY)
    assert refused.value.retry_after_s > 0


async def test_a_study_that_would_be_late_is_refused_before_its_bytes_are_read():
    decoders = Decoders()
    model = predictor(Network(), decoders)
    with pytest.raises(NotReadyError), model.admitted(WHENEVER):
        pass
    await model.check(await golden())
    soon, later = (Urgency(Priority.ROUTINE, time.monotonic() + seconds) for seconds in (4.0, 60.0))
    with model.admitted(soon):
        pass
    decoders.wait_s = 10.0
    with model.admitted(later):
        pass
    with pytest.raises(OverloadedError, match=r"predicted in 12\.00 s") as refused, model.admitted(soon):
        pass
    assert (refused.value.retry_after_s, refused.value.reason) == (10.0, "predicted_wait")
    with pytest.raises(DeadlineError), model.admitted(Urgency(Priority.ROUTINE, time.monotonic() - 1)):
        pass


async def test_a_study_on_its_way_is_expected_at_every_line_that_it_has_not_reached():
    seen = []

    class Watching(Decoders):
        async def __call__(self, *arguments: Any) -> Reading:
            seen.append((self.expected[:], network.expected[:]))
            return await super().__call__(*arguments)

    network, decoders = Network(), Watching()
    model = predictor(network, decoders)
    await model.check(await golden())
    stat = Urgency(Priority.STAT)
    with model.admitted(stat):
        assert (decoders.expected, network.expected) == ([("bmd", Priority.STAT)], [Priority.STAT])
    seen.clear()
    await model.predict(STUDY, (), stat)
    assert seen == [([], [Priority.STAT])]
    assert (decoders.expected, network.expected) == ([], [])


async def test_the_network_settles_on_its_modes_with_the_golden_case():
    network = Network()
    await predictor(network).check(await golden())
    assert network.settled.keys() == (await decode(SPEC, STUDY)).tensors.keys()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 40.0])
async def test_an_output_that_is_not_finite_or_not_plausible_is_an_error_and_not_an_answer(value):
    network = Network()
    model = predictor(network)
    await model.check(await golden())
    network.value = value
    with pytest.raises(ModelOutputError):
        await model.predict(STUDY)
    network.value = 0.8
    assert (await model.predict(STUDY)).measurements


def stamped(spec: ModelSpec) -> dict[str, str]:
    return {"spec": spec.model_dump_json()}


def test_the_exported_spec_is_taken_with_what_was_measured():
    assert exported_spec(DECLARED, stamped(SPEC)).measured == SPEC.measured


def test_a_changed_declaration_is_noticed():
    image = DECLARED.images[0].model_copy(update={"mean": (0.5, 0.5, 0.5)})
    changed = DECLARED.model_copy(update={"images": (image,)})
    with pytest.raises(SpecMismatchError, match="exported sha256:"):
        exported_spec(changed, stamped(SPEC))


@pytest.mark.parametrize("metadata", [{}, {"spec": "{}"}, {"spec": "not JSON"}])
def test_an_artifact_without_a_readable_spec_is_refused(metadata):
    with pytest.raises(ArtifactError):
        exported_spec(DECLARED, metadata)


def test_synthetic_artifacts_are_refused_where_clinical_ones_are_required():
    clinical = DECLARED.with_measured(measured(DECLARED, "a hospital's own hips"))
    assert exported_spec(DECLARED, stamped(clinical), clinical_only=True) == clinical
    for synthetic in (SPEC, DECLARED):
        with pytest.raises(NotClinicalError):
            exported_spec(DECLARED, stamped(synthetic), clinical_only=True)

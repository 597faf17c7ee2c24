"""The use case: a study in, a Prediction out. Knows nothing of HTTP, settings, or how studies and tensors are queued."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, Protocol

from models.golden import Golden
from models.postprocess import SYNTHETIC, postprocess
from models.prediction import POSTPROCESS, Explanation, InvalidOutputError, Prediction, Reading, Tensors
from models.spec import ModelSpec
from models.study import Study
from service.engine.batch import Inference
from service.engine.modes import Modes
from service.errors import ArtifactError, GoldenMismatchError, ModelOutputError, NotClinicalError, NotReadyError, SpecMismatchError
from service.waiting.forecast import MARGIN, Forecast
from service.waiting.urgency import WHENEVER, Priority, Urgency

Explain = Callable[[Prediction, Sequence[str]], Awaitable[dict[str, tuple[Explanation, ...]]]]
Look = Callable[[ModelSpec, Reading, Urgency], Awaitable[Reading]]
State = Literal["loading", "ready", "failed"]
QUEUE, INFER, EXPLAIN = "queue", "infer", "explain"
LOADING_S = 5.0  # reading, decoding and comparing the golden case, generously


class Decode(Protocol):
    """Studies to readings, decoded and preprocessed somewhere else than on the event loop, when it is their turn."""

    def __call__(self, spec: ModelSpec, study: Study, urgency: Urgency) -> Awaitable[Reading]:
        """Read a study."""

    def forecast(self, model: str, priority: Priority) -> Forecast:
        """How long a study that came now would wait and be read."""

    def expecting(self, model: str, priority: Priority) -> AbstractContextManager[None]:
        """Whoever comes meanwhile is behind somebody who is on the way here."""


class Infer(Protocol):
    """Tensors to outputs, both without a batch axis, when it is their turn."""

    @property
    def modes(self) -> Modes:
        """How the network runs here."""

    def __call__(self, tensors: Tensors, urgency: Urgency) -> Awaitable[Inference]:
        """Run the network."""

    def forecast(self, priority: Priority) -> Forecast:
        """How long a request that came now would wait and run."""

    def expecting(self, priority: Priority) -> AbstractContextManager[None]:
        """Whoever comes meanwhile is behind somebody who is on the way here."""

    def settle(self, tensors: Tensors) -> Awaitable[None]:
        """Find out with one study's tensors how the network may run here."""


@dataclass(frozen=True)
class Identity:
    """Which network answers: the exported spec, the artifact's digest, where it runs, and in which variant."""

    spec: ModelSpec
    digest: str
    provider: str
    variant: str = "fp32"

    @property
    def training_data(self) -> str:
        """What the artifact was trained on."""
        return self.spec.measured.training_data if self.spec.measured else "nothing"

    @cached_property
    def spec_digest(self) -> str:
        """Of the declaration that it was exported from."""
        return self.spec.digest()


class Predictor:
    """Decode, preprocess, look, wait, infer, postprocess: one study after the other, each with the time it took.

    Parameters
    ----------
    identity
        The network.
    decode, infer
        What stands before the network, and the network.
    gate
        Looks at the pictures of a reading before they reach the network; None lets everything through.
    explain
        Prediction and the names of explanations to the explanations.
    """

    def __init__(self, identity: Identity, decode: Decode, infer: Infer, gate: Look | None = None, explain: Explain | None = None) -> None:
        self._identity = identity
        self.state: State = "loading"
        self._decode = decode
        self._infer = infer
        self._gate = gate
        self._explain = explain

    @property
    def identity(self) -> Identity:
        """The network, and where it runs now."""
        placement = self.modes.placement
        return replace(self._identity, provider=placement.provider) if placement else self._identity

    def answered(self, prediction: Prediction) -> Identity:
        """The network, and where it ran for this answer."""
        moved = prediction.provider not in {"", self._identity.provider}
        return replace(self._identity, provider=prediction.provider) if moved else self._identity

    @property
    def spec(self) -> ModelSpec:
        """The exported spec, with what training measured."""
        return self._identity.spec

    @property
    def explanations(self) -> tuple[str, ...]:
        """What `predict` can explain: none where the artifact came without the graphs for it."""
        return self.spec.explanations if self._explain is not None else ()

    @property
    def modes(self) -> Modes:
        """How the network runs here."""
        return self._infer.modes

    def forecast(self, priority: Priority) -> Forecast:
        """How long a study that came now would wait, and then take."""
        return self._decode.forecast(self.spec.name, priority) + self._infer.forecast(priority)

    def wait_s(self, priority: Priority) -> float:
        """How long a study that came now would wait."""
        return self.forecast(priority).wait_s

    @contextmanager
    def admitted(self, urgency: Urgency) -> Iterator[None]:
        """Let a study in whose bytes are read inside, or refuse it before: what would not be answered in time would only be in the way.

        Raises
        ------
        NotReadyError, OverloadedError, DeadlineError
            The network has not reproduced its golden case, or the answer would come too late.
        """
        if self.state != "ready":
            raise NotReadyError(f"{self.spec.name} is {self.state}", retry_after_s=LOADING_S)
        self.forecast(urgency.priority).check(urgency, time.monotonic(), MARGIN[urgency.priority])
        with self._decode.expecting(self.spec.name, urgency.priority), self._infer.expecting(urgency.priority):
            yield

    async def predict(self, study: Study, explanations: Sequence[str] = (), urgency: Urgency = WHENEVER) -> Prediction:
        """Evaluate one study, and explain the answer in the ways that are asked for, each one of the spec's.

        Raises
        ------
        StudyError, DecoderError, UnavailableError
            The study, what it did to its decoder, or the queues.
        NotReadyError
            The network has not reproduced its golden case.
        ModelOutputError
            The network's answer is not finite or not plausible.
        """
        if self.state != "ready":
            raise NotReadyError(f"{self.spec.name} is {self.state}", retry_after_s=LOADING_S)
        prediction = await self._evaluate(study, urgency)
        if not explanations or self._explain is None:
            return prediction
        started = time.perf_counter()
        explained = await self._explain(prediction, explanations)
        timing_ms = {**prediction.timing_ms, EXPLAIN: 1000 * (time.perf_counter() - started)}
        return replace(prediction, explanations=explained, timing_ms=timing_ms)

    async def check(self, golden: Golden) -> None:
        """Reproduce the golden case through the whole path, and be ready from then on.

        Raises
        ------
        GoldenMismatchError
            The outputs differ from the recorded ones by more than the case tolerates.
        """
        try:
            await self._reproduce(golden)
        except Exception:
            self.state = "failed"
            raise
        self.state = "ready"

    async def _reproduce(self, golden: Golden) -> None:
        reading = await self._decode(self.spec, golden.study, WHENEVER)
        await self._infer.settle(reading.tensors)
        drift = golden.drift((await self._infer(reading.tensors, WHENEVER)).outputs)
        if not drift <= golden.tolerance:
            raise GoldenMismatchError(f"{self.spec.name}: golden case differs by {drift:.1e}, more than {golden.tolerance:.0e}")
        await self._evaluate(golden.study, WHENEVER)  # warm, and the postprocessing proved too

    async def _evaluate(self, study: Study, urgency: Urgency) -> Prediction:
        with self._infer.expecting(urgency.priority):
            reading = await self._decode(self.spec, study, urgency)
            if self._gate is not None:
                reading = await self._gate(self.spec, reading, urgency)
        inference = await self._infer(reading.tensors, urgency)
        started = time.perf_counter()
        try:
            prediction = postprocess(self.spec, inference.outputs, reading)
        except InvalidOutputError as error:
            raise ModelOutputError(str(error)) from error
        before = dict(reading.timing_ms)
        waited_ms = before.pop(QUEUE, 0.0)  # for a decoder
        timing_ms = {
            **before,
            QUEUE: waited_ms + 1000 * inference.queue_s,
            INFER: 1000 * inference.infer_s,
            POSTPROCESS: 1000 * (time.perf_counter() - started),
        }
        await asyncio.sleep(0)  # postprocessing takes a millisecond: let the others of a burst have their turn
        return replace(prediction, timing_ms=timing_ms, provider=inference.provider)


def exported_spec(declared: ModelSpec, metadata: dict[str, str], *, clinical_only: bool = False) -> ModelSpec:
    """The spec that an artifact carries, if it was exported from this declaration.

    Raises
    ------
    ArtifactError
        There is none, or it is not one.
    SpecMismatchError
        It is another declaration: a changed mean, unit, label or threshold.
    NotClinicalError
        Trained on synthetic data, and `clinical_only` is asked for.
    """
    try:
        exported = ModelSpec.model_validate_json(metadata["spec"])
    except (KeyError, ValueError) as error:
        raise ArtifactError(f"{declared.name}: the artifact carries no readable spec") from error
    if exported.digest() != declared.digest():
        raise SpecMismatchError(f"{declared.name}: exported {exported.digest()[:15]}, declared {declared.digest()[:15]}")
    if clinical_only and (exported.measured is None or exported.measured.training_data == SYNTHETIC):
        raise NotClinicalError(
            f"{declared.name}: the artifact was trained on {SYNTHETIC}",
            hint="Serve an artifact that was trained on patients, or unset CHIASM_REQUIRE_CLINICAL_ARTIFACTS.",
        )
    return exported


def certified(model: str, variant: str, metadata: dict[str, str]) -> None:
    """Refuse a variant that its own artifact does not say to be certified: `metadata` are the properties of its file.

    Raises
    ------
    ArtifactError
        The file is no such variant, or says why it must not be served.
    """
    try:
        said = json.loads(metadata["variant"])
        kind, reasons = said["kind"], "; ".join(said["reasons"])
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{model}: {variant}.onnx does not say which variant it is") from error
    if kind != variant or said.get("certified") is not True:
        hint = f"Take {model}={variant} out of CHIASM_VARIANTS, or make the variant anew: python -m training variant {model} {variant}"
        raise ArtifactError(f"{model}: the variant {variant} is not certified: {reasons or 'it is another one'}", hint=hint)

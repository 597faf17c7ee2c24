"""What the routes are given: the predictors, the limits, and where to count."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import Request

from models.errors import StudyError
from models.prediction import Prediction
from models.spec import ModelSpec
from service.api.body import Budget, RequestLimits
from service.errors import (
    CallerLeftError,
    DeadlineError,
    DecoderError,
    DecodingTimeoutError,
    OverloadedError,
    RequestError,
    ServiceError,
    UnknownModelError,
)
from service.predictor import Predictor
from service.telemetry import Metrics
from service.waiting.urgency import Priority

T = TypeVar("T")
OUTCOMES: dict[type[Exception], str] = {
    StudyError: "rejected_input",
    RequestError: "rejected_input",
    DecoderError: "rejected_input",
    DecodingTimeoutError: "timeout",
    DeadlineError: "timeout",
    CallerLeftError: "cancelled",
    OverloadedError: "overloaded",
    ServiceError: "error",
    Exception: "error",
}


@dataclass
class Serving:
    """The running service, as far as a route may know it."""

    predictors: Mapping[str, Predictor]
    limits: RequestLimits
    budget: Budget
    metrics: Metrics
    request_timeout_s: float
    decoders: Callable[[], Iterable[object]] = tuple  # what each was seen to do: see CapabilitiesOut
    draining: bool = False

    def predictor(self, model: str) -> Predictor:
        """The predictor that a path names."""
        predictor = self.predictors.get(model)
        if predictor is None:
            raise UnknownModelError("no such model is served")
        return predictor

    @contextmanager
    def counted(self, spec: ModelSpec, priority: Priority) -> Iterator[None]:
        """Count how the study inside ends."""
        outcome = "cancelled"
        try:
            yield
            outcome = "ok"
        except Exception as error:
            outcome = next(OUTCOMES[kind] for kind in type(error).__mro__ if kind in OUTCOMES)
            if isinstance(error, OverloadedError | DeadlineError):
                self.metrics.queue_refused.labels(spec.name, error.reason, priority.word).inc()
            raise
        finally:
            self.metrics.inferences.labels(spec.name, spec.version, outcome).inc()

    def observe(self, spec: ModelSpec, prediction: Prediction, timing_ms: Mapping[str, float]) -> None:
        """Count what was read and how long each stage took."""
        for stage, milliseconds in timing_ms.items():
            self.metrics.stage_duration.labels(spec.name, stage).observe(milliseconds / 1000)
        for image in prediction.reading.images:
            self.metrics.input_instance(spec.name, image.transfer_syntax, image.photometric_interpretation)


def serving_of(request: Request) -> Serving:
    """The running service. Asked for, not injected: to resolve dependencies took a fifteenth of the time of an answer's Python."""
    state: Serving = request.app.state.serving
    return state


async def while_caller_waits(request: Request, work: Coroutine[Any, Any, T], deadline: float, wait_s: Callable[[], float]) -> T:
    """The result of `work`, which is cancelled as soon as the caller has left or the deadline has passed; `wait_s` is when to come again.

    The body must have been received: the only message that can still come is the caller's leaving.
    """
    task, left = asyncio.create_task(work), asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait({task, left}, timeout=deadline - time.monotonic(), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        if left.done():
            raise CallerLeftError("the caller closed the connection before the answer")
        raise DeadlineError("the deadline passed before the answer", retry_after_s=wait_s())
    finally:
        left.cancel()
        task.cancel()

"""Requests that run together: stacked, run, and each given its part of the outputs."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from service.errors import DeadlineError

Tensors = dict[str, NDArray[np.float32]]
Run = Callable[[Tensors], Tensors]


class RunAgainError(Exception):
    """What ran has been replaced after a fault: the same tensors may be given to it again."""


class Placed(Tensors):
    """Outputs that know which provider computed them."""

    def __init__(self, outputs: Tensors, provider: str) -> None:
        super().__init__(outputs)
        self.provider = provider


@dataclass(frozen=True)
class Inference:
    """The outputs of one request, without the batch axis, how long it waited and ran, and on which provider where that can change."""

    outputs: Tensors
    queue_s: float
    infer_s: float
    provider: str = ""


@dataclass(eq=False)
class Request:
    """One study's tensors, without a batch axis, the future of its inference, and until when (`time.monotonic`) that is of use."""

    tensors: Tensors
    answer: asyncio.Future[Inference]
    deadline: float = math.inf
    queued_at: float = field(default_factory=time.perf_counter)


async def serve(batch: list[Request], run: Run, threads: Executor) -> None:
    """Run a batch and answer its requests; what `run` raises is their answer."""
    started = time.perf_counter()
    try:
        outputs = await asyncio.get_running_loop().run_in_executor(threads, run, _stack(batch))
    except RunAgainError:
        if wanted := [request for request in batch if _in_time(request)]:
            await serve(wanted, run, threads)
        return
    except Exception as error:  # noqa: BLE001  whatever the function raises belongs to its callers, not to this loop
        await _fail(batch, run, threads, error)
        return
    infer_s, provider = time.perf_counter() - started, getattr(outputs, "provider", "")
    for row, request in enumerate(batch):
        if not request.answer.done():
            mine = {name: output[row] for name, output in outputs.items()}
            request.answer.set_result(Inference(mine, started - request.queued_at, infer_s, provider))


async def _fail(batch: list[Request], run: Run, threads: Executor, error: Exception) -> None:
    """An error reaches only the request that caused it: a batch of several is run again one by one."""
    if len(batch) == 1:
        if not batch[0].answer.done():
            batch[0].answer.set_exception(error)
        return
    for request in batch:
        await serve([request], run, threads)


def _in_time(request: Request) -> bool:
    """Whether somebody still waits for the answer; who came too late is told."""
    if request.answer.done():
        return False
    if time.monotonic() < request.deadline:
        return True
    request.answer.set_exception(DeadlineError("the deadline passed while the engine recovered", retry_after_s=1.0))
    return False


def _stack(batch: list[Request]) -> Tensors:
    """Requests' tensors (...) -> one batch (B, ...); of one request, without a copy."""
    if len(batch) == 1:
        return {name: tensor[np.newaxis] for name, tensor in batch[0].tensors.items()}
    return {name: np.stack([request.tensors[name] for request in batch]) for name in batch[0].tensors}

"""What the service does when a network moves: scheduling, admission, readiness and metrics follow, and the log says why."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from service.engine.gpu.faults import Fault
from service.engine.gpu.ladder import Ladder
from service.engine.modes import Placement
from service.engine.scheduler import Batcher
from service.predictor import Predictor
from service.telemetry import Metrics, log


class Following:
    """Follows one network.

    Parameters
    ----------
    ladder, infer, predictor
        The network, its door in the scheduler, and who answers with it.
    on_degraded
        Called when it runs on the CPU: more runs may go on side by side there.
    """

    def __init__(self, ladder: Ladder, infer: Batcher, predictor: Predictor, metrics: Metrics, on_degraded: Callable[[], None]) -> None:
        self._ladder = ladder
        self._infer = infer
        self._most = infer.modes.max_batch_size  # as it was asked for: a new session has room for it again
        self._predictor = predictor
        self._metrics = metrics
        self._on_degraded = on_degraded

    def start(self) -> None:
        """Follow from now on. Faults come from the thread that ran into them; what follows is the event loop's."""
        loop = asyncio.get_running_loop()
        self._ladder.on_change = lambda fault: loop.call_soon_threadsafe(self._moved, fault, self._ladder.placement)

    def _moved(self, fault: Fault, placement: Placement) -> None:
        identity = self._predictor.identity
        spec = identity.spec
        modes, ladder, lost = self._infer.modes, self._ladder, placement.state == "lost"
        size = 1 if placement.degraded or lost else min(self._most, ladder.largest)
        self._infer.move(replace(modes, max_batch_size=size, placement=placement), ladder.alone_s)
        self._metrics.engine_faults.labels(spec.name, fault).inc()
        self._metrics.engine_degraded.labels(spec.name).set(placement.degraded)
        told = {"model": spec.name, "kind": fault, "provider": placement.provider}
        if lost:
            self._predictor.state = "failed"
            self._metrics.model_ready.labels(spec.name, spec.version).set(0)
            log.error("the GPU is lost, and the CPU did not reproduce the golden case: out of service", extra=told)
        elif placement.degraded:
            labels = (spec.name, spec.version, identity.digest)
            self._metrics.model_info.remove(*labels, identity.provider, identity.training_data)
            self._metrics.model_info.labels(*labels, placement.provider, identity.training_data).set(1)
            self._on_degraded()
            log.error("the GPU is lost: the CPU answers until the service is restarted", extra=told)
        else:
            log.warning("the GPU failed, and was recovered: %s", placement.state, extra=told)

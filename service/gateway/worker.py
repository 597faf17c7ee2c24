"""From a complete study to what is to be delivered: route, ask the service, and note the results with the end of the job.

A study that the service refuses becomes a result that says so. What only has to wait is tried again. A job that fails for another
reason stays visible until a person looks at it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from service.gateway.config import GatewayConfig, Route
from service.gateway.gathering import Gathering
from service.gateway.headers import keywords_of
from service.gateway.joining import ELSEWHERE, Joining, Together
from service.gateway.ledger import Job, Ledger, Made, Received
from service.gateway.results import Results
from service.gateway.service import LaterError, NotYetError, Service
from service.gateway.spool import Spool

log = logging.getLogger("chiasm.gateway")
IDLE_S = 0.5


class Worker:
    """Takes one complete study after the other."""

    def __init__(
        self, config: GatewayConfig, spool: Spool, ledger: Ledger, service: Service, clock: Callable[[], float] = time.time
    ) -> None:
        self._config, self._spool, self._ledger, self._clock = config, spool, ledger, clock
        self._gathering, self._made = Gathering(config, clock), Results(config, spool, service)
        self._joining = Joining(config, ledger, clock)

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop."""
        while not stop.is_set():
            try:
                busy = self.step()
            except Exception:  # a full disk, or a file that a newer one has just replaced: look again
                log.exception("the worker could not take a study")
                busy = False
            if not busy:
                stop.wait(IDLE_S)

    def step(self) -> bool:
        """Evaluate one study; False where none is ready."""
        self._sort()
        job = self._ledger.take_job(self._clock(), self._config.lease_s)
        if job is None:
            return False
        try:
            self._evaluate(job)
        except LaterError as error:
            self._later(job, error)
        except Exception as error:  # one study must not stop the others; it stays visible
            log.exception("a study could not be evaluated")
            self._ledger.fail_job(job, self._clock(), f"{type(error).__name__}: see the log of this time")
        return True

    def _sort(self) -> None:
        """Give studies that nobody has looked at the priority of the most urgent route that takes one of their instances."""
        for study_uid in self._ledger.unsorted():
            taken = [route.priority for route, files in self.routed(self._ledger.instances_of(study_uid)) if files]
            self._ledger.prioritise(study_uid, min(taken, key=("stat", "routine", "batch").index, default="batch"))

    def routed(self, instances: list[Received]) -> Iterator[tuple[Route, list[Received]]]:
        """Each route, and the instances that it takes."""
        headers = {each.file: keywords_of(self._spool.read(each.file)) for each in instances}
        for route in self._config.routes:
            yield route, [each for each in instances if not route.misses(headers[each.file], each.called, each.calling)]

    def _evaluate(self, job: Job) -> None:
        instances = self._ledger.instances_of(job.study_uid)
        made: list[Made] = []
        together: list[Together] = []
        try:
            routed = [(route, some) for route, some in self.routed(instances) if some]
            for route, some in routed:
                together.append(self._joining.of(job, route.model, some))
                if not together[-1].elsewhere:
                    made += self._results(job, route, [*some, *self._of_others(route, together[-1].studies)])
        except BaseException:
            self._forget(each.file for each in made)
            raise
        problem = ELSEWHERE if any(each.elsewhere for each in together) else "" if routed else "no route takes any of its instances"
        self._forget(self._ledger.finish_job(job, made, self._clock(), problem))
        for each in together:
            self._joining.settle(job, each)

    def _of_others(self, route: Route, studies: tuple[str, ...]) -> Iterator[Received]:
        """What the same route takes of the studies that are evaluated with this one."""
        for study in studies:
            for other, some in self.routed(self._ledger.instances_of(study)):
                if other.name == route.name:
                    yield from some

    def _results(self, job: Job, route: Route, instances: list[Received]) -> Iterator[Made]:
        return self._made.of(route, self._gathering.of(job, route, [self._spool.read(each.file) for each in instances]))

    def _later(self, job: Job, error: LaterError) -> None:
        now, retry = self._clock(), self._config.retry
        if isinstance(error, NotYetError):
            self._ledger.postpone_job(job, now + error.after_s, str(error), counted=False)
        elif job.attempts >= retry.attempts:
            self._ledger.fail_job(job, now, str(error))
        else:
            self._ledger.postpone_job(job, now + max(error.after_s, retry.wait_s(job.attempts)), str(error))

    def _forget(self, files: Any) -> None:  # noqa: ANN401  any iterable of names
        for name in files:
            self._spool.remove(name)


"""From a complete study to what is to be delivered: route, ask the service, and note the results with the end of the job.

A study that the service refuses becomes a result that says so. What only has to wait is tried again. A job that fails for another
reason stays visible until a person looks at it.
"""

from __future__ import annotations

import io
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pydicom

from models.errors import StudyError
from service.errors import ServiceError
from service.formats.dicom import render_abstention
from service.gateway.config import DicomDestination, GatewayConfig, Route, StowDestination
from service.gateway.headers import keywords_of
from service.gateway.ledger import Job, Ledger, Made, Received
from service.gateway.service import LaterError, Question, Refused, Service
from service.gateway.sidecars import Sidecars
from service.gateway.spool import Spool

log = logging.getLogger("chiasm.gateway")
LEASE_S = 900.0  # longer than asking the service may take
IDLE_S = 0.5
ARCHIVES = (DicomDestination, StowDestination)


class Worker:
    """Takes one complete study after the other."""

    def __init__(
        self, config: GatewayConfig, spool: Spool, ledger: Ledger, service: Service, clock: Callable[[], float] = time.time
    ) -> None:
        self._config, self._spool, self._ledger, self._service, self._clock = config, spool, ledger, service, clock
        self._sidecars = Sidecars(config.sidecars)
        self._destinations = {destination.name: destination for destination in config.destinations}

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
        job = self._ledger.take_job(self._clock(), LEASE_S)
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
        try:
            routed = [(route, some) for route, some in self.routed(instances) if some]
            for route, some in routed:
                made += self._results(route, some)
        except BaseException:
            self._forget(each.file for each in made)
            raise
        problem = "" if routed else "no route takes any of its instances"
        self._forget(self._ledger.finish_job(job, made, self._clock(), problem))

    def _results(self, route: Route, instances: list[Received]) -> Iterator[Made]:
        files = [self._spool.read(each.file) for each in instances]
        beside = self._sidecars.of(keywords_of(files[0]).get("AccessionNumber", ""))
        asked = Question(route.model, files, beside.genotypes, route.metadata | beside.metadata, route.priority)
        objects = self._service.evaluate(asked)
        if isinstance(objects, Refused):
            objects = (self._refusal(route, files, objects),)
        for kind, data in zip(("report", "page"), objects, strict=False):
            for name in route.destinations:
                destination = self._destinations[name]
                if isinstance(destination, ARCHIVES) and kind in destination.sends:
                    yield Made(name, _sop_uid(data), self._spool.write([data]))
        hooks = [name for name in route.destinations if not isinstance(self._destinations[name], ARCHIVES)]
        yield from self._answers(hooks, asked, _sop_uid(objects[0]))

    def _answers(self, hooks: list[str], asked: Question, uid: str) -> Iterator[Made]:
        """The JSON answer for whoever wants it, named as the report is."""
        if not hooks:
            return
        answer = self._service.answer(asked)
        told = {"refused": vars(answer)} if isinstance(answer, Refused) else {"answer": json.loads(answer)}
        header = keywords_of(asked.files[0])
        about = {"study_instance_uid": header.get("StudyInstanceUID", ""), "accession_number": header.get("AccessionNumber", "")}
        body = json.dumps({"model": asked.model, "report_sop_instance_uid": uid, **about, **told}).encode()
        yield from (Made(name, uid, self._spool.write([body])) for name in hooks)

    def _refusal(self, route: Route, files: list[bytes], refused: Refused) -> bytes:
        try:
            return render_abstention(self._service.served(route.model), files, refused.code, refused.detail, datetime.now(UTC))
        except LaterError:
            raise
        except (StudyError, ServiceError) as error:
            raise ValueError(f"refused ({refused.code}), and no header to say so in") from error

    def _later(self, job: Job, error: LaterError) -> None:
        now, retry = self._clock(), self._config.retry
        if job.attempts >= retry.attempts:
            self._ledger.fail_job(job, now, str(error))
        else:
            self._ledger.postpone_job(job, now + max(error.after_s, retry.wait_s(job.attempts)), str(error))

    def _forget(self, files: Any) -> None:  # noqa: ANN401  any iterable of names
        for name in files:
            self._spool.remove(name)


def _sop_uid(data: bytes) -> str:
    """Of an object that the service or this gateway made."""
    return str(pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True, specific_tags=["SOPInstanceUID"]).SOPInstanceUID)

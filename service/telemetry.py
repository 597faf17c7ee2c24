"""Logs and metrics, without patient data: only what stands in a closed list leaves the process."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from models.decode.codecs import SYNTAXES
from service.waiting.urgency import Priority

log = logging.getLogger("chiasm")
current_request: ContextVar[str | None] = ContextVar("current_request", default=None)  # its id, for who logs far from the request

FIELDS = (
    "request_id", "route", "method", "status", "code", "model", "version", "digest", "provider", "url", "signal",
    "duration_ms", "timing_ms", "request_bytes", "response_bytes", "instances", "outcome", "kind", "frames", "syntax",
    "service", "called", "calling", "address",  # of an association: AE titles name machines, not people
)
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
PHOTOMETRIC_INTERPRETATIONS = frozenset({"MONOCHROME1", "MONOCHROME2", "RGB", "PALETTE COLOR", "YBR_FULL", "YBR_FULL_422"})


class JsonFormatter(logging.Formatter):
    """One JSON object a line. Of an exception only its class and where it was raised: its message may hold values."""

    def format(self, record: logging.LogRecord) -> str:
        """The record's allow-listed fields."""
        event = record.getMessage().splitlines()[0][:200] if record.getMessage() else ""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": event,
        }
        line |= {name: value for name in FIELDS if (value := getattr(record, name, None)) is not None}
        if record.exc_info and record.exc_info[1] is not None:
            line |= fault(record.exc_info[1])
        return json.dumps(line, default=str)


def fault(error: BaseException) -> dict[str, Any]:
    """What may be told of an unexpected error: its class, and the files and lines it came through."""
    frames = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    return {"kind": type(error).__name__, "frames": frames}


def start_logging(level: str, stream: TextIO = sys.stdout) -> None:
    """Send every logger's records to `stream` as JSON; the access log of uvicorn stays off, ours knows what may be told."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # it logs bytes of the request
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs URLs, which may hold a password
    logging.getLogger("highdicom").setLevel(logging.WARNING)  # it logs which instances it refers to
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    logging.captureWarnings(capture=False)


class Metrics:
    """Every metric of the service, in a registry of its own."""

    def __init__(self, version: str) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # half as many series; nobody reads when a counter began
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter("chiasm_requests_total", "Requests answered.", ["route", "method", "code"], registry=registry)
        self.request_duration = Histogram(
            "chiasm_request_duration_seconds", "Time from the first byte of a request to its answer.", ["route", "method"],
            registry=registry, buckets=SECONDS,
        )
        self.stage_duration = Histogram(
            "chiasm_stage_duration_seconds", "Time of one stage of a prediction.", ["model", "stage"], registry=registry, buckets=SECONDS,
        )
        self.inferences = Counter(
            "chiasm_inferences_total", "Studies by outcome: ok, rejected_input, overloaded, timeout, cancelled or error.",
            ["model", "version", "outcome"], registry=registry,
        )
        self.model_info = Gauge(
            "chiasm_model_info", "Which artifact is served, always 1.",
            ["model", "version", "digest", "provider", "training_data"], registry=registry,
        )
        self.model_ready = Gauge(
            "chiasm_model_ready", "1 when the model reproduced its golden case and is warm.", ["model", "version"], registry=registry,
        )
        self.decoder_works = Gauge(
            "chiasm_decoder_works", "1 when a decoder gave back a known image at the start.", ["syntax", "decoder"], registry=registry,
        )
        self.gate_refusals = Counter(
            "chiasm_gate_refusals_total", "Pictures that showed another body part.", ["model", "seen"], registry=registry,
        )
        self._of_queues(registry)
        self.input_instances = Counter(
            "chiasm_input_instances_total", "Images read, by how they were stored.", ["model", "transfer_syntax", "photometric"],
            registry=registry,
        )
        Gauge("chiasm_build_info", "Version of the service, always 1.", ["version"], registry=registry).labels(version).set(1)
        self._queues = _Queues()
        registry.register(self._queues)

    def _of_queues(self, registry: CollectorRegistry) -> None:
        """Who is refused or dropped, and how what is not runs."""
        self.queue_refused = Counter(
            "chiasm_queue_refused_total", "Studies refused: queue_full, predicted_wait, bytes or deadline.",
            ["model", "reason", "priority"], registry=registry,
        )
        self.queue_dropped = Counter(
            "chiasm_queue_dropped_total", "Studies dropped before a decoder or a network began: left or expired.",
            ["stage", "model", "reason"], registry=registry,
        )
        self.bit_identical = Gauge(
            "chiasm_bit_identical", "1 where a study gets the bits that it gets alone on one thread.", ["model", "mode"], registry=registry,
        )
        self.engine_degraded = Gauge(
            "chiasm_engine_degraded", "1 when a model does not run where it was asked to: its GPU is lost, and the CPU answers.", ["model"],
            registry=registry,
        )
        self.engine_faults = Counter(
            "chiasm_engine_faults_total", "Faults of a GPU: out_of_memory or device_lost.", ["model", "fault"], registry=registry,
        )
        self.run_threads = Gauge("chiasm_run_threads", "Threads of a run that is alone.", ["model"], registry=registry)

    def watch_queue(self, stage: str, model: str, length: Callable[[Priority], int]) -> None:
        """Report `length` of each class as the studies that wait for a stage."""
        self._queues.lengths[stage, model] = length

    def watch_wait(self, model: str, wait_s: Callable[[Priority], float]) -> None:
        """Report `wait_s` of each class as what a study that came now would wait."""
        self._queues.waits[model] = wait_s

    def dropped(self, stage: str, model: str, reason: str) -> None:
        """Count a study that was dropped before a stage."""
        self.queue_dropped.labels(stage, model, reason).inc()

    def input_instance(self, model: str, transfer_syntax: str, photometric: str) -> None:
        """Count one image that was read."""
        syntax = transfer_syntax if transfer_syntax in SYNTAXES else "other"
        interpretation = photometric if photometric in PHOTOMETRIC_INTERPRETATIONS else "other"
        self.input_instances.labels(model, syntax, interpretation).inc()

    def render(self) -> bytes:
        """The Prometheus text format."""
        return generate_latest(self.registry)


class _Queues(Collector):
    """Who waits and for how long, asked at the time of the scrape."""

    def __init__(self) -> None:
        self.lengths: dict[tuple[str, str], Callable[[Priority], int]] = {}
        self.waits: dict[str, Callable[[Priority], float]] = {}

    def collect(self) -> list[GaugeMetricFamily]:
        jobs = GaugeMetricFamily("chiasm_queue_jobs", "Studies that wait for a stage.", labels=["stage", "model", "priority"])
        waits = GaugeMetricFamily(
            "chiasm_predicted_wait_seconds", "What a study that came now would wait, for a decoder and the network.",
            labels=["model", "priority"],
        )
        for priority in Priority:
            for (stage, model), length in self.lengths.items():
                jobs.add_metric([stage, model, priority.word], length(priority))
            for model, wait_s in self.waits.items():
                waits.add_metric([model, priority.word], wait_s(priority))
        return [jobs, waits]

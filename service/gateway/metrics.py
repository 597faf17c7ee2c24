"""The gateway's metrics: no label grows with patients, studies or callers."""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.gateway.ledger import Ledger
from service.gateway.receiver import Receiver
from service.gateway.spool import Spool
from service.gateway.stow_door import StowDoor

STATES = {"jobs": ("collecting", "running", "done", "failed"), "deliveries": ("pending", "sent", "dead")}


class GatewayMetrics:
    """Counters of what happens, and gauges that are read from the ledger when Prometheus asks."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._deliveries = Counter(
            "chiasm_deliveries_total", "Attempts to deliver a result.", ["destination", "kind", "outcome"], registry=registry,
        )

    def watch(self, collector: Collector) -> None:
        """Report what is read when Prometheus asks."""
        self.registry.register(collector)

    def delivery(self, destination: str, kind: str, outcome: str) -> None:
        """Count one attempt."""
        self._deliveries.labels(destination, kind, outcome).inc()

    def render(self) -> bytes:
        """The Prometheus text format."""
        return generate_latest(self.registry)


class Waiting(Collector):
    """What waits, since when, and how much room is left."""

    def __init__(self, ledger: Ledger, spool: Spool, clock: Callable[[], float]) -> None:
        self._ledger, self._spool, self._clock = ledger, spool, clock

    def collect(self) -> Iterator[Metric]:
        """Ask the ledger and the disk."""
        counts = self._ledger.counts()
        for name, what in (("jobs", "Studies"), ("deliveries", "Results for a destination")):
            family = GaugeMetricFamily(f"chiasm_gateway_{name}", f"{what}, by state.", labels=["state"])
            for state in STATES[name]:
                family.add_metric([state], counts.get((name, state), 0))
            yield family
        oldest = GaugeMetricFamily("chiasm_gateway_oldest_age_seconds", "Age of the oldest that waits.", labels=["what"])
        for what, age in self._ledger.oldest(self._clock()).items():
            oldest.add_metric([what], age)
        yield oldest
        yield GaugeMetricFamily("chiasm_spool_free_bytes", "Room that is left on the spool.", value=self._spool.free_bytes())


class Door(Collector):
    """What the receiver has seen."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def collect(self) -> Iterator[Metric]:
        """Its tally; statuses by class (PS3.7 annex C)."""
        tally = self._receiver.tally()
        yield GaugeMetricFamily("chiasm_dimse_associations_open", "Associations that are open.", value=tally.open)
        associations = CounterMetricFamily("chiasm_dimse_associations", "Associations asked for, by outcome.", labels=["outcome"])
        for outcome, count in tally.associations.items():
            associations.add_metric([outcome], count)
        yield associations
        classes: Counts[tuple[str, str]] = Counts()
        for (service, status), count in tally.operations.items():
            classes[service, _class(status)] += count
        operations = CounterMetricFamily("chiasm_dimse_operations", "DIMSE requests answered.", labels=["service", "status_class"])
        for labels, count in classes.items():
            operations.add_metric(labels, count)
        yield operations


class WebDoor(Collector):
    """What the door for STOW-RS has seen."""

    def __init__(self, door: StowDoor) -> None:
        self._door = door

    def collect(self) -> Iterator[Metric]:
        """Its tally."""
        tally = self._door.tally()
        requests = CounterMetricFamily("chiasm_stow_requests", "STOW-RS requests answered, by HTTP status.", labels=["code"])
        for code, count in tally.requests.items():
            requests.add_metric([str(code)], count)
        yield requests
        classes: Counts[str] = Counts()
        for status, count in tally.instances.items():
            classes[_class(status)] += count
        instances = CounterMetricFamily("chiasm_stow_instances", "Instances sent by STOW-RS, by outcome.", labels=["status_class"])
        for status_class, count in classes.items():
            instances.add_metric([status_class], count)
        yield instances


def _class(status: int) -> str:
    """PS3.7 annex C."""
    return "success" if status == 0 else "refused" if status >> 8 == 0xA7 else "failure"

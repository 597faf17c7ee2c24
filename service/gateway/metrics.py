"""The gateway's metrics: no label grows with patients, studies or callers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.gateway.ledger import Ledger
from service.gateway.spool import Spool

STATES = {"jobs": ("collecting", "running", "done", "failed"), "deliveries": ("pending", "sent", "dead")}


class GatewayMetrics:
    """Counters of what happens, and gauges that are read from the ledger when Prometheus asks."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._operations = Counter(
            "chiasm_dimse_operations_total", "DIMSE requests answered, by class of status.", ["service", "status_class"], registry=registry,
        )
        self._deliveries = Counter(
            "chiasm_deliveries_total", "Attempts to deliver a result.", ["destination", "kind", "outcome"], registry=registry,
        )

    def watch(self, ledger: Ledger, spool: Spool, clock: Callable[[], float]) -> None:
        """Report what waits, since when, and how much room is left."""
        self.registry.register(_Ledger(ledger, spool, clock))

    def operation(self, service: str, status: int) -> None:
        """Count one request by the class of its status (PS3.7 annex C)."""
        kind = "success" if status == 0 else "refused" if status >> 8 == 0xA7 else "failure"
        self._operations.labels(service, kind).inc()

    def delivery(self, destination: str, kind: str, outcome: str) -> None:
        """Count one attempt."""
        self._deliveries.labels(destination, kind, outcome).inc()

    def render(self) -> bytes:
        """The Prometheus text format."""
        return generate_latest(self.registry)


class _Ledger(Collector):
    def __init__(self, ledger: Ledger, spool: Spool, clock: Callable[[], float]) -> None:
        self._ledger, self._spool, self._clock = ledger, spool, clock

    def collect(self) -> Iterator[Metric]:
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

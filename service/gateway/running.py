"""The gateway as a whole: its parts, started together and stopped in the order in which work flows."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from sqlalchemy.exc import SQLAlchemyError

from service.gateway.config import GatewayConfig, GatewayConfigError
from service.gateway.delivery import Deliverer
from service.gateway.intake import Intake
from service.gateway.ledger import Ledger
from service.gateway.metrics import Door, GatewayMetrics, Waiting, WebDoor
from service.gateway.receiver import Receiver
from service.gateway.service import Service
from service.gateway.spool import Spool
from service.gateway.stow_door import StowDoor
from service.gateway.web_server import WebServer, token_of
from service.gateway.worker import Worker

log = logging.getLogger("chiasm.gateway")
LEDGER = "ledger.sqlite"
HOUSEKEEPING_S = 60.0
RENEWALS = 3  # of a lease, before it ends
NOWHERE = "the configuration has no destination of this name"
ORPHAN_S = 3600.0  # a file that nothing refers to for so long was left by a crash


def open_ledger(config: GatewayConfig) -> Ledger:
    """The ledger of a configuration; ${NAME} in its URL is read from the environment. Raises GatewayConfigError where it is not there."""
    try:
        return Ledger(os.path.expandvars(config.ledger) if config.ledger else config.spool / LEDGER)
    except SQLAlchemyError as error:
        raise GatewayConfigError(f"the ledger cannot be opened: {type(error).__name__}") from None


@dataclass(frozen=True)
class Doors:
    """Where instances come in: by DIMSE, and by STOW-RS where that is configured."""

    dimse: Receiver
    web: WebServer | None


@contextmanager
def gateway(config: GatewayConfig, protocol: type[asyncio.Protocol], clock: Callable[[], float] = time.time) -> Iterator[Doors]:
    """Everything running, until the block ends: the doors close first, then what is in hand is finished.

    `protocol` is how the door for STOW-RS speaks HTTP.
    """
    with _working(config, clock) as (work, stack):
        intake = Intake(config.receive, work.spool, work.ledger, clock, related=bool(config.joins))
        doors = _opened(config, intake, protocol, work.metrics, stack)
        log.info("the gateway listens")
        yield doors


@contextmanager
def workers(config: GatewayConfig, metrics_port: int = 0, clock: Callable[[], float] = time.time) -> Iterator[None]:
    """Evaluating and delivering, without a door: beside a gateway whose ledger is shared. Raises GatewayConfigError where it is not."""
    if not config.ledger:
        raise GatewayConfigError("workers beside a gateway need a ledger that is shared: set `ledger` to the URL of a PostgreSQL database")
    with _working(config.model_copy(update={"metrics_port": metrics_port}), clock):
        log.info("the workers work")
        yield


@dataclass(frozen=True)
class _Work:
    spool: Spool
    ledger: Ledger
    metrics: GatewayMetrics


@contextmanager
def _working(config: GatewayConfig, clock: Callable[[], float]) -> Iterator[tuple[_Work, ExitStack]]:
    """Everything but the doors, which are closed first: they are put on the stack afterwards."""
    spool, metrics = Spool(config.spool), GatewayMetrics()
    with ExitStack() as stack:
        if not config.ledger:
            stack.callback(os.close, _only_one(spool))
        ledger = open_ledger(config)
        stack.callback(ledger.close)
        ledger.release(clock())
        metrics.watch(Waiting(ledger, spool, clock))
        renew = _Repeated("leases could not be renewed", config.lease_s / RENEWALS, partial(_renew, ledger, config, clock))
        _start([renew.run], stack)  # first, so that it stops last: what is in hand at the end is still this process's
        _start(_tasks(config, _Work(spool, ledger, metrics), clock, stack), stack)
        if config.metrics_port:
            stack.enter_context(_metrics_server(config, metrics))
        yield _Work(spool, ledger, metrics), stack


def _tasks(config: GatewayConfig, work: _Work, clock: Callable[[], float], stack: ExitStack) -> Iterator[Callable[[threading.Event], None]]:
    """What runs side by side, each until it is told to stop."""
    observe = work.metrics.delivery
    yield Deliverer(config.destinations, work.spool, work.ledger, config.retry, observe=observe, lease_s=config.lease_s).run
    yield _Repeated("the spool could not be tidied", HOUSEKEEPING_S, _Housekeeping(config, work, clock).step).run
    for _ in range(config.workers):
        service = Service(config.service)
        stack.callback(service.close)
        yield Worker(config, work.spool, work.ledger, service, clock).run


def _renew(ledger: Ledger, config: GatewayConfig, clock: Callable[[], float]) -> None:
    until = clock() + config.lease_s
    ledger.renew(until)
    ledger.renew_deliveries(until)


def _start(tasks: Iterable[Callable[[threading.Event], None]], stack: ExitStack) -> None:
    """Run each in a thread, until the stack is unwound this far."""
    stop = threading.Event()
    for thread in [threading.Thread(target=task, args=(stop,)) for task in tasks]:
        thread.start()
        stack.callback(thread.join)
    stack.callback(stop.set)


def _opened(
    config: GatewayConfig, intake: Intake, protocol: type[asyncio.Protocol], metrics: GatewayMetrics, stack: ExitStack
) -> Doors:
    receiver, server = Receiver(config.receive, intake), None
    metrics.watch(Door(receiver))
    if config.web is not None:
        door = StowDoor(config, config.web, intake, token_of(config.web))
        metrics.watch(WebDoor(door))
        server = WebServer(config.web, door, protocol)
    receiver.start()
    stack.callback(receiver.stop)
    if server is not None:
        server.start()
        stack.callback(server.stop)
    return Doors(receiver, server)


def _only_one(spool: Spool) -> int:
    try:
        return spool.lock()
    except BlockingIOError:
        raise GatewayConfigError("another gateway uses this spool: give each its own") from None


@dataclass(frozen=True)
class _Repeated:
    """Something that is done now and then; what could not be done now is done the next time."""

    fault: str
    every_s: float
    step: Callable[[], None]

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                self.step()
            except Exception:
                log.exception(self.fault)
            stop.wait(self.every_s)


@dataclass(frozen=True)
class _Housekeeping:
    """Removes what is old and delivered, and what a crash has left; and gives up what is to go nowhere."""

    config: GatewayConfig
    work: _Work
    clock: Callable[[], float]

    def step(self) -> None:
        """The ledger forgets first: a file that it no longer knows is removed here or, after a crash, by the sweep."""
        strays = self.work.ledger.bury_strays([destination.name for destination in self.config.destinations], NOWHERE)
        if strays:
            log.warning("%d results are for destinations that the configuration does not have", strays)
        for name in self.work.ledger.forget(self.clock() - 86400 * self.config.keep_days):
            self.work.spool.remove(name)
        self.work.spool.sweep(self.work.ledger.files(), time.time() - ORPHAN_S)


@contextmanager
def _metrics_server(config: GatewayConfig, metrics: GatewayMetrics) -> Iterator[None]:
    """/metrics for Prometheus and /health for a load balancer, on the address of the door."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            pages = {"/metrics": (metrics.render, "text/plain; version=0.0.4"), "/health": (_alive, "application/json")}
            page = pages.get(self.path)
            self.send_response(200 if page else 404)
            body = page[0]() if page else b""
            self.send_header("Content-Type", page[1] if page else "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Scrapes are no news."""

    server = ThreadingHTTPServer((config.receive.host, config.metrics_port), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def _alive() -> bytes:
    return json.dumps({"status": "live"}).encode()

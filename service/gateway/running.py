"""The gateway as a whole: its parts, started together and stopped in the order in which work flows."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
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
    spool, ledger, metrics = Spool(config.spool), open_ledger(config), GatewayMetrics()
    stop = threading.Event()
    with ExitStack() as stack:
        stack.callback(ledger.close)
        stack.callback(os.close, _only_one(spool))
        ledger.release(clock())
        metrics.watch(Waiting(ledger, spool, clock))
        deliverer = Deliverer(config.destinations, spool, ledger, config.retry, observe=metrics.delivery)
        tasks: list[Callable[[threading.Event], None]] = [deliverer.run, _Housekeeping(config, spool, ledger, clock).run]
        for _ in range(config.workers):
            service = Service(config.service)
            stack.callback(service.close)
            tasks.append(Worker(config, spool, ledger, service, clock).run)
        threads = [threading.Thread(target=task, args=(stop,)) for task in tasks]
        for thread in threads:
            thread.start()
            stack.callback(thread.join)
        stack.callback(stop.set)
        doors = _opened(config, Intake(config.receive, spool, ledger, clock, related=bool(config.joins)), protocol, metrics, stack)
        if config.metrics_port:
            stack.enter_context(_metrics_server(config, metrics))
        log.info("the gateway listens")
        yield doors


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


class _Housekeeping:
    """Removes what is old and delivered, and what a crash has left."""

    def __init__(self, config: GatewayConfig, spool: Spool, ledger: Ledger, clock: Callable[[], float]) -> None:
        self._config, self._spool, self._ledger, self._clock = config, spool, ledger, clock

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                self.step()
            except Exception:  # what could not be tidied now is tidied the next time
                log.exception("the spool could not be tidied")
            stop.wait(HOUSEKEEPING_S)

    def step(self) -> None:
        """The ledger forgets first: a file that it no longer knows is removed here or, after a crash, by the sweep."""
        for name in self._ledger.forget(self._clock() - 86400 * self._config.keep_days):
            self._spool.remove(name)
        self._spool.sweep(self._ledger.files(), time.time() - ORPHAN_S)


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

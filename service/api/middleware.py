"""Around every request: its id, its line in the log, its place in the metrics, and an answer if all else fails."""

from __future__ import annotations

import re
import time
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api import problems
from service.api.ids import uuid7
from service.telemetry import METHODS, Metrics, current_request, fault, log

REQUEST_ID = re.compile(r"[ -~]{1,128}")  # printable ASCII; anything else is replaced


class Observer:
    """Pure ASGI: it neither buffers nor delays a message."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send)
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except Exception as error:  # noqa: BLE001  the last resort: whatever it was, the caller gets a problem and the log its place
            log.error("unexpected error", extra={"request_id": exchange.request_id, **fault(error)})
            scope["state"]["code"] = "internal_error"
            if not exchange.status:
                await problems.internal_error(exchange.request_id)(scope, receive, exchange.send)
        finally:
            self._record(exchange)

    def _record(self, exchange: _Exchange) -> None:
        route, method, status = exchange.route, exchange.method, exchange.status or 499  # nothing sent: the caller had left
        self._metrics.requests.labels(route, method, status).inc()
        self._metrics.request_duration.labels(route, method).observe(exchange.duration_s)
        log.info("request", extra=exchange.fields(route, method, status))


class _Exchange:
    """One request and its answer, while they pass."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = Headers(scope=scope).get("x-request-id", "")
        self.request_id = given if REQUEST_ID.fullmatch(given) else uuid7()
        self.status = 0
        current_request.set(self.request_id)
        self._scope, self._receive, self._send = scope, receive, send
        self._started = time.perf_counter()
        self._bytes = {"request_bytes": 0, "response_bytes": 0}
        scope.setdefault("state", {}).update(request_id=self.request_id, arrived=time.monotonic())

    @property
    def duration_s(self) -> float:
        """Since the request's headers were read."""
        return time.perf_counter() - self._started

    @property
    def route(self) -> str:
        """The route's template: a path that somebody made up must not become a label."""
        return getattr(self._scope.get("route"), "path", None) or "other"

    @property
    def method(self) -> str:
        """The method, if it is one of the known."""
        method: str = self._scope["method"]
        return method if method in METHODS else "other"

    async def receive(self) -> Message:
        """Pass on what the caller sends."""
        message = await self._receive()
        self._bytes["request_bytes"] += len(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        """Pass on what the application answers, with the request id."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            MutableHeaders(scope=message)["X-Request-Id"] = self.request_id
        self._bytes["response_bytes"] += len(message.get("body", b""))
        await self._send(message)

    def fields(self, route: str, method: str, status: int) -> dict[str, Any]:
        """What the log may tell of it."""
        told = {name: self._scope["state"].get(name) for name in ("code", "model", "instances", "timing_ms")}
        measured = {"duration_ms": round(1000 * self.duration_s, 3), **self._bytes}
        return {"request_id": self.request_id, "route": route, "method": method, "status": status, **measured, **told}

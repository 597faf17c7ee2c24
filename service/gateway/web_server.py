"""The STOW-RS door on a port: uvicorn in a thread of the gateway's process, with the TLS of the other door."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from typing import Any

import uvicorn

from service.gateway.config import GatewayConfigError, Web
from service.gateway.stow_door import CERTIFICATE, StowDoor
from service.gateway.tls import Certificate, secured
from service.telemetry import log

START_S = 30.0
GRACE_S = 30.0  # for what is being received when the door closes


def token_of(web: Web) -> str:
    """The bearer token that a request must carry, empty for none. Raises GatewayConfigError where it is configured and not there."""
    if web.token_file is None:
        token = os.environ.get(web.token_env, "") if web.token_env else ""
    else:
        try:
            token = web.token_file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise GatewayConfigError(f"web.token_file cannot be read: {type(error).__name__}") from None
    if web.has_token and not token:
        raise GatewayConfigError("web: the token is empty, or the environment does not have it")
    return token


class WebServer:
    """Serves a door from `start` to `stop`. Raises GatewayConfigError where a TLS file is not what it should be.

    `protocol` is how uvicorn speaks HTTP: one that bounds headers in size and in time.
    """

    def __init__(self, web: Web, door: StowDoor, protocol: type[asyncio.Protocol]) -> None:
        self._web, self._door = web, door
        context = secured(web.tls, "web.tls")
        config = uvicorn.Config(
            door, http=_showing(protocol), loop="uvloop", ws="none", lifespan="off", access_log=False, log_config=None,
            server_header=False, timeout_graceful_shutdown=int(GRACE_S), ssl_context_factory=(lambda *_: context) if context else None,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """Where it listens; the real one where 0 was asked for."""
        return int(self._socket.getsockname()[1]) if self._socket else self._web.port

    def start(self) -> None:
        """Listen. Raises OSError where the port is taken."""
        family = socket.AF_INET6 if ":" in self._web.host else socket.AF_INET
        self._socket = socket.create_server((self._web.host, self._web.port), family=family)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="stow-door", daemon=True)
        self._thread.start()
        until = time.monotonic() + START_S
        while not self._server.started and self._thread.is_alive() and time.monotonic() < until:
            time.sleep(0.01)
        log.info("receiving over HTTP", extra={"address": f"{self._web.host}:{self.port}"})

    def stop(self) -> None:
        """Take no new request, finish those that are there, and close."""
        if self._thread is None or self._socket is None:
            return
        self._door.closing = self._server.should_exit = True
        self._thread.join(2 * GRACE_S)
        self._door.close()
        self._socket.close()


def _showing(protocol: type[Any]) -> type[Any]:
    """The protocol, telling each request which certificate the caller has shown; ASGI has no agreed place for it."""

    class Showing(protocol):  # type: ignore[misc]
        def on_message_begin(self) -> None:
            super().on_message_begin()
            certificate = Certificate.shown_on(self.transport.get_extra_info("ssl_object"))
            self.scope["extensions"] = {CERTIFICATE: certificate}

    return Showing

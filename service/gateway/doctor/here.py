"""What is this gateway's own: spool, ledger and doors."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator

from service.gateway.config import GatewayConfig, GatewayConfigError, Web
from service.gateway.doctor.certificates import certificate
from service.gateway.doctor.finding import Finding, fine, ill
from service.gateway.ledger import problem_with
from service.gateway.spool import Spool
from service.gateway.web_server import token_of

TIMEOUT_S = 5.0


def spool(config: GatewayConfig) -> Iterator[Finding]:
    """Its folder, its room, and the folder of sidecars."""
    try:
        folder = Spool(config.spool)
        folder.remove(folder.write([b"doctor"]))
    except OSError as error:
        yield ill(f"The spool {config.spool} cannot be written ({error.strerror}): give the gateway's user the right, or name another.")
        return
    free = folder.free_bytes()
    if free < config.receive.min_free_bytes:
        yield ill(f"The spool has {free >> 20} MiB left, less than min_free_bytes: every study is refused until there is room.")
    else:
        yield fine(f"The spool can be written and has {free >> 20} MiB left.")
    if config.sidecars is not None and not os.access(config.sidecars, os.R_OK | os.X_OK):
        yield ill(f"The folder of sidecars {config.sidecars} cannot be read: metadata that headers lack will be missing.")


def database(config: GatewayConfig) -> Iterator[Finding]:
    """The ledger, where it is not a file."""
    if config.ledger:
        problem = problem_with(os.path.expandvars(config.ledger))
        yield ill(f"The ledger's database does not answer ({problem}): start it, or correct `ledger`.") if problem else fine(
            "The ledger's database answers."
        )


def doors(config: GatewayConfig) -> Iterator[Finding]:
    """Both doors: their certificates, and who may come in."""
    receive, web = config.receive, config.web
    if receive.tls is not None:
        yield from certificate("The door's", receive.tls)
    elif receive.any_caller and not _is_here(receive.host):
        yield ill("The door takes studies from anybody, from any machine, without TLS: name the callers, or set up TLS.")
    if web is None:
        return
    if web.tls is not None:
        yield from certificate("The STOW-RS door's", web.tls)
    elif receive.any_caller and not web.has_token and not _is_here(web.host):
        yield ill("The STOW-RS door takes studies from anybody, from any machine: name the callers, ask for a token, or set up TLS.")
    try:
        token_of(web)
    except GatewayConfigError as error:
        yield ill(f"The STOW-RS door: {error}.")
    known = receive.any_caller or web.has_token or any(caller.address or caller.certificate for caller in receive.callers)
    if not known:
        yield ill("The STOW-RS door knows nobody: over HTTP a caller needs an address or a certificate, or the door a token.")
    yield from _port(web)


def _port(web: Web) -> Iterator[Finding]:
    """Free, or this gateway's own: it answers a search with what it allows."""
    try:
        socket.create_server((web.host, web.port), family=socket.AF_INET6 if ":" in web.host else socket.AF_INET).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE and _is_ours(web):
            yield fine(f"The STOW-RS door listens on port {web.port}.")
        else:
            yield ill(f"The STOW-RS door cannot listen on {web.host}:{web.port} ({error.strerror}): name another port or host.")
    else:
        yield fine(f"The STOW-RS door can listen on port {web.port}.")


def _is_ours(web: Web) -> bool:
    base = next(iter(web.bases), "/dicom-web")
    try:
        with socket.create_connection(("127.0.0.1" if web.host == "0.0.0.0" else web.host, web.port), timeout=TIMEOUT_S) as connection:  # noqa: S104
            if web.tls is not None:
                return True  # whether it is, only somebody with a certificate could ask
            connection.sendall(f"GET {base}/studies HTTP/1.1\r\nHost: doctor\r\nConnection: close\r\n\r\n".encode())
            return connection.recv(64).startswith(b"HTTP/1.1 405")
    except OSError:
        return False


def _is_here(host: str) -> bool:
    return host in {"127.0.0.1", "::1", "localhost"}

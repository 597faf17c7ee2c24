"""What stands between an archive and this service: each thing is tried, and what fails is said with what to change.

Nothing is stored anywhere: peers are asked which contexts they take (PS3.8 7.1) and left, web addresses are asked what changes nothing.
"""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
from pynetdicom.ae import ApplicationEntity
from pynetdicom.presentation import build_context

from service.gateway.config import DicomDestination, FhirDestination, GatewayConfig, StowDestination, Tls, WebhookDestination
from service.gateway.spool import Spool
from service.gateway.tls import client_context
from service.gateway.upper_layer import keep_quiet

VERIFICATION = "1.2.840.10008.1.1"
DOCUMENTS = tuple(f"1.2.840.10008.5.1.4.1.1.88.{each}" for each in (34, 33, 22))  # PS3.4 B.5: what a report can be sent as
PAGE = "1.2.840.10008.5.1.4.1.1.7"
TIMEOUT_S = 5.0
SKEW_S = 60.0  # DICOM and FHIR put no bound; with more, times of results and of images contradict each other
EXPIRING_S = 30 * 86400.0


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: whether it is well, and a sentence."""

    well: bool
    sentence: str


def fine(sentence: str) -> Finding:
    """Nothing to change."""
    return Finding(well=True, sentence=sentence)


def ill(sentence: str) -> Finding:
    """Something to change, and what."""
    return Finding(well=False, sentence=sentence)


def examine(config: GatewayConfig) -> Iterator[Finding]:
    """Look at everything that the configuration names, one after the other."""
    yield from _spool(config)
    yield from _service(config)
    yield from _door(config)
    for destination in config.destinations:
        if isinstance(destination, DicomDestination):
            yield from _archive(destination)
        else:
            yield from _web(destination)


def _spool(config: GatewayConfig) -> Iterator[Finding]:
    try:
        spool = Spool(config.spool)
        spool.remove(spool.write([b"doctor"]))
    except OSError as error:
        yield ill(f"The spool {config.spool} cannot be written ({error.strerror}): give the gateway's user the right, or name another.")
        return
    free = spool.free_bytes()
    if free < config.receive.min_free_bytes:
        yield ill(f"The spool has {free >> 20} MiB left, less than min_free_bytes: every study is refused until there is room.")
    else:
        yield fine(f"The spool can be written and has {free >> 20} MiB left.")
    if config.sidecars is not None and not os.access(config.sidecars, os.R_OK | os.X_OK):
        yield ill(f"The folder of sidecars {config.sidecars} cannot be read: metadata that headers lack will be missing.")


def _service(config: GatewayConfig) -> Iterator[Finding]:
    try:
        response = httpx.get(f"{config.service}/health/ready", timeout=TIMEOUT_S)
        served = httpx.get(f"{config.service}/capabilities", timeout=TIMEOUT_S).json()["models"]
    except (httpx.HTTPError, ValueError, KeyError) as error:
        yield ill(f"The service does not answer at {config.service} ({type(error).__name__}): start it, or correct `service`.")
        return
    yield from _clock("The service's", response)
    for route in config.routes:
        state = served.get(route.model)
        if state is None:
            yield ill(f"Route {route.name} asks for {route.model}, which the service does not serve: see CHIASM_MODELS.")
        elif state != "ready":
            yield ill(f"Route {route.name} asks for {route.model}, which is {state}: the service's log says why.")
        else:
            yield fine(f"Route {route.name}: {route.model} is ready.")


def _door(config: GatewayConfig) -> Iterator[Finding]:
    if config.receive.tls is not None:
        yield from _certificate("The door's", config.receive.tls)
    elif config.receive.any_caller and config.receive.host not in {"127.0.0.1", "::1", "localhost"}:
        yield ill("The door takes studies from anybody, from any machine, without TLS: name the callers, or set up TLS.")


def _archive(destination: DicomDestination) -> Iterator[Finding]:
    """Echo, then the contexts that results need; negotiated anew, for some archives answer an echo and take nothing."""
    name = destination.name
    if destination.tls is not None:
        faults = [finding for finding in _certificate(f"{name}'s", destination.tls) if not finding.well]
        if faults:
            yield from faults
            return
    wanted = [VERIFICATION, *DOCUMENTS, PAGE]
    keep_quiet()
    entity = ApplicationEntity(destination.calling_ae_title)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = entity.connection_timeout = TIMEOUT_S
    tls = (client_context(destination.tls), destination.host) if destination.tls else None
    association = entity.associate(
        destination.host, destination.port, [build_context(uid) for uid in wanted], destination.ae_title, tls_args=tls
    )
    if not association.is_established:
        yield ill(f"{name} cannot be reached: {_unreachable(destination, rejected=association.is_rejected)}.")
        return
    taken = {str(context.abstract_syntax) for context in association.accepted_contexts}
    association.release()
    yield fine(f"{name} at {destination.host}:{destination.port} answers to {destination.ae_title}.")
    if "report" in destination.sends and not taken & set(DOCUMENTS):
        yield ill(f'{name} takes no structured reports: allow Comprehensive 3D SR there, or set sends = ["page"].')
    if "page" in destination.sends and PAGE not in taken:
        yield ill(f'{name} takes no Secondary Capture images: allow them there, or set sends = ["report"].')


def _unreachable(destination: DicomDestination, *, rejected: bool) -> str:
    if rejected:
        return f"it rejects {destination.calling_ae_title} calling {destination.ae_title}: enter this title, address and port there"
    return f"nothing answers at {destination.host}:{destination.port}: correct host and port, start it, or open the firewall"


def _web(destination: StowDestination | WebhookDestination | FhirDestination) -> Iterator[Finding]:
    missing = [name for name in _variables(destination.headers.values()) if name not in os.environ]
    if missing:
        yield ill(f"{destination.name}: the environment has no {', '.join(missing)}, which a header needs.")
        return
    headers = {key: os.path.expandvars(value) for key, value in destination.headers.items()}
    url = f"{destination.url}/studies?limit=1" if isinstance(destination, StowDestination) else destination.url
    try:
        response = httpx.request("GET" if isinstance(destination, StowDestination) else "OPTIONS", url, headers=headers, timeout=TIMEOUT_S)
    except httpx.HTTPError as error:
        yield ill(f"{destination.name} does not answer at {destination.url} ({type(error).__name__}): correct url, or start it.")
        return
    yield from _clock(f"{destination.name}'s", response)
    if response.status_code in {401, 403}:
        yield ill(f"{destination.name} refuses the credentials ({response.status_code}): correct the headers.")
    elif response.status_code == 404 or response.status_code >= 500:
        yield ill(f"{destination.name} answers {response.status_code} at {url.split('?')[0]}: correct url.")
    else:
        yield fine(f"{destination.name} answers at {destination.url}.")


def _variables(values: Iterable[str]) -> list[str]:
    return [piece.partition("}")[0] for value in values for piece in value.split("${")[1:]]


def _clock(whose: str, response: httpx.Response) -> Iterator[Finding]:
    stated = response.headers.get("date")
    if stated:
        skew = abs((parsedate_to_datetime(stated) - datetime.now(UTC)).total_seconds())
        if skew > SKEW_S:
            yield ill(f"{whose} clock differs by {skew:.0f} s from this one: set both by NTP.")


def _certificate(whose: str, tls: Tls) -> Iterator[Finding]:
    for path in (tls.certificate, tls.key, tls.authorities):
        if not path.is_file():
            yield ill(f"{whose} TLS needs {path}, which is not there.")
            return
    try:
        client_context(tls)
    except (OSError, ssl.SSLError) as error:
        yield ill(f"{whose} TLS files do not fit together: {getattr(error, 'reason', None) or type(error).__name__}.")
        return
    left = _seconds_left(tls.certificate)
    if left < 0:
        yield ill(f"{whose} certificate has expired: renew {tls.certificate}.")
    elif left < EXPIRING_S:
        yield ill(f"{whose} certificate expires in {left / 86400:.0f} days: renew {tls.certificate}.")
    else:
        yield fine(f"{whose} certificate holds for {left / 86400:.0f} more days.")


def _seconds_left(certificate: Path) -> float:
    decoded = ssl._ssl._test_decode_cert(str(certificate))  # type: ignore[attr-defined]  # the only reader in the standard library
    return ssl.cert_time_to_seconds(decoded["notAfter"]) - time.time()

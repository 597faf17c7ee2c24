"""Whoever is asked over HTTP: the service, archives, webhooks, FHIR servers and peers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from service.gateway.config import FhirDestination, FhirSource, GatewayConfig, StowDestination, WebhookDestination, WebPeer, WebSide
from service.gateway.doctor.finding import Finding, fine, ill
from service.gateway.errors import TransientError
from service.gateway.tls import web_context
from service.gateway.web import VARIABLE

TIMEOUT_S = 5.0
SKEW_S = 60.0  # DICOM and FHIR put no bound; with more, times of results and of images contradict each other


def service(config: GatewayConfig) -> Iterator[Finding]:
    """Whether it is there, and serves what routes ask for."""
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


def web(destination: StowDestination | WebhookDestination) -> Iterator[Finding]:
    """An archive is searched, a webhook asked for its options."""
    stow = isinstance(destination, StowDestination)
    path = "/studies?limit=1" if stow else ""
    yield from (finding for finding, _ in _tried(destination.name, destination, "GET" if stow else "OPTIONS", path))


def searched(peer: WebPeer) -> Iterator[Finding]:
    """A peer is searched, as it will be."""
    yield from (finding for finding, _ in _tried(peer.name, peer, "GET", "/studies?limit=1"))


def fhir(name: str, server: FhirDestination | FhirSource, *, writes: bool) -> Iterator[Finding]:
    """What the server says that it can (R4, capabilitystatement.html)."""
    for finding, response in _tried(name, server, "GET", "/metadata"):
        if response is None:
            yield finding
            continue
        said = _json(response)
        if said.get("resourceType") != "CapabilityStatement":
            yield ill(f"{name} answers at {server.url}, but not as a FHIR server: correct url, the base without /metadata.")
            continue
        yield finding
        version = str(said.get("fhirVersion", ""))
        if not version.startswith(("4.0", "4.3")):
            yield ill(f"{name} speaks FHIR {version or 'of no stated version'}: R4 or R4B is needed.")
        if writes and "transaction" not in _interactions(said):
            yield ill(f"{name} does not say that it takes transactions: allow them there, or results will be refused.")


def _interactions(said: dict[str, Any]) -> set[str]:
    return {str(each.get("code")) for rest in said.get("rest", []) for each in rest.get("interaction", [])}


def _json(response: httpx.Response) -> dict[str, Any]:
    try:
        said = response.json()
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _tried(name: str, side: WebSide, method: str, path: str) -> Iterator[tuple[Finding, httpx.Response | None]]:
    """What came of a request; the answer with the finding that all is well."""
    missing = [each for value in side.headers.values() for each in VARIABLE.findall(value) if each not in os.environ]
    if missing:
        yield ill(f"{name}: the environment has no {', '.join(missing)}, which a header needs."), None
        return
    headers = {key: os.path.expandvars(value) for key, value in side.headers.items()}
    url = f"{side.url.rstrip('/')}{path}" if path else side.url
    try:
        response = httpx.request(method, url, headers=headers, timeout=TIMEOUT_S, verify=web_context(side))
    except TransientError as error:
        yield ill(f"{name}: {error}: name files that are there and fit."), None
        return
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        yield ill(f"{name} does not answer at {side.url} ({type(error).__name__}): correct url or authorities, or start it."), None
        return
    yield from ((finding, None) for finding in _clock(f"{name}'s", response))
    if response.status_code in {401, 403}:
        yield ill(f"{name} refuses the credentials ({response.status_code}): correct the headers."), None
    elif response.status_code == 404 or response.status_code >= 500:
        yield ill(f"{name} answers {response.status_code} at {url.split('?')[0]}: correct url."), None
    else:
        yield fine(f"{name} answers at {side.url}."), response


def _clock(whose: str, response: httpx.Response) -> Iterator[Finding]:
    stated = response.headers.get("date")
    if stated:
        skew = abs((parsedate_to_datetime(stated) - datetime.now(UTC)).total_seconds())
        if skew > SKEW_S:
            yield ill(f"{whose} clock differs by {skew:.0f} s from this one: set both by NTP.")

"""Archives and peers that speak DIMSE: each association is for one question, and nothing is stored."""

from __future__ import annotations

import socket
from collections.abc import Generator, Iterator

from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.presentation import build_context

from service.gateway.config import DicomDestination, DicomPeer, DicomSide, GatewayConfig
from service.gateway.conformance import DOCUMENTS, FIND, GET, MAP, MOVE, PAGE, VERIFICATION, result_classes
from service.gateway.doctor.certificates import certificate
from service.gateway.doctor.finding import Finding, fine, ill
from service.gateway.tls import client_context
from service.gateway.upper_layer import keep_quiet

TIMEOUT_S = 5.0
SENT = (
    ("report", DOCUMENTS, "structured reports: allow Comprehensive 3D SR"),
    ("page", (PAGE,), "Secondary Capture images: allow them"),
    ("map", (MAP,), "Parametric Maps: allow them"),
)


def archive(destination: DicomDestination) -> Iterator[Finding]:
    """The contexts that results need; negotiated, for some archives answer an echo and take nothing."""
    name = destination.name
    taken = yield from _taken(name, destination, [VERIFICATION, *result_classes(destination)])
    if taken is None:
        return
    for kind, classes, told in SENT:
        if kind in destination.sends and not taken & set(classes):
            yield ill(f'{name} takes no {told} there, or take "{kind}" out of sends.')


def peer(config: GatewayConfig, asked: DicomPeer) -> Iterator[Finding]:
    """Query and the way of retrieval that is configured."""
    retrieval = MOVE if asked.retrieve == "move" else GET
    taken = yield from _taken(asked.name, asked, [VERIFICATION, FIND, retrieval])
    if taken is None:
        return
    if FIND not in taken:
        yield ill(f"{asked.name} takes no queries (C-FIND, Study Root): allow {asked.calling_ae_title} to ask there.")
    if retrieval not in taken:
        other = "get" if retrieval == MOVE else "move"
        yield ill(f'{asked.name} takes no C-{asked.retrieve.upper()}: allow it there, or set retrieve = "{other}".')
    elif retrieval == MOVE:
        title = asked.move_to or config.receive.ae_titles[0]
        yield fine(f"{asked.name} takes C-MOVE; it has to know {title} at this machine's address, port {config.receive.port}.")


def _taken(name: str, side: DicomSide, wanted: list[str]) -> Generator[Finding, None, set[str] | None]:
    """The SOP classes that are accepted of those that are wanted; None where no association can be had."""
    if side.tls is not None:
        faults = [finding for finding in certificate(f"{name}'s", side.tls) if not finding.well]
        if faults:
            yield from faults
            return None
    association = _associated(side, wanted)
    if association is None or not association.is_established:
        yield ill(f"{name} cannot be reached: {_unreachable(side, rejected=association is not None and association.is_rejected)}.")
        return None
    taken = {str(context.abstract_syntax) for context in association.accepted_contexts}
    association.release()
    yield fine(f"{name} at {side.host}:{side.port} answers to {side.ae_title}.")
    return taken


def _associated(side: DicomSide, wanted: list[str]) -> Association | None:
    """Whatever came of asking; None where the host has no address."""
    keep_quiet()
    entity = ApplicationEntity(side.calling_ae_title)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = entity.connection_timeout = TIMEOUT_S
    tls = (client_context(side.tls), side.host) if side.tls else None
    try:
        return entity.associate(side.host, side.port, [build_context(uid) for uid in wanted], side.ae_title, tls_args=tls)
    except socket.gaierror:
        return None


def _unreachable(side: DicomSide, *, rejected: bool) -> str:
    if rejected:
        return f"it rejects {side.calling_ae_title} calling {side.ae_title}: enter this title, address and port there"
    return f"nothing answers at {side.host}:{side.port}: correct host and port, start it, or open the firewall"

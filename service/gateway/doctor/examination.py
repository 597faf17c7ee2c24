"""Everything, one after the other."""

from __future__ import annotations

from collections.abc import Iterator

from service.gateway.config import DicomDestination, DicomPeer, FhirDestination, GatewayConfig
from service.gateway.doctor.dicom import archive, peer
from service.gateway.doctor.finding import Finding
from service.gateway.doctor.here import database, doors, spool
from service.gateway.doctor.web import fhir, searched, service, web


def examine(config: GatewayConfig) -> Iterator[Finding]:
    """Look at everything that the configuration names."""
    yield from spool(config)
    yield from database(config)
    yield from service(config)
    yield from doors(config)
    for destination in config.destinations:
        if isinstance(destination, DicomDestination):
            yield from archive(destination)
        elif isinstance(destination, FhirDestination):
            yield from fhir(destination.name, destination, writes=True)
        else:
            yield from web(destination)
    if config.fhir is not None:
        yield from fhir("The FHIR server for metadata", config.fhir, writes=False)
    for each in config.peers:
        yield from peer(config, each) if isinstance(each, DicomPeer) else searched(each)

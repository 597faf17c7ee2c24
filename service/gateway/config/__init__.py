"""The gateway's configuration: one TOML file that a person reads, checked when it is loaded.

``docs/gateway.md`` explains it; ``python -m service gateway check FILE`` says what is wrong with one.
"""

from service.gateway.config.destinations import (
    ARCHIVES,
    Destination,
    DicomDestination,
    FhirDestination,
    Kind,
    StowDestination,
    WebhookDestination,
)
from service.gateway.config.doors import Caller, Receive, Web
from service.gateway.config.file import GatewayConfig, Retry
from service.gateway.config.metadata import FhirField, FhirSource
from service.gateway.config.peers import DicomPeer, Peer, WebPeer
from service.gateway.config.routes import Join, Priority, Route
from service.gateway.config.section import DicomSide, GatewayConfigError, Section, Title, Tls, WebSide

__all__ = [
    "ARCHIVES",
    "Caller",
    "Destination",
    "DicomDestination",
    "DicomPeer",
    "DicomSide",
    "FhirDestination",
    "FhirField",
    "FhirSource",
    "GatewayConfig",
    "GatewayConfigError",
    "Join",
    "Kind",
    "Peer",
    "Priority",
    "Receive",
    "Retry",
    "Route",
    "Section",
    "StowDestination",
    "Title",
    "Tls",
    "Web",
    "WebPeer",
    "WebSide",
    "WebhookDestination",
]

"""What this gateway speaks, in one place, from which it listens and sends, and from which a conformance statement can be made (PS3.2)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pydicom.uid import UID
from pynetdicom import ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts

from models import SPECS

if TYPE_CHECKING:
    from service.gateway.config import DicomDestination, GatewayConfig

VERIFICATION = "1.2.840.10008.1.1"
FIND, MOVE, GET = (f"1.2.840.10008.5.1.4.1.2.2.{number}" for number in (1, 2, 3))  # Study Root, PS3.4 C.6.2
DOCUMENTS = tuple(f"1.2.840.10008.5.1.4.1.1.88.{each}" for each in (34, 33, 22))  # PS3.4 B.5: what a report can be sent as
PAGE = "1.2.840.10008.5.1.4.1.1.7"
MAP = "1.2.840.10008.5.1.4.1.1.30"  # sent only where a destination asks for it
UNCOMPRESSED = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")  # what results are sent in: each context offers one
TRANSFER_SYNTAXES = tuple(str(uid) for uid in ALL_TRANSFER_SYNTAXES)
SCU, SCP = "SCU", "SCP"


def storage_classes(private: Iterable[str] = ()) -> tuple[str, ...]:
    """Every storage class of the standard, for an archive forwards whole studies; then those that a configuration adds."""
    standard = [str(context.abstract_syntax) for context in AllStoragePresentationContexts]
    return tuple(dict.fromkeys([*standard, *private]))


def read_classes() -> tuple[str, ...]:
    """Storage classes that some model reads: what is asked for by C-GET, where there is no room for all of them (PS3.8 9.3.2.2)."""
    return tuple(dict.fromkeys(uid for spec in SPECS.values() for part in spec.images for uid in part.sop_classes))


def result_classes(*archives: DicomDestination) -> tuple[str, ...]:
    """What results are sent as to these archives."""
    return (*DOCUMENTS, PAGE, MAP) if any("map" in archive.sends for archive in archives) else (*DOCUMENTS, PAGE)


def facts(config: GatewayConfig) -> dict[str, Any]:
    """Services, roles, SOP classes, transfer syntaxes, security and limits of a gateway with this configuration."""
    receive = config.receive
    return {
        "application_entities": list(receive.ae_titles),
        "dimse": [_service(*each) for each in _services(config)],
        "dicomweb": list(_web(config)),
        "fhir": list(_fhir(config)),
        "security": {
            "tls": receive.tls is not None,
            "stow_tls": config.web is not None and config.web.tls is not None,
            "stow_bearer_token": config.web is not None and config.web.has_token,
            "callers_named": not receive.any_caller,
        },
        "limits": {
            "max_associations": receive.max_associations,
            "max_object_bytes": receive.max_object_bytes,
            "max_bytes_in_flight": receive.max_bytes_in_flight,
            "max_body_bytes": config.web.max_body_bytes if config.web else None,
        },
    }


def _services(config: GatewayConfig) -> Iterable[tuple[str, str, Iterable[str], Iterable[str]]]:
    """Service, role, SOP classes and transfer syntaxes."""
    yield "Verification", SCP, (VERIFICATION,), UNCOMPRESSED
    yield "Storage", SCP, storage_classes(config.receive.storage_classes), TRANSFER_SYNTAXES
    archives = [destination for destination in config.destinations if destination.kind == "dicom"]
    if archives:
        yield "Storage", SCU, result_classes(*archives), UNCOMPRESSED
    ways = {peer.retrieve for peer in config.peers if peer.kind == "dicom"}
    if ways:
        yield "Query/Retrieve - FIND", SCU, (FIND,), UNCOMPRESSED
    if "move" in ways:
        yield "Query/Retrieve - MOVE", SCU, (MOVE,), UNCOMPRESSED
    if "get" in ways:
        yield "Query/Retrieve - GET", SCU, (GET,), UNCOMPRESSED
        yield "Storage over C-GET", SCP, read_classes(), TRANSFER_SYNTAXES


def _service(name: str, role: str, classes: Iterable[str], syntaxes: Iterable[str]) -> dict[str, Any]:
    return {
        "service": name,
        "role": role,
        "sop_classes": [{"uid": uid, "name": UID(uid).name} for uid in classes],
        "transfer_syntaxes": [{"uid": uid, "name": UID(uid).name} for uid in syntaxes],
    }


def _web(config: GatewayConfig) -> Iterable[dict[str, str]]:
    if config.web is not None:
        for base in config.web.bases or ("/dicom-web",):
            yield {"service": "STOW-RS", "role": "origin server", "resource": f"{base}/studies", "accepts": "application/dicom"}
    if any(destination.kind == "stow" for destination in config.destinations):
        yield {"service": "STOW-RS", "role": "user agent"}
    if any(peer.kind == "web" for peer in config.peers):
        yield {"service": "QIDO-RS", "role": "user agent"}
        yield {"service": "WADO-RS", "role": "user agent", "accepts": "application/dicom; transfer-syntax=*"}


def _fhir(config: GatewayConfig) -> Iterable[dict[str, str]]:
    if any(destination.kind == "fhir" for destination in config.destinations):
        yield {"version": "4.0.1", "role": "client", "interaction": "transaction, each entry a conditional create"}
    if config.fhir is not None:
        yield {"version": "4.0.1", "role": "client", "interaction": "read, search-type: Patient, ServiceRequest, Observation, Condition"}

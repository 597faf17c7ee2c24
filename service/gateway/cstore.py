"""Results by C-STORE (PS3.4 annex B): one association for each, never used again, and the status is read."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, _config, evt
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext, build_context

from service.formats.algorithm import MANUFACTURER
from service.formats.dicom.result import IMPLEMENTATION_UID
from service.gateway.config import DicomDestination
from service.gateway.documents import classes, of_class
from service.gateway.errors import PermanentError, TransientError
from service.gateway.statuses import judge
from service.gateway.tls import client_context
from service.telemetry import log

_config.LOG_REQUEST_IDENTIFIERS = _config.LOG_RESPONSE_IDENTIFIERS = False  # both are on by default, and would log who the patient is
PLAIN = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
REJECTED_FOR_NOW = 2  # Result of an A-ASSOCIATE-RJ, PS3.8 table 9-21


def send(destination: DicomDestination, _: str, data: bytes, timeout_s: float) -> None:
    """Store an object there, as the SOP class and in the transfer syntax that it takes; return when it has said that it is stored."""
    try:
        result = dcmread(BytesIO(data))
    except InvalidDicomError:
        raise PermanentError("what lies in the spool is no DICOM file") from None
    offers = [(sop_class, syntax) for sop_class in classes(result) for syntax in _syntaxes(result)]
    with _association(destination, [build_context(*offer) for offer in offers], timeout_s) as association:
        sop_class, syntax = _first(offers, association.accepted_contexts)
        if sop_class != result.SOPClassUID:
            log.info("%s takes a report as %s", destination.name, sop_class.name)
        answer = association.send_c_store(_encoded(of_class(result, sop_class), syntax))
        if "Status" not in answer:
            raise TransientError(f"no answer to the C-STORE: it took longer than {timeout_s:g} s, or the association was lost")
    judge(answer.Status)


def _syntaxes(result: Dataset) -> tuple[UID, ...]:
    """Its own first; then, where it is not compressed, the other of the two that differ in nothing but how they are written (PS3.5 A.1)."""
    own = UID(result.file_meta.TransferSyntaxUID)
    return (own, *(each for each in PLAIN if own in PLAIN and each != own))


def _first(offers: list[tuple[UID, UID]], accepted: list[PresentationContext]) -> tuple[UID, UID]:
    taken = {(each.abstract_syntax, each.transfer_syntax[0]) for each in accepted}
    for offer in offers:
        if offer in taken:
            return offer
    raise TransientError("the presentation contexts that were accepted are none of those that were proposed")


def _encoded(result: Dataset, syntax: UID) -> Dataset:
    """In a transfer syntax; re-encoded here, as pynetdicom logs what it cannot encode."""
    if result.file_meta.TransferSyntaxUID == syntax:
        return result
    target = BytesIO()
    result.file_meta.TransferSyntaxUID = syntax
    dcmwrite(target, result, implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian, enforce_file_format=True)
    return dcmread(BytesIO(target.getvalue()))


@contextmanager
def _association(destination: DicomDestination, contexts: list[PresentationContext], timeout_s: float) -> Iterator[Association]:
    """An established association; released where it was used to its end, aborted otherwise."""
    connections: list[socket.socket] = []
    association = _request(destination, contexts, timeout_s, connections)
    try:
        if not association.is_established:
            _explain(association, connected=bool(connections), timeout_s=timeout_s)
        yield association
        association.release()
    finally:
        if association.is_alive():
            association.abort()
        for connection in connections:
            connection.close()


def _request(
    destination: DicomDestination, contexts: list[PresentationContext], timeout_s: float, connections: list[socket.socket]
) -> Association:
    """Ask for an association, and wait for the answer; the connection is noted when it is open."""

    def opened(event: evt.Event) -> None:
        dul: Any = event.assoc.dul
        connection = dul.socket.socket
        connection.settimeout(timeout_s)  # pynetdicom would wait for ever for the rest of a PDU, or for the other side to read
        connections.append(connection)

    entity = AE(destination.calling_ae_title)
    entity.implementation_class_uid, entity.implementation_version_name = IMPLEMENTATION_UID, MANUFACTURER.upper()
    entity.connection_timeout = entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = timeout_s
    try:
        return entity.associate(
            destination.host, destination.port, contexts, destination.ae_title, tls_args=_tls(destination),
            evt_handlers=[(evt.EVT_CONN_OPEN, opened)],
        )  # fmt: skip
    except socket.gaierror:
        raise TransientError("the name of the destination's host has no address") from None


def _tls(destination: DicomDestination) -> tuple[ssl.SSLContext, str] | None:
    if destination.tls is None:
        return None
    try:
        return client_context(destination.tls), destination.host
    except OSError:  # ssl.SSLError is one
        raise TransientError("the TLS certificate, key or authorities of the destination cannot be read") from None


def _explain(association: Association, *, connected: bool, timeout_s: float) -> None:
    """Why there is no association (PS3.8 9.3.4 and PS3.7 annex D)."""
    answer = association.acceptor.primitive
    if association.is_rejected and answer is not None:
        kind = TransientError if answer.result == REJECTED_FOR_NOW else PermanentError
        raise kind(f"association rejected: {answer.reason_str}")
    if refused := association.rejected_contexts:
        names = dict.fromkeys(UID(str(each.abstract_syntax)).name for each in refused)
        raise PermanentError(f"no presentation context accepted for {', '.join(names)}")
    if connected:
        raise TransientError(f"connected, but no association within {timeout_s:g} s, or it was aborted")
    raise TransientError("no connection: nobody listens there, or TLS failed")

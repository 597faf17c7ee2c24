"""An association that we ask for (PS3.8): bounded in time, never used again, and where there is none, why."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pydicom.uid import UID
from pynetdicom import AE, _config, evt
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext

from service.formats.algorithm import MANUFACTURER
from service.formats.dicom.result import IMPLEMENTATION_UID
from service.gateway.config import DicomSide
from service.gateway.errors import PermanentError, TransientError
from service.gateway.tls import client_context

_config.LOG_REQUEST_IDENTIFIERS = _config.LOG_RESPONSE_IDENTIFIERS = False  # both are on by default, and would log who the patient is
REJECTED_FOR_NOW = 2  # Result of an A-ASSOCIATE-RJ, PS3.8 table 9-21
Handlers = Sequence[tuple[Any, Callable[..., Any]]]


@contextmanager
def associated(
    side: DicomSide, contexts: list[PresentationContext], timeout_s: float, handlers: Handlers = (), roles: Sequence[Any] = ()
) -> Iterator[Association]:
    """An established association; released where it was used to its end, aborted otherwise.

    `handlers` are pynetdicom's, `roles` those that are proposed (PS3.7 D.3.3.4). Raises TransientError and PermanentError.
    """
    connections: list[socket.socket] = []
    association = _request(side, contexts, timeout_s, (*handlers, *_watched(connections, timeout_s)), roles)
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


def _watched(connections: list[socket.socket], timeout_s: float) -> Handlers:
    """Notes the connection when it is open."""

    def opened(event: evt.Event) -> None:
        dul: Any = event.assoc.dul
        connection = dul.socket.socket
        connection.settimeout(timeout_s)  # pynetdicom would wait for ever for the rest of a PDU, or for the other side to read
        connections.append(connection)

    return ((evt.EVT_CONN_OPEN, opened),)


def _request(
    side: DicomSide, contexts: list[PresentationContext], timeout_s: float, handlers: Handlers, roles: Sequence[Any]
) -> Association:
    """Ask for an association, and wait for the answer."""
    entity = AE(side.calling_ae_title)
    entity.implementation_class_uid, entity.implementation_version_name = IMPLEMENTATION_UID, MANUFACTURER.upper()
    entity.connection_timeout = entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = timeout_s
    try:
        return entity.associate(
            side.host, side.port, contexts, side.ae_title, tls_args=_tls(side), evt_handlers=list(handlers), ext_neg=list(roles)
        )
    except socket.gaierror:
        raise TransientError("the name of the destination's host has no address") from None


def _tls(side: DicomSide) -> tuple[ssl.SSLContext, str] | None:
    if side.tls is None:
        return None
    try:
        return client_context(side.tls), side.host
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

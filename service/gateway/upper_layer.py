"""The DICOM upper layer (PS3.8) as pynetdicom does it, with the bounds that it lacks.

pynetdicom reads a PDU of whatever length it announces, keeps a message of whatever size in memory, shakes hands over TLS while nobody else
can connect, and copies every presentation context for each association: a quarter of a second for all storage classes.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import socketserver
import ssl
import sys
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from io import BytesIO
from typing import Any, Self

from pynetdicom import _config, register_uid
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import DIMSEMessage
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event
from pynetdicom.pdu_primitives import P_DATA
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.service_class import StorageServiceClass
from pynetdicom.transport import ThreadedAssociationServer

from service.gateway.conformance import TRANSFER_SYNTAXES, VERIFICATION, storage_classes
from service.telemetry import fault, log

MAXIMUM_PDU = 131_072  # bytes that we ask for at once (PS3.8 D.1); as much as DCMTK sends
LARGEST_PDU = 1 << 20  # an association request with 128 presentation contexts of every transfer syntax has 200 kB
LARGEST_COMMAND = 1 << 16  # a command set has a few hundred bytes
NETWORK_S = 60.0  # for one PDU to come, or for the next one to begin
HANDSHAKE_S = 10.0
INVALID_PDU = "Evt19"  # PS3.8 table 9-10
CLOSED = "Sta1"  # no connection, PS3.8 table 9-6
# Where one context offers several, the sender can convert: what every sender can write comes first, what few test comes last.
PREFERRED = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")
LAST = ("1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2")


def keep_quiet() -> None:
    """Nothing that is received may be printed: not by pynetdicom's own logs, nor by a warning with the value in its message."""
    _config.LOG_HANDLER_LEVEL = "none"
    _config.LOG_REQUEST_IDENTIFIERS = _config.LOG_RESPONSE_IDENTIFIERS = False
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)
    logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)
    warnings.filterwarnings("ignore", module=r"pydicom|pynetdicom")


class SharedContexts(list[PresentationContext]):
    """Presentation contexts that nobody changes: every association has the same ones."""

    def __deepcopy__(self, _: object) -> Self:
        return self


@cache
def supported_contexts(private: tuple[str, ...] = ()) -> SharedContexts:
    """Verification, and every storage class in every transfer syntax; pynetdicom is told that a private one is one."""
    for uid in private:
        register_uid(uid, f"Private_{uid.replace('.', '_')}", StorageServiceClass)
    others = [uid for uid in TRANSFER_SYNTAXES if uid not in (*PREFERRED, *LAST)]
    syntaxes: list[Any] = [*PREFERRED, *others, *LAST]
    storage = [build_context(sop_class, syntaxes) for sop_class in storage_classes(private)]
    return SharedContexts([build_context(VERIFICATION, list(PREFERRED)), *storage])


class Server(ThreadedAssociationServer):
    """Listens; a TLS handshake takes the time of nobody but who makes it."""

    most_connections = 64
    _greeting = 0
    _lock = threading.Lock()

    def get_request(self) -> tuple[socket.socket, Any]:
        """A connection, before its handshake, that may not be silent for ever."""
        connection, address = self.socket.accept()  # type: ignore[union-attr]
        connection.settimeout(NETWORK_S)
        return connection, address

    def verify_request(self, *_: object) -> bool:
        """Whether there is room for another connection, which takes threads before it has said who it is."""
        with self._lock:
            return self._greeting + len(self.active_associations) < self.most_connections

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  as socketserver has it
        """Begin a thread for a connection, which counts before the thread runs: the next connection may come sooner."""
        self._greet(1)
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._greet(-1)
            raise

    def finish_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  as socketserver has it
        """Shake hands where TLS is asked for, and begin the association."""
        try:
            connection = self._secured(request)
        except BaseException:
            self._greet(-1)
            raise
        with self._lock:  # it counts once, as a greeting or as an association
            try:
                super().finish_request(connection, client_address)
            finally:
                self._greeting -= 1

    def _greet(self, count: int) -> None:
        with self._lock:
            self._greeting += count

    def _secured(self, connection: socket.socket) -> socket.socket:
        context: ssl.SSLContext | None = self.ssl_context
        if context is None:
            return connection
        connection.settimeout(HANDSHAKE_S)
        secured = context.wrap_socket(connection, server_side=True)
        secured.settimeout(NETWORK_S)
        return secured

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401, ARG002  as socketserver has it
        """Say that a handshake failed; socketserver would print a traceback."""
        error = sys.exc_info()[1]
        log.warning("connection failed", extra={"address": client_address[0]} | (fault(error) if error else {}))

    def shutdown(self) -> None:
        """Listen no longer; associations in progress go on. pynetdicom's own would look for this server in a list of its own servers."""
        socketserver.BaseServer.shutdown(self)
        self.server_close()


class InFlight:
    """Bytes of all messages together that are in memory, up to a limit."""

    def __init__(self, limit: int) -> None:
        self._left = limit
        self._lock = threading.Lock()

    def take(self, size: int) -> bool:
        """Whether there is room for so many more; a negative number gives back."""
        with self._lock:
            fits = size <= self._left
            self._left -= size if fits else 0
            return fits


class Kept(BytesIO):
    """Keeps what is written, up to a limit; beyond it, everything is dropped, so that a message of any size can be answered."""

    def __init__(self, limit: int, in_flight: InFlight) -> None:
        super().__init__()
        self._limit, self._in_flight, self._taken = limit, in_flight, 0
        self.overflowed = False

    def write(self, data: Any) -> int:  # noqa: ANN401  whatever is a buffer
        """Take bytes, or leave them."""
        if not self.overflowed and (self.tell() + len(data) > self._limit or not self._in_flight.take(len(data))):
            self.overflowed = True
            self.forget()
        if self.overflowed:
            return len(data)
        self._taken += len(data)
        return super().write(data)

    def forget(self) -> None:
        """Give the memory back; a second time, nothing happens."""
        self._in_flight.take(-self._taken)
        self._taken = 0
        with contextlib.suppress(BufferError):  # somebody still looks at it: it goes when they do
            self.seek(0)
            self.truncate()


@dataclass(frozen=True)
class Bounds:
    """Of what one message may bring, and all of them together."""

    max_object_bytes: int
    in_flight: InFlight

    def at_opening(self, event: Event) -> None:
        """At EVT_CONN_OPEN: read each PDU within a length and a time, keep no more of a message than a limit, and close for certain."""
        connection, provider = event.assoc.dul.socket, event.assoc.dimse
        if connection is not None and connection.socket is not None:
            connection.recv = partial(receive_exactly, connection.socket)  # type: ignore[method-assign]
            connection._shutdown_socket = partial(_shut, connection.socket)  # type: ignore[method-assign]
        take = partial(_take, provider, provider.receive_primitive, self)
        provider.receive_primitive = take  # type: ignore[method-assign]


def _shut(connection: socket.socket) -> None:
    """End a connection. pynetdicom's own leaves it open where the other side has reset it: then nothing can be shut down."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


def _take(provider: DIMSEServiceProvider, receive: Callable[[P_DATA], None], bounds: Bounds, fragment: P_DATA) -> None:
    """Add a fragment to its message. What is no message ends its association (PS3.8 9.2.3, AA-8), not the thread with a traceback."""
    try:
        _prepare(provider, bounds)
        receive(fragment)
    except Exception as error:  # noqa: BLE001  whatever pydicom makes of a command set
        log.warning("message not understood", extra=fault(error))
        provider.dul.event_queue.put(INVALID_PDU)


def _prepare(provider: DIMSEServiceProvider, bounds: Bounds) -> None:
    if provider.msg_queue.qsize() > 1:
        raise ValueError("more requests at once than were negotiated")  # PS3.7 D.3.3.3: one, where nobody has asked for more
    if provider.message is None:
        provider.message = DIMSEMessage()
        provider.message.encoded_command_set = Kept(LARGEST_COMMAND, InFlight(LARGEST_COMMAND))
        provider.message.data_set = Kept(bounds.max_object_bytes, bounds.in_flight)


def dismiss(event: Event) -> None:
    """At EVT_FSM_TRANSITION: who has gone, or was sent away, before asking for an association takes no place until a time-out.

    What was on its way when the connection ended takes no memory.
    """
    association = event.assoc
    if event.next_state != CLOSED:
        return
    unanswered = [primitive.DataSet for _, primitive in list(association.dimse.msg_queue.queue) if isinstance(primitive, C_STORE)]
    for each in (getattr(association.dimse.message, "data_set", None), *unanswered):
        if isinstance(each, Kept):
            each.forget()
    if not was_asked(association):
        association.dul.to_user_queue.put(None)  # what its thread would read when the time was up


def was_asked(association: Association) -> bool:
    """Whether an association request has come over a connection."""
    return association.requestor.primitive is not None


def hang_up(association: Association) -> None:
    """Abort an association; close a connection on which none stands."""
    if association.is_established:
        association.abort()
    elif association.dul.socket is not None:
        association.dul.socket.close()


def receive_exactly(connection: socket.socket, size: int, within_s: float = NETWORK_S) -> bytearray:
    """As many bytes as were asked for, or fewer where the other side has gone. Raises OSError for too many, or too slow ones."""
    if size > LARGEST_PDU:
        raise OSError("a PDU is longer than any that is needed")
    received, filled, deadline = bytearray(size), 0, time.monotonic() + within_s
    with memoryview(received) as view:
        while filled < size and (count := connection.recv_into(view[filled:])):
            filled += count
            if time.monotonic() > deadline:
                raise TimeoutError
    del received[filled:]
    return received

"""The door: Verification and Storage SCP (PS3.4 A and B). What it acknowledges is on the disk and in the ledger; it does nothing else.

C-STORE answers (PS3.4 table B.2-1): 0x0000 stored; 0xA700 no room, or too large; 0xA900 not the instance that the request names;
0xC000 no study, series or instance to be understood; 0x0122 not the SOP class of its presentation context; 0x0110 anything else.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

from pynetdicom import events
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE

from service.gateway.admission import REJECTIONS, Admission, Refusal
from service.gateway.config import GatewayConfigError, Receive
from service.gateway.identity import IMPLEMENTATION_UID, IMPLEMENTATION_VERSION, Identity, UnidentifiedError, file_header, identify
from service.gateway.ledger import Ledger, Received
from service.gateway.spool import Spool
from service.gateway.tls import server_context
from service.gateway.upper_layer import (
    MAXIMUM_PDU,
    NETWORK_S,
    Kept,
    Server,
    bound,
    dismiss,
    hang_up,
    keep_quiet,
    supported_contexts,
    was_asked,
)
from service.telemetry import fault, log

SUCCESS = 0x0000
PROCESSING_FAILURE = 0x0110
SOP_CLASS_NOT_SUPPORTED = 0x0122
OUT_OF_RESOURCES = 0xA700
DOES_NOT_MATCH = 0xA900
CANNOT_UNDERSTAND = 0xC000
POLL_S = 0.1  # how long `stop` may wait until the server looks up
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True)
class Tally:
    """What the door has seen since it began: associations by outcome, operations by service and status."""

    open: int
    associations: Mapping[str, int]
    operations: Mapping[tuple[str, int], int]


class RefusedError(Exception):
    """An instance that is not stored, for a reason that its sender is told by a status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Receiver:
    """Receives instances from `start` to `stop`. Raises GatewayConfigError where an address or a TLS file is not what it should be."""

    def __init__(self, config: Receive, spool: Spool, ledger: Ledger, clock: Callable[[], float] = time.time) -> None:
        self._config = config
        self._spool = spool
        self._ledger = ledger
        self._clock = clock
        self._admission = Admission(config)
        self._tls = _secured(config)
        self._server: Server | None = None
        self._turn = threading.Lock()  # SQLite lets writers sleep and try again: the unlucky one of five waits half a second
        self._lock = threading.Lock()
        self._associations: Counter[str] = Counter()
        self._operations: Counter[tuple[str, int]] = Counter()

    @property
    def port(self) -> int:
        """Where it listens; the real one where 0 was asked for."""
        return int(self._server.server_address[1]) if self._server else self._config.port

    def tally(self) -> Tally:
        """The counters as they stand."""
        running = self._server.active_associations if self._server else []
        with self._lock:
            return Tally(sum(each.is_established for each in running), dict(self._associations), dict(self._operations))

    def start(self) -> None:
        """Listen, in threads of its own. Raises OSError where the port is taken."""
        keep_quiet()
        self._server = self._listening()
        threading.Thread(target=self._server.serve_forever, args=(POLL_S,), name="receiver", daemon=True).start()
        log.info("receiving", extra={"called": "\\".join(self._config.ae_titles), "address": f"{self._config.host}:{self.port}"})

    def _listening(self) -> Server:
        entity = ApplicationEntity(self._config.ae_titles[0])
        entity.acse_timeout, entity.dimse_timeout, entity.network_timeout = 30, 30, NETWORK_S
        entity.maximum_pdu_size = MAXIMUM_PDU
        entity.maximum_associations = self._config.max_associations
        entity.implementation_class_uid, entity.implementation_version_name = IMPLEMENTATION_UID, IMPLEMENTATION_VERSION
        address = (self._config.host, self._config.port)
        server = Server(entity, address, entity.ae_title, supported_contexts(), self._tls)
        server.most_connections = 2 * self._config.max_associations
        self._bind(server)
        return server

    def _bind(self, server: Server) -> None:
        server.bind(events.EVT_CONN_OPEN, bound, [self._config.max_object_bytes])
        server.bind(events.EVT_FSM_TRANSITION, dismiss)
        server.bind(events.EVT_REQUESTED, self._admit)
        server.bind(events.EVT_C_ECHO, self._echo)
        server.bind(events.EVT_C_STORE, self._store)
        outcomes = {
            events.EVT_ACCEPTED: "accepted", events.EVT_REJECTED: "too_many",
            events.EVT_RELEASED: "released", events.EVT_ABORTED: "aborted",
        }  # fmt: skip
        for event, outcome in outcomes.items():
            server.bind(event, self._note, [outcome])

    def stop(self, grace_s: float = 30.0) -> None:
        """Take no new association, let those in progress finish, abort what has not after `grace_s`."""
        if self._server is None:
            return
        server = self._server
        server.shutdown()
        for association in server.active_associations:
            if not was_asked(association):
                hang_up(association)
        deadline = time.monotonic() + grace_s
        while server.active_associations and time.monotonic() < deadline:
            time.sleep(0.01)
        for association in server.active_associations:
            hang_up(association)
            association.join(1.0)

    def _admit(self, event: events.Event) -> None:
        """At EVT_REQUESTED: reject whom the configuration does not name; pynetdicom then negotiates no further."""
        refusal = self._refusal(event)
        if refusal:
            event.assoc.acse.send_reject(*REJECTIONS[refusal])
            self._note(event, refusal)
            event.assoc.kill()  # waits until the rejection is sent, as pynetdicom does after its own

    def _refusal(self, event: events.Event) -> Refusal | None:
        try:
            return self._admission.refuses(**_parties(event.assoc))
        except Exception as error:  # noqa: BLE001  pynetdicom would go on as if nobody had objected
            log.error("admission failed", extra=fault(error))
            return "caller_unknown"

    def _note(self, event: events.Event, outcome: str) -> None:
        with self._lock:
            self._associations[outcome] += 1
        log.info("association", extra={"outcome": outcome} | _parties(event.assoc))

    def _echo(self, event: events.Event) -> int:
        return self._answer(event, "C-ECHO", SUCCESS)

    def _store(self, event: events.Event) -> int:
        return self._answer(event, "C-STORE", self._kept(event))

    def _answer(self, event: events.Event, service: str, status: int) -> int:
        with self._lock:
            self._operations[service, status] += 1
        if status:
            log.warning("refused", extra={"service": service, "status": f"0x{status:04X}"} | _parties(event.assoc))
        return status

    def _kept(self, event: events.Event) -> int:
        """The status of an instance: success only after the spool and the ledger have it."""
        try:
            self._keep(event)
        except RefusedError as refused:
            return refused.status
        except UnidentifiedError:
            return CANNOT_UNDERSTAND
        except Exception as error:  # noqa: BLE001  whatever it is, the sender has to keep the instance, and the association goes on
            log.error("instance not stored", extra=fault(error))
            return OUT_OF_RESOURCES if isinstance(error, OSError) and error.errno in NO_ROOM else PROCESSING_FAILURE
        return SUCCESS

    def _keep(self, event: events.Event) -> None:
        request, syntax, parties = cast(C_STORE, event.request), str(event.context.transfer_syntax), _parties(event.assoc)
        data = self._within_limits(cast(Kept, request.DataSet))
        identity = identify(data, syntax)
        _check(request, str(event.context.abstract_syntax), identity)
        file = self._spool.write((file_header(identity, syntax, parties["calling"]), data))
        received = Received(
            study_uid=identity.study_uid, series_uid=identity.series_uid, sop_uid=identity.sop_uid, sop_class=identity.sop_class,
            transfer_syntax=syntax, sha256=_digest(syntax, data), file=file, size=len(data),
            called=parties["called"], calling=parties["calling"], expected=identity.expected,
        )  # fmt: skip
        # Where the ledger fails, the file is left for Spool.sweep: it may not be known whether the ledger has it.
        with self._turn:
            unneeded = self._ledger.receive(received, self._clock(), self._config.quiet_s)
        if unneeded:
            with contextlib.suppress(OSError):  # the instance is safe; the sweep comes by
                self._spool.remove(unneeded)

    def _within_limits(self, data: Kept) -> memoryview:
        view = data.getbuffer()
        if data.overflowed or self._spool.free_bytes() - len(view) < self._config.min_free_bytes:
            raise RefusedError(OUT_OF_RESOURCES)
        return view


def _secured(config: Receive) -> ssl.SSLContext | None:
    try:
        return server_context(config.tls) if config.tls else None
    except OSError as error:
        raise GatewayConfigError(f"receive.tls: {error.strerror or type(error).__name__}: a file is missing or does not fit") from None


def _check(request: C_STORE, negotiated: str, identity: Identity) -> None:
    """The instance is what the request says, and what its presentation context was negotiated for (PS3.7 9.1.1.1)."""
    if request.AffectedSOPClassUID != negotiated:
        raise RefusedError(SOP_CLASS_NOT_SUPPORTED)
    if (identity.sop_class, identity.sop_uid) != (request.AffectedSOPClassUID, request.AffectedSOPInstanceUID):
        raise RefusedError(DOES_NOT_MATCH)


def _parties(association: Association) -> dict[str, str]:
    """AE titles and address of an association: what may be told of it."""
    requestor = association.requestor
    request = requestor.primitive
    called, calling = (request.called_ae_title.strip(), request.calling_ae_title.strip()) if request else ("", "")
    return {"called": called, "calling": calling, "address": str(requestor.address)}


def _digest(syntax: str, data: memoryview) -> str:
    """Tells whether the same instance has come again: by its bytes, whoever sent them, and how they are to be read."""
    digest = hashlib.sha256(syntax.encode())
    digest.update(data)
    return digest.hexdigest()

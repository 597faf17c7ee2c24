"""The door for DIMSE: Verification and Storage SCP (PS3.4 A and B). It takes messages from associations to the intake, and answers."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from pynetdicom import events
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE

from service.gateway.admission import REJECTIONS, Admission, Refusal
from service.gateway.config import Receive
from service.gateway.identity import IMPLEMENTATION_UID, IMPLEMENTATION_VERSION
from service.gateway.intake import OUT_OF_RESOURCES, SUCCESS, Intake, Named, RefusedError, Sent
from service.gateway.tls import Certificate, secured
from service.gateway.upper_layer import (
    MAXIMUM_PDU,
    NETWORK_S,
    Bounds,
    InFlight,
    Kept,
    Server,
    dismiss,
    hang_up,
    keep_quiet,
    supported_contexts,
    was_asked,
)
from service.telemetry import fault, log

POLL_S = 0.1  # how long `stop` may wait until the server looks up


@dataclass(frozen=True)
class Tally:
    """What the door has seen since it began: associations by outcome, operations by service and status."""

    open: int
    associations: Mapping[str, int]
    operations: Mapping[tuple[str, int], int]


class Receiver:
    """Receives instances from `start` to `stop`. Raises GatewayConfigError where an address or a TLS file is not what it should be."""

    def __init__(self, config: Receive, intake: Intake) -> None:
        self._config = config
        self._intake = intake
        self._admission = Admission(config)
        self._tls = secured(config.tls, "receive.tls")
        self._server: Server | None = None
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
        server = Server(entity, address, entity.ae_title, supported_contexts(self._config.storage_classes), self._tls)
        server.most_connections = 2 * self._config.max_associations
        self._bind(server)
        return server

    def _bind(self, server: Server) -> None:
        bounds = Bounds(self._config.max_object_bytes, InFlight(self._config.max_bytes_in_flight))
        server.bind(events.EVT_CONN_OPEN, bounds.at_opening)
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
            return self._admission.refuses(**_parties(event.assoc), certificate=_certificate(event.assoc))
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
        parties = _parties(event.assoc)
        return kept(self._intake, Sent(parties["called"], parties["calling"]), event)


def kept(intake: Intake, sent: Sent, event: events.Event) -> int:
    """At EVT_C_STORE: take the instance in, and let its memory go; the status."""
    data = cast(Kept, cast(C_STORE, event.request).DataSet)
    try:
        if data.overflowed:
            return OUT_OF_RESOURCES
        return intake.keep(sent, Named.by(event), data.getbuffer())
    except RefusedError as refused:
        return refused.status
    finally:
        data.forget()


def _parties(association: Association) -> dict[str, str]:
    """AE titles and address of an association: what may be told of it."""
    requestor = association.requestor
    request = requestor.primitive
    called, calling = (request.called_ae_title.strip(), request.calling_ae_title.strip()) if request else ("", "")
    return {"called": called, "calling": calling, "address": str(requestor.address)}


def _certificate(association: Association) -> Certificate:
    connection = association.dul.socket
    return Certificate.shown_on(connection.socket if connection is not None else None)

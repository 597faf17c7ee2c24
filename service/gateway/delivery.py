"""Every result to every destination: sent until it arrived, refused for good, or often enough; one thread for each destination.

A result is sent at least once, under a UID (or a key) that is the same each time: it is stored once. The ledger says what is due, and a
lease that is renewed while it is being sent whose it is: what a process took that has died since is sent by the next one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from service.gateway import cstore, fhir, stow, webhook
from service.gateway.config import Destination, Retry
from service.gateway.errors import DeliveryError, PermanentError, TransientError
from service.gateway.ledger import Delivery, Ledger
from service.gateway.spool import Spool
from service.telemetry import fault, log

SENDERS: dict[str, Callable[[Any, str, bytes, float], None]] = {
    "dicom": cstore.send, "stow": stow.send, "webhook": webhook.send, "fhir": fhir.send,
}  # fmt: skip
IDLE_S = 1.0


def unobserved(_destination: str, _kind: str, _outcome: str) -> None:
    """For who counts nothing."""


@dataclass(frozen=True)
class Deliverer:
    """Sends what is due, and notes what became of it."""

    destinations: tuple[Destination, ...]
    spool: Spool
    ledger: Ledger
    retry: Retry
    clock: Callable[[], float] = time.time
    observe: Callable[[str, str, str], None] = unobserved  # destination, its kind, and delivered, postponed or buried
    timeout_s: float = 30.0  # of every single wait for the other side
    lease_s: float = 120.0  # renewed while it is being sent; see running

    def run(self, stop: threading.Event) -> None:
        """Send until told to stop; what is being sent then is finished. A destination that is slow or down holds up no other."""
        threads = [threading.Thread(target=self._work, args=(each.name, stop), name=f"deliver-{each.name}") for each in self.destinations]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def step(self, *names: str) -> bool:
        """Send one result that is due, to one of these destinations or to any; False where none is."""
        wanted = names or tuple(each.name for each in self.destinations)
        delivery = self.ledger.take_delivery(self.clock(), self.lease_s, wanted)
        if delivery is None:
            return False
        try:
            error = self._send(delivery)
        finally:
            self.ledger.let_go(delivery)
        self._note(delivery, error)
        return True

    def _work(self, name: str, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                busy = self.step(name)
            except Exception as error:  # noqa: BLE001  a full disk, say: what was sent is sent again when the lease ends
                log.error("what became of a delivery to %s could not be noted", name, extra=fault(error))
                busy = False
            if not busy:
                stop.wait(IDLE_S)

    def _to(self, delivery: Delivery) -> Destination:
        return next(each for each in self.destinations if each.name == delivery.destination)

    def _send(self, delivery: Delivery) -> DeliveryError | None:
        """Why it did not arrive; None where it did."""
        if delivery.attempts > self.retry.attempts:  # only where whoever tried before never came to note it
            return PermanentError(f"not sent again: the last of {self.retry.attempts} attempts had no end")
        destination = self._to(delivery)
        try:
            SENDERS[destination.kind](destination, delivery.sop_uid, self._data(delivery), self.timeout_s)
        except DeliveryError as error:
            return error
        except Exception as error:  # noqa: BLE001  a fault of ours or of a library: nothing says that the object was refused
            log.error("delivery to %s failed", destination.name, extra=fault(error))
            return TransientError(type(error).__name__)
        return None

    def _data(self, delivery: Delivery) -> bytes:
        try:
            return self.spool.read(delivery.file)
        except FileNotFoundError:
            raise PermanentError("its file is gone from the spool") from None

    def _note(self, delivery: Delivery, error: DeliveryError | None) -> None:
        outcome = "delivered"
        if error is None:
            self.ledger.delivered(delivery, self.clock())
        elif isinstance(error, TransientError) and delivery.attempts < self.retry.attempts:
            outcome = "postponed"
            wait_s = max(self.retry.wait_s(delivery.attempts), error.retry_after_s)
            self.ledger.retry_delivery(delivery, self.clock() + wait_s, str(error))
        else:
            outcome = "buried"
            self.ledger.bury_delivery(delivery, str(error))
        if error is not None:
            log.warning("delivery to %s %s: %s", delivery.destination, outcome, error)
        self.observe(delivery.destination, self._to(delivery).kind, outcome)

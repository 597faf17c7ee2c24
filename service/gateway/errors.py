"""Why a result did not arrive; another branch of the tree in service/errors.py.

ServiceError ── DeliveryError ─┬─ TransientError   it may arrive when it is sent again: also where nobody knows what happened
                               └─ PermanentError   whoever was asked has refused this object, or it can never be sent as it is

`str(error)` is kept in the ledger, shown and logged: states and names of the configuration, never a value of an object or of an answer.
"""

from __future__ import annotations

from service.errors import ServiceError

LONGEST = 500  # characters of a reason, as in the ledger


class DeliveryError(ServiceError):
    """A result did not arrive."""

    code = "delivery_failed"
    default_hint = "The ledger keeps the result; see the gateway's dead letters."

    def __init__(self, message: str) -> None:
        super().__init__(message[:LONGEST])


class TransientError(DeliveryError):
    """Sending it again may help; not before `retry_after_s` seconds, where the other side named a time."""

    code = "delivery_postponed"

    def __init__(self, message: str, *, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class PermanentError(DeliveryError):
    """Sending the same again gives the same answer: a person has to see it."""

    code = "delivery_refused"

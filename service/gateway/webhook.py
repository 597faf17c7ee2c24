"""The JSON answer to whoever wants it, by POST; its name goes with it, so that who has it already can tell."""

from __future__ import annotations

from service.gateway.config import WebhookDestination
from service.gateway.web import Asked, ask


def send(destination: WebhookDestination, sop_uid: str, data: bytes, timeout_s: float) -> None:
    """Deliver a file's bytes; return when the receiver has answered 2xx."""
    headers = {"Content-Type": "application/json", "Idempotency-Key": sop_uid}
    answer = ask(destination, Asked("POST", headers=headers, body=data), timeout_s)
    if not answer.is_success:
        answer.refuse()

"""The JSON answer to whoever wants it, by POST; its name goes with it, so that who has it already can tell."""

from __future__ import annotations

from service.gateway.config import WebhookDestination
from service.gateway.post import post


def send(destination: WebhookDestination, sop_uid: str, data: bytes, timeout_s: float) -> None:
    """Deliver a file's bytes; return when the receiver has answered 2xx."""
    answer = post(destination.url, destination.headers, {"Content-Type": "application/json", "Idempotency-Key": sop_uid}, data, timeout_s)
    if not answer.is_success:
        answer.refuse()

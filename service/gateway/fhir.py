"""Results to a FHIR server (R4): the transaction Bundle, whose entries are conditional creates, so that it can be sent again.

Delivered is what the server says that it has stored or had already; what it refuses is read from its OperationOutcome.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from service.gateway.config import FhirDestination
from service.gateway.errors import PermanentError, TransientError
from service.gateway.web import Answer, Asked, ask

KIND = "application/fhir+json"
CONFLICT = 409  # two transactions at once: the next one may succeed
# R4, valueset-issue-type.html, "Transient Issue" and what is below it: the same may succeed later.
TRANSIENT = frozenset({"transient", "lock-error", "no-store", "exception", "timeout", "incomplete", "throttled"})
KNOWN = TRANSIENT | {
    "invalid", "structure", "required", "value", "invariant", "security", "login", "unknown", "expired", "forbidden", "suppressed",
    "processing", "not-supported", "duplicate", "multiple-matches", "not-found", "deleted", "too-long", "code-invalid", "extension",
    "too-costly", "business-rule", "conflict", "informational",
}  # fmt: skip


def send(destination: FhirDestination, _: str, data: bytes, timeout_s: float) -> None:
    """Store a Bundle there; return when every entry is."""
    answer = ask(destination, Asked("POST", headers={"Content-Type": KIND, "Accept": KIND}, body=data), timeout_s)
    told = _told(answer)
    if not answer.is_success:
        refuse(answer, told)
    statuses = [str(_of(_of(entry, "response"), "status") or "") for entry in _list(told, "entry")]
    if not statuses or not all(status.startswith("2") for status in statuses):
        raise TransientError(f"HTTP status {answer.status}, but the answer does not say that every entry is stored")


def refuse(answer: Answer, told: Any) -> None:  # noqa: ANN401  whatever JSON is there
    """Raise the reason: an issue of a passing kind, or a passing status, is transient. Nothing of the server's own words is kept."""
    codes = sorted({code for code in map(str, _codes(told)) if code in KNOWN})
    reason = f"HTTP status {answer.status}" + (f": {', '.join(codes)}" if codes else "")
    if TRANSIENT & set(codes) or answer.status == CONFLICT or answer.is_passing:
        raise TransientError(reason, retry_after_s=answer.retry_after_s)
    raise PermanentError(reason)


def _codes(told: Any) -> Iterator[Any]:  # noqa: ANN401
    """Of the issues of an OperationOutcome that are errors."""
    for issue in _list(told, "issue"):
        if _of(issue, "severity") in {"error", "fatal"}:
            yield _of(issue, "code")


def _told(answer: Answer) -> Any:  # noqa: ANN401
    try:
        return json.loads(answer.content)
    except (ValueError, RecursionError):
        return {}


def _of(resource: Any, name: str) -> Any:  # noqa: ANN401
    return resource.get(name) if isinstance(resource, dict) else None


def _list(resource: Any, name: str) -> list[Any]:  # noqa: ANN401
    found = _of(resource, name)
    return found if isinstance(found, list) else []

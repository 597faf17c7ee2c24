"""Results by STOW-RS (PS3.18 10.5): stored is what the answer's data set lists as stored, whatever the HTTP status says."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

from service.gateway.config import StowDestination
from service.gateway.errors import PermanentError, TransientError
from service.gateway.statuses import judge
from service.gateway.web import Answer, Asked, ask

FAILED, STORED = "00081198", "00081199"  # Failed SOP Sequence, Referenced SOP Sequence (PS3.18 I.2.2)
INSTANCE, REASON = "00081155", "00081197"  # Referenced SOP Instance UID, Failure Reason
CONFLICT = 409  # nothing is stored, and the data set says why (PS3.18 table 10.5.3-1)


def send(destination: StowDestination, sop_uid: str, data: bytes, timeout_s: float) -> None:
    """Store an object there; return when the answer lists it as stored."""
    boundary = uuid.uuid4().hex
    headers = {"Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}', "Accept": "application/dicom+json"}
    body = b"".join((
        f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode(), data, f"\r\n--{boundary}--\r\n".encode(),
    ))  # fmt: skip
    _read(ask(destination, Asked("POST", "/studies", headers, body=body), timeout_s), sop_uid)


def _read(answer: Answer, sop_uid: str) -> None:
    if not answer.is_success and answer.status != CONFLICT:
        answer.refuse()
    told = _told(answer)
    failed = [item for item in _items(told, FAILED) if _value(item, INSTANCE) in (sop_uid, None)]
    for item in failed:
        _judge(answer, _value(item, REASON))
    if failed or any(_value(item, INSTANCE) == sop_uid for item in _items(told, STORED)):
        return
    if not answer.is_success:
        answer.refuse()
    raise TransientError(f"HTTP status {answer.status}, but the answer does not list the object as stored")


def _judge(answer: Answer, reason: object) -> None:
    """A failure by its reason, one number of those of C-STORE; returns where that says that the object was there before."""
    if not isinstance(reason, int) or not reason:
        raise PermanentError(f"HTTP status {answer.status}, and the archive lists the object as failed")
    judge(reason)


def _told(answer: Answer) -> Any:  # noqa: ANN401  whatever JSON is there
    """The data set of the answer; an empty one where there is none. Some archives put it in a list."""
    try:
        told = json.loads(answer.content)
    except (ValueError, RecursionError):
        return {}
    return told[0] if isinstance(told, list) and told else told


def _items(dataset: Any, tag: str) -> Iterator[Any]:  # noqa: ANN401
    """Items of a sequence in the DICOM JSON model (PS3.18 F.2); none where it is not one."""
    element = dataset.get(tag) if isinstance(dataset, dict) else None
    values = element.get("Value") if isinstance(element, dict) else None
    yield from values if isinstance(values, list) else ()


def _value(dataset: Any, tag: str) -> object:  # noqa: ANN401
    """The first value of an element."""
    return next(_items(dataset, tag), None)

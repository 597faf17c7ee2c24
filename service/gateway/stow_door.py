"""The door for STOW-RS (PS3.18 10.5): a request's instances into the intake, and an answer that says of each what became of it.

HTTP status by table 10.5.3-1: 200 all stored, 202 some, 409 none; 400 for a body that is no multipart, 413 for one that is too large, 415
for anything but application/dicom, 503 with Retry-After where there is no room. What was stored before a request failed stays stored, is
listed, and is known when it is sent again.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from service.errors import (
    CallerLeftError,
    MalformedRequestError,
    NotAcceptableError,
    RequestError,
    SlowRequestError,
    TooLargeRequestError,
    UnsupportedMediaTypeError,
)
from service.gateway.admission import Admission
from service.gateway.config import GatewayConfig, Web
from service.gateway.identity import is_uid
from service.gateway.intake import OUT_OF_RESOURCES, Intake, RefusedError, Sent
from service.gateway.storing import Outcome, Storing, boundary_of
from service.gateway.tls import NO_CERTIFICATE
from service.telemetry import fault, log

FAILED, STORED, OTHER = "00081198", "00081199", "0008119A"  # Failed SOP, Referenced SOP, Other Failures Sequence (PS3.18 I.2.2)
CLASS, INSTANCE, REASON, RETRIEVE_URL = "00081150", "00081155", "00081197", "00081190"
NOWHERE = {RETRIEVE_URL: {"vr": "UR"}}  # type 2: nothing can be retrieved here
DICOM_JSON, PROBLEM = "application/dicom+json", "application/problem+json"
STATUS: dict[type[RequestError], int] = {
    MalformedRequestError: 400, CallerLeftError: 400, NotAcceptableError: 406, SlowRequestError: 408, TooLargeRequestError: 413,
    UnsupportedMediaTypeError: 415,
}  # fmt: skip
RETRY_AFTER_S = 30
POLL_S = 1.0  # how long a thread may wait for bytes until it looks whether the door closes
CERTIFICATE = "chiasm.certificate"

Json = dict[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


@dataclass(frozen=True)
class Reply:
    """What is answered."""

    status: int
    body: bytes = b""
    kind: str = DICOM_JSON
    headers: dict[str, str] = field(default_factory=dict)


def refusal(status: int, detail: str, **headers: str) -> Reply:
    """Nothing was stored, and why (RFC 9457)."""
    later = {"Retry-After": str(RETRY_AFTER_S)} if status == 503 else {}
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, json.dumps({"status": status, "detail": detail}).encode(), PROBLEM, later | told)


class RefusingError(Exception):
    """A request that is refused by its headers."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


@dataclass(frozen=True)
class StowTally:
    """What the door has seen since it began: requests by HTTP status, instances by status."""

    requests: Mapping[int, int]
    instances: Mapping[int, int]


class StowDoor:
    """An ASGI application. `token` is what a request must carry, empty for none."""

    def __init__(self, config: GatewayConfig, web: Web, intake: Intake, token: str = "") -> None:
        self.closing = False  # no request is taken any more, and those that wait for bytes end
        self._web, self._intake, self._token = web, intake, token
        self._admission = Admission(config.receive)
        self._bases = web.bases or {"/dicom-web": config.receive.ae_titles[0]}
        self._pool = ThreadPoolExecutor(web.max_requests, thread_name_prefix="stow")
        self._busy = 0
        self._requests: Counter[int] = Counter()
        self._instances: Counter[int] = Counter()

    def tally(self) -> StowTally:
        """The counters as they stand."""
        return StowTally(dict(self._requests), dict(self._instances))

    def close(self) -> None:
        """Let the threads go, when no request is served any more."""
        self._pool.shutdown()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            reply = await self._answer(scope, receive)
        except RefusingError as refusing:
            reply = refusing.reply
        except Exception as error:  # noqa: BLE001  a fault of ours ends no door
            log.error("a STOW-RS request failed", extra=fault(error))
            reply = refusal(500, "the request could not be served; the log of this time says why")
        self._requests[reply.status] += 1
        headers = {"Content-Type": reply.kind, "Content-Length": str(len(reply.body)), "Cache-Control": "no-store"} | reply.headers
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": reply.status, "headers": raw})
        await send({"type": "http.response.body", "body": reply.body})

    async def _answer(self, scope: Message, receive: Receive) -> Reply:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        sent = self._admitted(scope, headers)
        if self.closing or self._busy >= self._web.max_requests:
            raise RefusingError(refusal(503, "the door closes" if self.closing else "as many requests as are allowed are being served"))
        self._busy += 1
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._pool, self._store, sent, headers, _Body(self, self._web, loop, receive))
        finally:
            self._busy -= 1

    def _admitted(self, scope: Message, headers: Mapping[str, str]) -> Sent:
        """By path, token, and caller; the body is not looked at."""
        base, _, study_uid = str(scope["path"]).rstrip("/").partition("/studies")
        if base not in self._bases or (study_uid and not is_uid(study_uid[1:])):
            raise RefusingError(refusal(404, "instances are stored under /studies and /studies/{study} of the configured bases"))
        if scope["method"] != "POST":
            raise RefusingError(refusal(405, "instances are stored by POST; nothing is retrieved here", Allow="POST"))
        if self._token and not hmac.compare_digest(headers.get("authorization", "").encode(), f"Bearer {self._token}".encode()):
            raise RefusingError(refusal(401, "the bearer token is missing or not the one", WWW_Authenticate="Bearer"))
        address = (scope.get("client") or ("0.0.0.0",))[0]  # noqa: S104  an address that no entry has
        certificate = scope.get("extensions", {}).get(CERTIFICATE, NO_CERTIFICATE)
        calling = self._admission.caller(address, certificate, trusted=bool(self._token))
        if calling is None:
            log.warning("refused", extra={"service": "STOW-RS", "status": 403, "address": address})
            raise RefusingError(refusal(403, "no caller is known by this address or certificate"))
        return Sent(self._bases[base], calling, study_uid[1:])

    def _store(self, sent: Sent, headers: Mapping[str, str], body: _Body) -> Reply:
        """In a thread of its own: everything that waits for a disk."""
        storing: Storing | None = None
        try:
            body.check(headers, self._intake)
            storing = Storing(self._intake, sent, boundary_of(headers.get("content-type", "")), self._web.max_parts)
            reply = _reply(storing.run(iter(body)))
        except RefusedError:
            reply = refusal(503, "there is no room for so much")
        except RequestError as error:
            reply = _cut_short(error, storing.outcome if storing else Outcome())
        self._count(sent, reply, storing.outcome if storing else Outcome())
        return reply

    def _count(self, sent: Sent, reply: Reply, outcome: Outcome) -> None:
        self._instances[0] += len(outcome.stored)
        self._instances.update(status for _, _, status in outcome.failed)
        told = {"service": "STOW-RS", "status": reply.status, "instances": len(outcome), "called": sent.called, "calling": sent.calling}
        log.log(30 if outcome.failed or reply.status >= 400 else 20, "instances sent", extra=told)


@dataclass(frozen=True)
class _Body:
    """The bytes of a request, waited for in a thread: bounded in size and in time."""

    door: StowDoor
    web: Web
    loop: asyncio.AbstractEventLoop
    receive: Receive

    def check(self, headers: Mapping[str, str], intake: Intake) -> None:
        """By the headers alone. Raises RequestError, or RefusedError where there is no room."""
        accepted = [each.partition(";")[0].strip().lower() for each in headers.get("accept", "*/*").split(",")]
        if not {DICOM_JSON, "application/json", "application/*", "*/*"} & set(accepted):
            raise NotAcceptableError(f"the answer is {DICOM_JSON}")
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise UnsupportedMediaTypeError("send the body without Content-Encoding")
        length = int(headers.get("content-length", "0")[:18])
        self._check(length)
        intake.check_room(length)

    def __iter__(self) -> Iterator[bytes]:
        received, more, until = 0, True, time.monotonic() + self.web.receive_timeout_s
        while more:
            message = self._next(until)
            chunk, more = message.get("body", b""), message.get("more_body", False)
            received += len(chunk)
            self._check(received)
            yield chunk

    def _check(self, size: int) -> None:
        if size > self.web.max_body_bytes:
            raise TooLargeRequestError(f"the body is larger than web.max_body_bytes ({self.web.max_body_bytes})")

    def _next(self, until: float) -> Message:
        coming = asyncio.run_coroutine_threadsafe(self._received(), self.loop)
        while True:
            try:
                message = coming.result(POLL_S)
            except TimeoutError:
                if time.monotonic() < until and not self.door.closing:
                    continue
                coming.cancel()
                raise SlowRequestError(f"the body did not arrive within {self.web.receive_timeout_s:g} s") from None
            if message["type"] == "http.disconnect":
                raise CallerLeftError("the caller closed the connection while sending")
            return message

    async def _received(self) -> Message:
        return await self.receive()


def _reply(outcome: Outcome) -> Reply:
    if not len(outcome):
        return refusal(400, "the body has no part")
    if not outcome.failed:
        return Reply(200, _dataset(outcome))
    if outcome.stored:
        return Reply(202, _dataset(outcome))
    full = any(status == OUT_OF_RESOURCES for _, _, status in outcome.failed)
    return Reply(503, _dataset(outcome), headers={"Retry-After": str(RETRY_AFTER_S)}) if full else Reply(409, _dataset(outcome))


def _cut_short(error: RequestError, outcome: Outcome) -> Reply:
    """What was stored before is told."""
    status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    return Reply(202 if status == 400 else status, _dataset(outcome)) if outcome.stored else refusal(status, str(error))


def _dataset(outcome: Outcome) -> bytes:
    """Store Instances Response Module (PS3.18 I.2) in the DICOM JSON model; a failure of what has no name stands by itself."""
    named = [_reference(sop_class, sop_uid) | _reason(status) for sop_class, sop_uid, status in outcome.failed if sop_uid]
    unnamed = [_reason(status) for _, sop_uid, status in outcome.failed if not sop_uid]
    sequences = {STORED: [_reference(*each) | NOWHERE for each in outcome.stored], FAILED: named, OTHER: unnamed}
    return json.dumps(NOWHERE | {tag: {"vr": "SQ", "Value": items} for tag, items in sequences.items() if items}).encode()


def _reference(sop_class: str, sop_uid: str) -> Json:
    return {CLASS: {"vr": "UI", "Value": [sop_class]}, INSTANCE: {"vr": "UI", "Value": [sop_uid]}}


def _reason(status: int) -> Json:
    return {REASON: {"vr": "US", "Value": [status]}}

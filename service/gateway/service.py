"""Asking the service: a study in, its results as DICOM out; what it refuses, and what only has to wait."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from models import SPECS
from models.spec import Measured, ModelSpec
from service.errors import ServiceError
from service.gateway.config import Priority

RELATED = 'multipart/related; type="application/dicom"'
BOUNDARY = "chiasm-gateway-0b6c7d3e5f"
GZIP = b"\x1f\x8b"  # RFC 1952
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})  # the same study may be answered later


class LaterError(ServiceError):
    """The service cannot be asked now; the same study may be answered after `after_s` seconds."""

    code = "service_unavailable"

    def __init__(self, message: str, after_s: float = 0.0) -> None:
        super().__init__(message)
        self.after_s = after_s


class NotYetError(LaterError):
    """Something that belongs to the study may still come: nothing has failed, and nothing is counted as an attempt."""

    code = "waiting"


@dataclass(frozen=True)
class Refused:
    """Read, and not evaluated: the stable code of the problem and its sentence, which holds no patient data."""

    code: str
    detail: str


@dataclass(frozen=True)
class Question:
    """What a model is asked: the files of a study, genotypes where they were left for it, and metadata that headers do not hold."""

    model: str
    files: Sequence[bytes]
    genotypes: Sequence[bytes] = ()
    metadata: dict[str, Any] = field(default_factory=dict)
    priority: Priority = "routine"

    def body(self) -> bytes:
        """As multipart/related with the boundary of this module."""
        parts = [("application/dicom", data) for data in self.files]
        parts += [("application/gzip" if data.startswith(GZIP) else "text/vcf", data) for data in self.genotypes]
        if self.metadata:
            parts.append(("application/json", json.dumps(self.metadata).encode()))
        pieces = [f"--{BOUNDARY}\r\nContent-Type: {kind}\r\n\r\n".encode() + data + b"\r\n" for kind, data in parts]
        return b"".join(pieces) + f"--{BOUNDARY}--\r\n".encode()


@dataclass(frozen=True)
class Served:
    """The network that the service serves under a name, as results name it."""

    spec: ModelSpec
    digest: str
    provider: str


class Service:
    """A client of the service."""

    def __init__(self, url: str, timeout_s: float = 180.0) -> None:
        self._client = httpx.Client(base_url=url, timeout=timeout_s)

    def close(self) -> None:
        """Let go of its connections."""
        self._client.close()

    def evaluate(self, asked: Question, *, maps: bool = False) -> tuple[bytes, ...] | Refused:
        """The report, the page, and where they are wanted the maps, in this order.

        Raises
        ------
        LaterError
            The service is not there, overloaded, draining, or at fault.
        """
        wanted = {"objects": "report,page,map"} if maps else {}
        answer = self._ask(asked, RELATED, **wanted)
        return answer if isinstance(answer, Refused) else _parts(answer)

    def answer(self, asked: Question) -> bytes | Refused:
        """The JSON answer. Raises LaterError as `evaluate` does."""
        answer = self._ask(asked, "application/json")
        return answer if isinstance(answer, Refused) else answer.content

    def bundle(self, asked: Question) -> bytes | Refused:
        """The answer as a FHIR transaction Bundle. Raises LaterError as `evaluate` does."""
        answer = self._ask(asked, "application/fhir+json")
        return answer if isinstance(answer, Refused) else answer.content

    def served(self, model: str) -> Served:
        """Which network answers. Raises LaterError as `evaluate` does."""
        try:
            told = self._client.get(f"/models/{model}").raise_for_status().json()
        except (httpx.HTTPError, ValueError) as error:
            raise LaterError(f"the service does not say what it serves: {type(error).__name__}") from None
        measured = Measured(training_data=told["training_data"], recipe="", seed=0)
        return Served(SPECS[model].with_measured(measured), told["digest"], told["execution_provider"])

    def _ask(self, asked: Question, accept: str, **parameters: str) -> httpx.Response | Refused:
        headers = {"Content-Type": f'multipart/related; type="application/dicom"; boundary={BOUNDARY}', "Accept": accept}
        headers["X-Priority"] = asked.priority
        try:
            response = self._client.post(f"/predict/{asked.model}", params=parameters, content=asked.body(), headers=headers)
        except httpx.HTTPError as error:
            raise LaterError(f"the service cannot be reached: {type(error).__name__}") from None
        if response.is_success:
            return response
        if response.status_code in PASSING:
            raise LaterError(f"the service answered {response.status_code}", _seconds(response.headers.get("retry-after", "")))
        try:
            problem = response.json()
            return Refused(str(problem["code"]), str(problem["detail"]))
        except (ValueError, KeyError):
            return Refused("unknown", f"the service answered {response.status_code}")


def _parts(response: httpx.Response) -> tuple[bytes, ...]:
    """The objects of a multipart answer; its boundary stands in none of them."""
    _, _, boundary = response.headers["content-type"].partition("boundary=")
    pieces = response.content.split(b"--" + boundary.strip('"').encode())[1:-1]
    objects = tuple(piece.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for piece in pieces)
    if not objects or not all(each[128:132] == b"DICM" for each in objects):
        raise LaterError("the service's answer holds something other than DICOM objects")
    return objects


def _seconds(retry_after: str) -> float:
    return float(retry_after) if retry_after.isdecimal() else 0.0

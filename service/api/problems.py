"""Errors become problem+json (RFC 9457). The one table from the two error trees to status codes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from models import errors as study
from service import errors as service

MEDIA_TYPE = "application/problem+json"
NO_STORE = {"Cache-Control": "no-store"}  # what is said of a study stays out of every cache
MAX_ERRORS = 20
STATUS: dict[type[Exception], int] = {
    study.StudyError: 422,
    study.UnsupportedFormatError: 415,
    study.TooLargeError: 413,
    service.ServiceError: 500,
    service.MalformedRequestError: 400,
    service.RequestError: 400,
    service.UnknownModelError: 404,
    service.NotAcceptableError: 406,
    service.SlowRequestError: 408,
    service.TooLargeRequestError: 413,
    service.UnsupportedMediaTypeError: 415,
    service.InvalidParameterError: 422,
    service.DecoderError: 422,
    service.CallerLeftError: 499,  # nginx's number for it; nobody reads the answer, but the log and the metrics do
    service.UnavailableError: 503,
}
KINDS: tuple[type[study.StudyError | service.ServiceError], ...] = (  # what POST /predict/{model} may answer, in the order of the status
    service.MalformedRequestError, service.UnknownModelError, service.NotAcceptableError, service.SlowRequestError,
    service.TooLargeRequestError, study.TooLargeError, service.UnsupportedMediaTypeError, study.UnsupportedFormatError,
    service.InvalidParameterError, study.InvalidMetadataError, study.MetadataConflictError, study.MissingImageError,
    study.UnreadableImageError, study.UnsuitableImageError, study.MissingGenotypesError, study.UnreadableGenotypesError,
    study.UnsuitableGenotypesError, study.NotEvaluableError, service.DecodingTimeoutError,
    service.DecoderCrashedError, service.ModelOutputError,
    service.OverloadedError, service.DeadlineError, service.NotReadyError, service.DrainingError,
)


class ErrorDetail(BaseModel):
    """One thing that is wrong, and where."""

    pointer: str = Field(description="RFC 6901 JSON pointer into the request")
    detail: str


class Problem(BaseModel):
    """RFC 9457, and what a caller needs beside it. Never a stack, a path, or a value of the study."""

    type: str
    title: str
    status: int
    detail: str
    code: str = Field(description="Stable, lower snake case: what programs branch on")
    hint: str = Field(description="What to do about it")
    errors: list[ErrorDetail] = []
    request_id: str = Field(description="Finds the request in the service's log")


def status_of(kind: type[Exception]) -> int:
    """The status of an error class: its own, or that of the nearest class above it."""
    return next(STATUS[base] for base in kind.__mro__ if base in STATUS)


def title_of(status: int) -> str:
    """The standard phrase of a status."""
    return "Client Closed Request" if status == 499 else HTTPStatus(status).phrase


def response(status: int, code: str, detail: str, hint: str, request_id: str, errors: Iterable[dict[str, str]] = ()) -> Response:
    """A problem as a response."""
    told = list(errors)
    if len(told) > MAX_ERRORS:
        told[MAX_ERRORS - 1 :] = [{"pointer": "", "detail": f"and {len(told) - MAX_ERRORS + 1} more"}]
    body = {
        "type": f"urn:chiasm:problem:{code}", "title": title_of(status), "status": status, "detail": detail,
        "code": code, "hint": hint, "errors": told, "request_id": request_id,
    }
    return Response(msgspec.json.encode(body), status, NO_STORE, MEDIA_TYPE)


def documented(kinds: Iterable[type[study.StudyError | service.ServiceError]]) -> dict[int | str, dict[str, Any]]:
    """OpenAPI `responses` of these errors, from the table, so that the two cannot drift apart."""
    found: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        status = status_of(kind)
        entry = found.setdefault(status, {"model": Problem, "description": "", "content": {MEDIA_TYPE: {"examples": {}}}})
        entry["content"][MEDIA_TYPE]["examples"][kind.code] = {"summary": (kind.__doc__ or "").splitlines()[0], "value": _example(kind)}
        entry["description"] = ", ".join(entry["content"][MEDIA_TYPE]["examples"])
        if issubclass(kind, service.UnavailableError):
            entry["headers"] = {"Retry-After": {"description": "Seconds to wait", "schema": {"type": "integer"}}}
    return found


def install(app: FastAPI) -> None:
    """Answer every error of the two trees, and those of the framework, in one shape."""
    app.add_exception_handler(study.StudyError, _known)
    app.add_exception_handler(service.ServiceError, _known)
    app.add_exception_handler(HTTPException, _framework)
    app.add_exception_handler(RequestValidationError, _framework)


def internal_error(request_id: str) -> Response:
    """The answer to an error that nobody expected."""
    return response(500, "internal_error", "an unexpected fault of the service", service.ServiceError.default_hint, request_id)


# Neither handler blocks, yet both are async: any other is sent to a thread, and under overload each refusal would wait for one.
async def _known(request: Request, error: Exception) -> Response:
    assert isinstance(error, study.StudyError | service.ServiceError)  # noqa: S101  registered for these only
    request.state.code = error.code
    errors = [{"pointer": each.pointer, "detail": each.detail} for each in error.details]
    answer = response(status_of(type(error)), error.code, str(error), error.hint, request.state.request_id, errors)
    if isinstance(error, service.UnavailableError):
        answer.headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    return answer


async def _framework(request: Request, error: Exception) -> Response:
    """The framework's own errors: unknown path or method, or parameters that do not parse."""
    status = error.status_code if isinstance(error, HTTPException) else 422
    code = title_of(status).lower().replace(" ", "_") if isinstance(error, HTTPException) else service.InvalidParameterError.code
    request.state.code = code
    answer = response(status, code, title_of(status).lower(), service.RequestError.default_hint, request.state.request_id)
    if isinstance(error, HTTPException) and error.headers:
        answer.headers.update(error.headers)
    return answer


def _example(kind: type[study.StudyError | service.ServiceError]) -> dict[str, object]:
    status = status_of(kind)
    return {
        "type": f"urn:chiasm:problem:{kind.code}", "title": title_of(status), "status": status,
        "detail": (kind.__doc__ or "").splitlines()[0], "code": kind.code, "hint": kind.default_hint, "errors": [], "request_id": "01J…",
    }

"""JSON without its loopholes: no NaN, no infinity, no duplicate key, no lone surrogate, nothing after the end."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from service.errors import MalformedRequestError, TooLargeRequestError

MAX_DEPTH = 16
MAX_INTEGER = 2**63


def metadata(text: bytes, limit: int) -> dict[str, Any]:
    """The metadata object of a request.

    Raises
    ------
    MalformedRequestError
        It is not one JSON object in UTF-8, or uses a loophole.
    TooLargeRequestError
        It is longer than `limit` bytes.
    """
    if len(text) > limit:
        raise TooLargeRequestError(f"the metadata are larger than CHIASM_MAX_METADATA_BYTES ({limit} bytes)")
    try:
        value = json.loads(
            text.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite, parse_int=_bounded
        )
        json.dumps(value, ensure_ascii=False).encode("utf-8")  # a lone surrogate cannot be encoded
    except (ValueError, RecursionError) as error:
        raise MalformedRequestError(f"the metadata are not strict JSON: {_reason(error)}") from None
    if not isinstance(value, dict):
        raise MalformedRequestError("the metadata are not a JSON object")
    if _depth(value) > MAX_DEPTH:
        raise MalformedRequestError(f"the metadata are nested deeper than {MAX_DEPTH}")
    return value


class _LoopholeError(ValueError):
    """A construct that JSON parsers differ about."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise _LoopholeError("a key occurs twice")
    return result


def _no_constant(_: str) -> NoReturn:
    raise _LoopholeError("NaN and Infinity are not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _LoopholeError("a number is too large")
    return value


def _bounded(text: str) -> int:
    if len(text) > 20 or abs(value := int(text)) >= MAX_INTEGER:
        raise _LoopholeError("a number is too large")
    return value


def _reason(error: Exception) -> str:
    """What may be said of it: our own words, or the place; never the text around it."""
    if isinstance(error, _LoopholeError):
        return str(error)
    if isinstance(error, json.JSONDecodeError):
        return f"line {error.lineno}, column {error.colno}"
    return "nested too deeply" if isinstance(error, RecursionError) else "not UTF-8"


def _depth(value: object) -> int:
    """Nesting depth; the parser has already bounded it by its own stack."""
    children: list[Any] = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return 1 + max(map(_depth, children), default=0) if isinstance(value, dict | list) else 0

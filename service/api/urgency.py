"""How urgent a caller says a request is: X-Priority and X-Deadline-Ms."""

from __future__ import annotations

import time
from dataclasses import dataclass

from starlette.datastructures import Headers

from service.errors import InvalidParameterError, Pointed
from service.waiting.urgency import Priority, Urgency

PRIORITY, DEADLINE_MS = "X-Priority", "X-Deadline-Ms"
WORDS = {priority.word: priority for priority in Priority}


@dataclass(frozen=True)
class Terms:
    """What the headers of one request say.

    Attributes
    ----------
    timeout_s
        From the arrival where the caller says so, from the receipt of the body where nobody does.
    """

    priority: Priority
    timeout_s: float
    arrived: float | None

    @classmethod
    def of(cls, headers: Headers, arrived: float, longest_s: float) -> Terms:
        """Read the headers; InvalidParameterError where they say what cannot be."""
        word = _only(headers, PRIORITY, Priority.ROUTINE.word)
        if word not in WORDS:
            raise _invalid(PRIORITY, f"One of {', '.join(WORDS)}; without the header a study is {Priority.ROUTINE.word}.")
        if DEADLINE_MS not in headers:
            return cls(WORDS[word], longest_s, None)
        return cls(WORDS[word], _seconds(_only(headers, DEADLINE_MS, ""), longest_s), arrived)

    def urgency(self) -> Urgency:
        """With the deadline that holds if the body was received just now."""
        return Urgency(self.priority, (time.monotonic() if self.arrived is None else self.arrived) + self.timeout_s)


def _only(headers: Headers, name: str, default: str) -> str:
    """The value of a header that may not occur twice, in any case."""
    values = headers.getlist(name) or [default]
    if len(values) > 1:
        raise _invalid(name, "Send it once.")
    return values[0].strip().lower()


def _seconds(text: str, longest_s: float) -> float:
    longest_ms = int(1000 * longest_s)
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= longest_ms):
        hint = f"A whole number of milliseconds from the arrival of the request to its answer, from 1 to {longest_ms}."
        raise _invalid(DEADLINE_MS, hint)
    return int(text) / 1000


def _invalid(name: str, hint: str) -> InvalidParameterError:
    return InvalidParameterError(f"the header {name} has another value", hint=hint, details=(Pointed(f"/{name}", "invalid value"),))

"""One request to somebody over HTTP: answered within a time and a size, and the status told as passing or not."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import NoReturn

import httpx

from service.gateway.config import WebSide
from service.gateway.errors import PermanentError, TransientError
from service.gateway.tls import web_context

VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)\}")
PASSING = frozenset({408, 425, 429})  # RFC 9110 15.5.9, RFC 8470, RFC 6585; and everything from 500 on
LARGEST_ANSWER = 1 << 20
LONGEST_WAIT_S = 86400.0  # of a Retry-After


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    content: bytes
    retry_after_s: float

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    @property
    def is_passing(self) -> bool:
        """Whether the same may be answered otherwise later."""
        return self.status in PASSING or self.status >= 500

    def refuse(self) -> NoReturn:
        """Tell the status as the reason."""
        if self.is_passing:
            raise TransientError(f"HTTP status {self.status}", retry_after_s=self.retry_after_s)
        raise PermanentError(f"HTTP status {self.status}")


@dataclass(frozen=True)
class Asked:
    """What is asked: a method, what follows the configured URL, the headers of its form, and a body."""

    method: str = "GET"
    path: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


def ask(side: WebSide, asked: Asked, timeout_s: float) -> Answer:
    """Send a request with the headers of the configuration and then its own, and read the answer.

    Raises
    ------
    TransientError
        Nobody answered, or not to the end.
    PermanentError
        It cannot be sent: the URL, a header, or what a header needs from the environment.
    """
    with streamed(side, asked, timeout_s) as response:
        return Answer(response.status_code, _content(response, timeout_s), _retry_after_s(response.headers.get("retry-after", "")))


@contextmanager
def streamed(side: WebSide, asked: Asked, timeout_s: float) -> Iterator[httpx.Response]:
    """The same, with an answer that is still to be read, of any size. `timeout_s` is for each piece. Raises as `ask` does."""
    headers = httpx.Headers({name: _filled(value) for name, value in side.headers.items()})
    headers.update({"Accept-Encoding": "identity", **asked.headers})
    url = f"{side.url.rstrip('/')}{asked.path}" if asked.path else side.url
    query = dict(asked.query) or None  # an empty one would take the one that the URL has
    try:
        with (
            httpx.Client(timeout=timeout_s, verify=web_context(side)) as client,
            client.stream(asked.method, url, headers=headers, content=asked.body, params=query) as response,
        ):
            yield response
    except (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.InvalidURL) as error:
        raise PermanentError(f"the URL or a header of the destination cannot be used: {type(error).__name__}") from None
    except httpx.RequestError as error:
        raise TransientError(f"no answer: {type(error).__name__}") from None


def refuse(response: httpx.Response) -> NoReturn:
    """Tell the status of an answer that is not read as the reason."""
    Answer(response.status_code, b"", _retry_after_s(response.headers.get("retry-after", ""))).refuse()


def _filled(value: str) -> str:
    """With ${NAME} read from the environment."""
    if missing := [name for name in VARIABLE.findall(value) if name not in os.environ]:
        raise PermanentError(f"the environment has no {', '.join(missing)}, which a header of the destination needs")
    return VARIABLE.sub(lambda match: os.environ[match[1]], value)


def _content(response: httpx.Response, timeout_s: float) -> bytes:
    """The body: whoever sends too much, or too slowly, is not listened to any longer."""
    content, until = b"", time.monotonic() + timeout_s
    for piece in response.iter_bytes():
        content += piece
        if len(content) > LARGEST_ANSWER or time.monotonic() > until:
            raise TransientError(f"HTTP status {response.status_code}, and an answer that does not end")
    return content


def _retry_after_s(value: str) -> float:
    """Seconds, or a date (RFC 9110 10.2.3); 0 where it is neither."""
    try:
        seconds = float(value) if value.isdecimal() else parsedate_to_datetime(value).timestamp() - time.time()
    except (ValueError, OverflowError):
        return 0.0
    return min(max(seconds, 0.0), LONGEST_WAIT_S)

"""One POST: sent with its length, answered within a time and a size, and the status told as passing or not."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import NoReturn

import httpx

from service.gateway.errors import PermanentError, TransientError

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

    def refuse(self) -> NoReturn:
        """Tell the status as the reason."""
        if self.status in PASSING or self.status >= 500:
            raise TransientError(f"HTTP status {self.status}", retry_after_s=self.retry_after_s)
        raise PermanentError(f"HTTP status {self.status}")


def post(url: str, configured: Mapping[str, str], headers: Mapping[str, str], body: bytes, timeout_s: float) -> Answer:
    """Send a body, with the headers of the configuration and then those of its form."""
    sent = httpx.Headers({name: _filled(value) for name, value in configured.items()})
    sent.update({"Accept-Encoding": "identity", **headers})
    try:
        with httpx.Client(timeout=timeout_s) as client, client.stream("POST", url, headers=sent, content=body) as response:
            return Answer(response.status_code, _content(response, timeout_s), _retry_after_s(response.headers.get("retry-after", "")))
    except (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.InvalidURL) as error:
        raise PermanentError(f"the URL or a header of the destination cannot be used: {type(error).__name__}") from None
    except httpx.RequestError as error:
        raise TransientError(f"no answer: {type(error).__name__}") from None


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

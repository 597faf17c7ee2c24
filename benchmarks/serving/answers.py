"""Where the numbers stand in what comes back, from the service and from every peer."""

from __future__ import annotations

import json


def answer_of(body: bytes) -> tuple[float, ...]:
    """The numbers in an answer, a peer's or the service's."""
    said = json.loads(body)
    if "answer" in said:
        return tuple(said["answer"])
    if said["measurements"]:
        return (said["measurements"][0]["value"],)
    return tuple(finding["probability"] for finding in said["findings"])

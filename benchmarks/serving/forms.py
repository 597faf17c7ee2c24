"""How a study is sent, to the service and to every peer, and where the numbers stand in what comes back."""

from __future__ import annotations

import json

BOUNDARY = "chiasm-bench"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def form(image: bytes, metadata: str) -> bytes:
    """multipart/form-data with a file and a field (RFC 7578)."""
    parts = (('image"; filename="image', b"Content-Type: application/octet-stream\r\n", image), ("metadata", b"", metadata.encode()))
    pieces = [
        b'--%s\r\nContent-Disposition: form-data; name="%s"\r\n%s\r\n%s\r\n' % (BOUNDARY.encode(), name.encode(), kind, data)
        for name, kind, data in parts
    ]
    return b"".join([*pieces, b"--%s--\r\n" % BOUNDARY.encode()])


def answer_of(body: bytes) -> tuple[float, ...]:
    """The numbers in an answer, a peer's or the service's."""
    said = json.loads(body)
    if "answer" in said:
        return tuple(said["answer"])
    if said["measurements"]:
        return (said["measurements"][0]["value"],)
    return tuple(finding["probability"] for finding in said["findings"])

"""Studies as multipart/form-data (RFC 7578), as every benchmark sends them."""

from __future__ import annotations

from collections.abc import Sequence

BOUNDARY = b"chiasm-bench"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY.decode()}"


def body(parts: Sequence[tuple[str, str, bytes]]) -> bytes:
    """Parts, each with the name of its field, that of its file if it is one, and its bytes."""
    pieces = []
    for name, file, data in parts:
        head = f'Content-Disposition: form-data; name="{name}"'
        if file:
            head += f'; filename="{file}"\r\nContent-Type: application/octet-stream'
        pieces.append(b"--%s\r\n%s\r\n\r\n%s\r\n" % (BOUNDARY, head.encode(), data))
    return b"".join([*pieces, b"--%s--\r\n" % BOUNDARY])

"""Names of answers."""

from __future__ import annotations

import os
import time
import uuid


def uuid7() -> str:
    """A UUID version 7: milliseconds since 1970, then random bits (RFC 9562 5.7)."""
    bits = (time.time_ns() // 1_000_000 << 80) | int.from_bytes(os.urandom(10), "big")
    bits = bits & ~(0xF << 76) & ~(0x3 << 62) | (0x7 << 76) | (0x2 << 62)
    return str(uuid.UUID(int=bits & (1 << 128) - 1))

"""Whatever goes wrong in a decoder is a StudyError with a message that is safe to show."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from models.errors import StudyError, UnreadableImageError


@contextmanager
def nothing_else_escapes(message: str) -> Iterator[None]:
    """Turn whatever a decoder throws at a broken file into one refusal, without the text that would quote the file."""
    try:
        yield
    except StudyError:
        raise
    except Exception:  # noqa: BLE001 - Pillow alone throws seven kinds, SyntaxError among them; none may become a fault of the service
        raise UnreadableImageError(message) from None

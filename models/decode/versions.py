"""Which decoder it was, as answers report it."""

from __future__ import annotations

import functools
from importlib.metadata import version


@functools.cache  # reading the metadata of a distribution takes as long as decoding a small picture
def versioned(distribution: str) -> str:
    """The name of an installed distribution, and its version."""
    return f"{distribution} {version(distribution)}"

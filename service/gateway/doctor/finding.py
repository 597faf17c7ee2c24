"""One thing that was looked at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: whether it is well, and a sentence."""

    well: bool
    sentence: str


def fine(sentence: str) -> Finding:
    """Nothing to change."""
    return Finding(well=True, sentence=sentence)


def ill(sentence: str) -> Finding:
    """Something to change, and what."""
    return Finding(well=False, sentence=sentence)

"""Two runs of one model side by side: what differs between them, and what each has reached."""

from training.comparison.command import compare

__all__ = ["compare"]

"""What a cohort on disk holds, before anyone trains on it: counts, labels, fields, pictures, and everything that would spoil a model."""

from training.inspection.command import inspect
from training.inspection.examine import examine

__all__ = ["examine", "inspect"]

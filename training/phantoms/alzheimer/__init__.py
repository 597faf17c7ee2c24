"""Phantom heads: T1-weighted MRI and FDG-PET of drawn brains, genotypes and tables, with a diagnosis planted in all of them together."""

from training.phantoms.alzheimer.cohort import write
from training.phantoms.alzheimer.example import write_example
from training.phantoms.alzheimer.patient import Phantom, draw
from training.phantoms.alzheimer.truth import planted

__all__ = ["Phantom", "draw", "planted", "write", "write_example"]

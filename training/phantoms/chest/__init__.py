"""Made chests: frontal radiographs with the fourteen findings planted where they belong."""

from training.phantoms.chest.cohort import write
from training.phantoms.chest.example import write_example
from training.phantoms.chest.patient import Patient, draw
from training.phantoms.chest.truth import planted

__all__ = ["Patient", "draw", "planted", "write", "write_example"]

"""Made mammogram crops: lesions drawn after their descriptors, whose malignancy no one source tells whole."""

from training.phantoms.breast.cohort import write
from training.phantoms.breast.example import write_example
from training.phantoms.breast.lesion import Lesion, draw
from training.phantoms.breast.truth import planted

__all__ = ["Lesion", "draw", "planted", "write", "write_example"]

"""Phantom hips: anteroposterior radiographs drawn from a parametric hip, with BMD planted in the physics."""

from training.phantoms.bmd.cohort import write
from training.phantoms.bmd.dicom import encode
from training.phantoms.bmd.example import write_example
from training.phantoms.bmd.patient import Phantom, draw, render
from training.phantoms.bmd.truth import planted

__all__ = ["Phantom", "draw", "encode", "planted", "render", "write", "write_example"]

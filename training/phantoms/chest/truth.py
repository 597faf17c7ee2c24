"""What was planted in a chest: where each finding lies on the film."""

from __future__ import annotations

from models.chest import SPEC
from training.phantoms.chest.film import film
from training.phantoms.chest.patient import draw
from training.phantoms.planted import Place, Planted

SIDE = 256  # of the film on which the places are found; shares of it hold for every size


def planted(seed: int, index: int) -> Planted:
    """The truth of patient `index` of a seed."""
    patient = draw(seed, index)
    _, boxes = film(patient, SIDE)
    return Planted(patient.name, tuple(Place(SPEC.images[0].name, name, box=box) for name, box in boxes.items()))

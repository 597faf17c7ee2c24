"""What was planted in a head: where the disease shows in each image, and how much of it each score tells."""

from __future__ import annotations

from models.alzheimer import SPEC
from training.phantoms.alzheimer.brain import REACH
from training.phantoms.alzheimer.patient import draw
from training.phantoms.alzheimer.person import DECLINE
from training.phantoms.planted import Place, Planted


def planted(seed: int, index: int) -> Planted:
    """The truth of phantom `index` of a seed; the healthy have no place."""
    phantom = draw(seed, index)
    truth, diagnosis = phantom.truth(), phantom.person.diagnosis
    places = tuple(
        Place(image.name, diagnosis, disc_mm=(float(truth[f"{image.name}_y_mm"]), float(truth[f"{image.name}_z_mm"]), max(REACH)))
        for image in SPEC.images
        if diagnosis != "cn"
    )
    return Planted(phantom.patient_id, places, DECLINE)

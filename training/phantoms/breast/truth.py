"""What was planted in a lesion: where it lies in the crop, and how suspicious each descriptor is."""

from __future__ import annotations

import numpy as np

from models.breast import MASS, SPEC
from training.phantoms.breast.film import film
from training.phantoms.breast.lesion import CALC_TYPE, DISTRIBUTION, MARGINS, SHAPE, Lesion, draw
from training.phantoms.planted import Place, Planted

SIDE = 256  # of the crop on which the place is found; shares of it hold for every size


def planted(seed: int, index: int) -> Planted:
    """The truth of lesion `index` of a seed."""
    lesion = draw(seed, index)
    place = Place(SPEC.images[0].name, "malignant" if lesion.malignant else "benign", box=box_of(film(lesion, SIDE)[1]))
    return Planted(lesion.patient_id, (place,), _causes(lesion))


def box_of(cover: np.ndarray) -> tuple[float, float, float, float]:
    """The box around what a lesion covers (H, W), as shares of the crop; all of it where it covers nothing."""
    rows, columns = (np.flatnonzero((cover > 0.5).any(axis)) for axis in (1, 0))
    if not len(rows):
        return (0.0, 0.0, 1.0, 1.0)
    edges = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]) / len(cover)
    return (float(edges[0]), float(edges[1]), float(edges[2]), float(edges[3]))


def _causes(lesion: Lesion) -> dict[str, float]:
    """The suspicion in each descriptor, as it enters the lesion's; density has none."""
    lexicon = {"shape": SHAPE, "margins": MARGINS} if lesion.kind == MASS else {"calc_type": CALC_TYPE, "calc_distribution": DISTRIBUTION}
    return {name: float(np.mean([table[level] for level in lesion.described[name]])) for name, table in lexicon.items()}

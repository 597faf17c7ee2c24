"""The film of one lesion: tissue, the lesion in it, grain; and where the lesion lies."""

from __future__ import annotations

import numpy as np

from models.breast import MASS
from training.phantoms.breast.calcification import calcifications
from training.phantoms.breast.lesion import Lesion, stream
from training.phantoms.breast.mass import mass
from training.phantoms.breast.tissue import Floats, grain, tissue


def film(lesion: Lesion, side: int) -> tuple[Floats, Floats]:
    """The crop (side, side) in [0, 1], white is dense, and what the lesion covers, in [0, 1]."""
    rng = stream(lesion.seed, lesion.index, 1)
    shown = lesion.drawn
    picture = tissue(side, shown["density"], rng)
    if lesion.kind == MASS:
        picture, cover = mass(picture, shown["shape"], shown["margins"], lesion.grade, rng)
    else:
        picture, cover = calcifications(picture, shown["calc_type"], shown["calc_distribution"], lesion.grade, rng)
    developed = 1.15 * (1 - np.exp(-np.clip(picture, 0, None) / 0.75))  # a film saturates slowly
    return np.clip(grain(developed, rng), 0, 1), cover

"""The example study of the repository: one made lesion as a DICOM, as a PNG, and its descriptors."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from models.breast import MASS
from training.phantoms.breast.dicom import crop
from training.phantoms.breast.film import film
from training.phantoms.breast.lesion import Lesion, draw

SIDE = 384


def write_example(folder: Path, seed: int) -> None:
    """Write image.dcm, image.png and metadata.json."""
    folder.mkdir(parents=True, exist_ok=True)
    lesion = _suitable(seed)
    picture = film(lesion, SIDE)[0]
    (folder / "image.dcm").write_bytes(crop(lesion, picture))
    PillowImage.fromarray((255 * picture).round().astype(np.uint8)).save(folder / "image.png", optimize=True)
    said = {name: values[0] if name == "density" else list(values) for name, values in lesion.described.items()}
    (folder / "metadata.json").write_text(json.dumps({"lesion_type": lesion.kind, **dict(sorted(said.items()))}, indent=2) + "\n")


def _suitable(seed: int) -> Lesion:
    """The first malignant mass of the seed that is described whole, and drawn as it is described."""
    for index in itertools.count():
        lesion = draw(seed, index)
        agreed = all(lesion.drawn[name] == values[0] for name, values in lesion.described.items())
        if lesion.kind == MASS and lesion.malignant and agreed and lesion.grade > 0.8 and not lesion.missing:
            return lesion
    raise AssertionError  # the count has no end: this is never reached

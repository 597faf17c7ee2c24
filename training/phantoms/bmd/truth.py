"""What was planted in a hip: where the neck lies on the film, and what each field did to the BMD."""

from __future__ import annotations

import math

import numpy as np

from models.bmd import BMD, HIP
from training.phantoms.bmd.clinical import SMOKING, Person
from training.phantoms.bmd.femur import femur, neck_region
from training.phantoms.bmd.patient import PREFIX, draw, stream
from training.phantoms.bmd.projection import exposure, plane
from training.phantoms.planted import Place, Planted

ROWS = 384  # of the film on which the place is found; shares of it hold for every size


def planted(seed: int, index: int) -> Planted:
    """The truth of phantom `index` of a seed."""
    who = draw(seed, index)
    view = exposure(who, ROWS, stream(seed, index, 2))
    bone = femur(who, stream(seed, index, 3))
    x, y = plane(view)
    region = neck_region(bone, x if who.side == "left" else -x, y)
    rows, columns = (np.flatnonzero(region.any(axis)) for axis in (1, 0))
    height, width = region.shape
    box = (columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height) if len(rows) else None
    places = (Place(HIP.name, BMD.name, box=box),) if box else ()
    return Planted(f"{PREFIX}{seed}-{index:06d}", places, _causes(who))


def _causes(who: Person) -> dict[str, float]:
    """Each field's part of the expected BMD, g/cm2, against an average adult: the terms of `clinical.expected_bmd`."""
    male = who.sex == "male"
    return {
        "age_at_xray_years": (0.0034 if male else 0.0064) * (who.age_at_xray_years - 72),
        "weight_kg": 0.0034 * (who.weight_kg - 76),
        "smoking_status": SMOKING[who.smoking_status],
        "alcohol_units_per_week": 0.0012 * max(who.alcohol_units_per_week - 14, 0),
        "physical_activity_min_per_day": 0.012 * math.log(who.physical_activity_min_per_day / 160),
        "diet_quality_score": 0.008 * who.diet_quality_score,
        "sex": 0.028,
    }

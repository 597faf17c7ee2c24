"""Who a phantom is: the true values of one synthetic adult, and which of them the cohort knows.

Directions and sizes of effects follow the osteoporosis literature (age, sex and weight dominate; smoking, alcohol, activity and
diet shift a little); they are chosen so that the metadata explain about a third of the variance of BMD, as in
Zhang et al., arXiv:2511.14604, and the rest must be seen. Population: mean about 0.90, SD about 0.14 g/cm2 (GE-Lunar).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

Sex = Literal["female", "male"]
Side = Literal["left", "right"]

RESIDUAL_SD = 0.112  # g/cm2: what age, sex, build and habits leave open; about two thirds of the population's variance
SMOKING = {"never": 0.0, "ex": 0.010, "current": 0.040}  # g/cm2 that it takes
MISSING = {  # share of cases in which the cohort does not know the field
    "age_at_dxa_years": 0.5, "height_cm": 0.04, "weight_kg": 0.04, "alcohol_units_per_week": 0.2,
    "physical_activity_min_per_day": 0.25, "diet_quality_score": 0.25, "smoking_status": 0.15,
}


@dataclass(frozen=True)
class Person:
    """The truth about one phantom, nothing missing. Units as in the model's metadata fields; `bmd` in g/cm2, GE-Lunar."""

    sex: Sex
    side: Side
    age_at_xray_years: float
    age_at_dxa_years: float
    height_cm: float
    weight_kg: float
    alcohol_units_per_week: float
    physical_activity_min_per_day: float
    diet_quality_score: float
    smoking_status: Literal["never", "ex", "current"]
    bmd: float

    @property
    def bmi(self) -> float:
        """Body mass index, kg/m2."""
        return self.weight_kg / (self.height_cm / 100) ** 2


def bounded(rng: np.random.Generator, mean: float, sd: float, low: float, high: float) -> float:
    """Draw from a normal distribution until the value lies within [low, high]."""
    while True:
        value = float(rng.normal(mean, sd))
        if low <= value <= high:
            return value


def person(rng: np.random.Generator) -> Person:
    """Draw one adult of 50 to 90 years."""
    sex: Sex = "female" if rng.random() < 0.5 else "male"
    male = sex == "male"
    age = round(bounded(rng, 72.5, 8.5, 50, 90), 1)
    height = round(bounded(rng, (175.5 if male else 162.0) - 0.12 * (age - 70), 6.8 if male else 6.2, 140, 205), 1)
    bmi = bounded(rng, (27.2 if male else 27.0) - 0.04 * (age - 70), 4.4 if male else 5.0, 17, 46)
    smoking = rng.choice(("never", "ex", "current"), p=(0.38, 0.52, 0.10) if male else (0.60, 0.30, 0.10))
    alcohol = 0.0 if rng.random() < 0.18 else float(rng.lognormal(2.1 if male else 1.2, 0.9))
    activity = float(rng.lognormal(5.1 - 0.015 * (age - 70), 0.6))
    diet = bounded(rng, 0.0 if male else 0.15, 1.0, -3.5, 3.5)
    known = Person(
        sex=sex,
        side="left" if rng.random() < 0.5 else "right",
        age_at_xray_years=age,
        age_at_dxa_years=round(max(50.0, age + float(rng.uniform(-1.0, 1.0))), 1),
        height_cm=height,
        weight_kg=round(bmi * (height / 100) ** 2, 1),
        alcohol_units_per_week=round(min(alcohol, 120.0), 1),
        physical_activity_min_per_day=round(min(activity, 900.0)),
        diet_quality_score=round(diet, 2),
        smoking_status=smoking.item(),
        bmd=0.0,
    )
    bmd = expected_bmd(known) + float(rng.normal(0.0, RESIDUAL_SD))
    return Person(**{**vars(known), "bmd": round(min(max(bmd, 0.45), 1.45), 4)})


def expected_bmd(known: Person) -> float:
    """Mean femoral-neck BMD (g/cm2, GE-Lunar) of people like this one: what metadata alone can tell."""
    male = known.sex == "male"
    return (
        (0.928 if male else 0.872)
        - (0.0034 if male else 0.0064) * (known.age_at_xray_years - 72)  # women lose faster
        + 0.0034 * (known.weight_kg - 76)
        - SMOKING[known.smoking_status]
        - 0.0012 * max(known.alcohol_units_per_week - 14, 0)  # above 14 units a week
        + 0.012 * math.log(known.physical_activity_min_per_day / 160)
        + 0.008 * known.diet_quality_score
    )


def fields(known: Person, rng: np.random.Generator) -> dict[str, float | str]:
    """What the cohort knows of a person: the model's metadata fields by name, missing ones left out. Sex and age always stand."""
    unknown = {name for name, share in MISSING.items() if rng.random() < share}
    present: dict[str, float | str] = {
        "age_at_xray_years": known.age_at_xray_years,
        **{name: getattr(known, name) for name in MISSING if name not in unknown},
        "sex": known.sex,
        "laterality": known.side,
    }
    if {"height_cm", "weight_kg"} <= present.keys():
        present["bmi"] = round(known.bmi, 2)
    return present

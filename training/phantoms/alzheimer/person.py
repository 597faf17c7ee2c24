"""Who a phantom is: a diagnosis, what disease did to the brain, what tests and tables say, and how genes bear on it.

No single kind of data tells the diagnosis, and two of them have to be read together:

* Severity shows in cognition, in the ventricles, in the folds of the MRI and in the uptake of the PET, each with errors of its own.
* In the MRI, the folds in front or those behind are widened, by severity: behind where memory leads the decline, in front where executive
  function does. At the other place they are widened by chance, in the healthy too. Cognition says which place counts.
* In the PET, uptake is lost behind in carriers of APOE e4, in front in others; at the other place it varies by chance. Genotypes say
  which place counts.

Sizes of effects are chosen so that this can be learnt from some hundred phantoms; they resemble no population.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Sex = Literal["female", "male"]
CLASSES = ("cn", "mci", "ad")
SHARES = (0.40, 0.32, 0.28)
SEVERITY = (0.0, 1.0, 2.0)  # mean of each class
WITHIN = 0.30  # deviation within a class
COGNITION_SD, PET_SD, MRI_SD = 0.55, 0.30, 0.35  # errors, in units of severity
FOLD_MM, LOSS = 0.85, 0.19  # half width of a fold, and share of uptake, for each unit of severity
LARGEST = 2.3  # units of severity: what chance does at the other place
DECLINE = {"phc_mem": 0.75, "phc_exf": 0.65, "phc_lan": 0.55, "phc_vsp": 0.3}  # what each score loses with a unit of decline
MISSING = {"education_years": 0.03, "phc_lan": 0.06, "phc_vsp": 0.10}


@dataclass(frozen=True)
class Person:
    """The truth about one phantom, nothing missing."""

    diagnosis: Literal["cn", "mci", "ad"]
    severity: float
    sex: Sex
    age_years: float
    education_years: int
    memory_led: bool
    e4_alleles: int
    phc_mem: float
    phc_exf: float
    phc_lan: float
    phc_vsp: float
    ventricles: float  # mm by which their outlines are pushed out
    rim: float  # mm by which the hemispheres have drawn back from the skull
    mri_front: float  # mm of half width of the folds
    mri_back: float
    pet_front: float  # share of the uptake that is lost
    pet_back: float

    @property
    def mri_region(self) -> Literal["front", "back"]:
        """Where the MRI shows the disease."""
        return "back" if self.memory_led else "front"

    @property
    def pet_region(self) -> Literal["front", "back"]:
        """Where the PET shows the disease."""
        return "back" if self.e4_alleles else "front"


def person(rng: np.random.Generator, e4_alleles: int, diagnosis: str) -> Person:
    """Draw one adult of 55 to 90 years with a diagnosis and a genotype."""
    severity = SEVERITY[CLASSES.index(diagnosis)] + float(rng.normal(0, WITHIN))
    age = round(float(np.clip(rng.normal(72.0 + 0.8 * severity, 6.8), 55, 90)), 1)
    memory_led = bool(rng.random() < 0.5)
    education = int(np.clip(round(rng.normal(15.8 - 0.3 * severity, 2.7)), 6, 22))
    scores = _scores(rng, severity, age, education, memory_led=memory_led)
    mri, other_mri = _shown(rng, severity, MRI_SD, FOLD_MM)
    pet, other_pet = _shown(rng, severity, PET_SD, LOSS)
    return Person(
        diagnosis=diagnosis,  # type: ignore[arg-type]  # one of CLASSES
        severity=round(severity, 3),
        sex="female" if rng.random() < 0.5 else "male",
        age_years=age,
        education_years=education,
        memory_led=memory_led,
        e4_alleles=e4_alleles,
        phc_mem=scores[0], phc_exf=scores[1], phc_lan=scores[2], phc_vsp=scores[3],
        ventricles=round(float(np.clip(0.8 + 0.06 * (age - 72) + 1.1 * severity + rng.normal(0, 0.9), -0.6, 5.5)), 3),
        rim=round(float(np.clip(0.5 + 0.03 * (age - 72) + 0.5 * severity + rng.normal(0, 0.5), -0.6, 3.0)), 3),
        mri_front=other_mri if memory_led else mri, mri_back=mri if memory_led else other_mri,
        pet_front=other_pet if e4_alleles else pet, pet_back=pet if e4_alleles else other_pet,
    )  # fmt: skip


def fields(known: Person, rng: np.random.Generator) -> dict[str, float | str]:
    """What the tables know of a person: the model's metadata fields by name, missing ones left out. Age and sex always stand."""
    unknown = {name for name, share in MISSING.items() if rng.random() < share}
    names = ("age_years", "education_years", "phc_mem", "phc_exf", "phc_lan", "phc_vsp")
    return {"sex": known.sex, **{name: float(getattr(known, name)) for name in names if name not in unknown}}


def _shown(rng: np.random.Generator, severity: float, deviation: float, unit: float) -> tuple[float, float]:
    """What a picture shows where the disease is, and what chance does at the other place."""
    diseased = float(np.clip(severity + rng.normal(0, deviation), 0, 1.2 * LARGEST))
    return round(unit * diseased, 4), round(unit * float(rng.uniform(0, LARGEST)), 4)


def _scores(
    rng: np.random.Generator, severity: float, age: float, education: int, *, memory_led: bool
) -> tuple[float, float, float, float]:
    """Memory, executive function, language, visuospatial ability: one common decline, led by memory or by executive function."""
    decline = severity + float(rng.normal(0, COGNITION_SD))
    lead = 0.30 * max(severity, 0.0) + 0.55  # a style that shows a little before the disease does
    mem, exf = (lead, -lead) if memory_led else (-lead, lead)
    reserve = 0.05 * (education - 16) - 0.015 * (age - 72)
    memory, executive, language, visuospatial = (share * decline for share in DECLINE.values())
    means = (0.75 - memory - 0.5 * mem, 0.65 - executive - 0.5 * exf, 0.6 - language, 0.2 - visuospatial)
    values = [float(np.clip(mean + reserve + rng.normal(0, 0.22), -4, 4)) for mean in means]
    return round(values[0], 3), round(values[1], 3), round(values[2], 3), round(values[3], 3)

"""One made lesion: what its reader says of it, what the film shows of it, and whether it is malignant. The truth is planted here.

Malignancy follows from two things that no one source holds whole: the suspicion in the reader's descriptors, and the grade that only
the film shows (how dense the core is and how far it reaches into the tissue around it; how many calcifications there are and how
unlike each other). The film is drawn after the descriptors, though now and then a reader and a film disagree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.breast import CALCIFICATION, MASS

PREFIX = "PH_"
# How suspicious each descriptor is, in standard deviations; the order is that of the lexicon, the numbers are ours.
SHAPE = {"ROUND": -0.6, "OVAL": -1.0, "LOBULATED": -0.3, "LYMPH_NODE": -2.0, "ASYMMETRIC_BREAST_TISSUE": -0.8,
         "FOCAL_ASYMMETRIC_DENSITY": 0.2, "IRREGULAR": 1.0, "ARCHITECTURAL_DISTORTION": 0.9}  # fmt: skip
MARGINS = {"CIRCUMSCRIBED": -1.2, "OBSCURED": -0.3, "MICROLOBULATED": 0.3, "ILL_DEFINED": 0.6, "SPICULATED": 1.4}
CALC_TYPE = {"LUCENT_CENTER": -1.6, "LUCENT_CENTERED": -1.6, "ROUND_AND_REGULAR": -1.2, "COARSE": -1.3, "VASCULAR": -1.5, "EGGSHELL": -1.5,
             "LARGE_RODLIKE": -1.3, "DYSTROPHIC": -1.2, "SKIN": -1.7, "MILK_OF_CALCIUM": -1.6, "PUNCTATE": -0.5, "AMORPHOUS": 0.1,
             "PLEOMORPHIC": 0.7, "FINE_LINEAR_BRANCHING": 1.6}  # fmt: skip
DISTRIBUTION = {"DIFFUSELY_SCATTERED": -1.2, "REGIONAL": -0.4, "CLUSTERED": 0.1, "SEGMENTAL": 0.7, "LINEAR": 1.0}
RARE = {"LYMPH_NODE": 0.15, "ASYMMETRIC_BREAST_TISSUE": 0.2, "FOCAL_ASYMMETRIC_DENSITY": 0.3, "ARCHITECTURAL_DISTORTION": 0.6,
        "LUCENT_CENTERED": 0.3, "MILK_OF_CALCIUM": 0.1, "SKIN": 0.2, "LARGE_RODLIKE": 0.2, "DYSTROPHIC": 0.25, "EGGSHELL": 0.3,
        "PLEOMORPHIC": 3.0, "PUNCTATE": 1.6, "CLUSTERED": 2.5}  # fmt: skip  how common beside the others, 1 where not named
SUSPICION, GRADE, TOGETHER, BASE = 2.6, 2.3, 0.6, -0.35  # of the logit of malignancy
AGREE = 0.55  # how often the film is drawn as the reader describes it
MISSING = {"density": 0.02, "shape": 0.02, "margins": 0.05, "calc_type": 0.03, "calc_distribution": 0.15}
TWICE = 0.12  # how often a reader names two


@dataclass(frozen=True)
class Lesion:
    """What is known of one lesion; `drawn` is what its film shows, under the same names as the descriptors."""

    seed: int
    index: int
    kind: str
    described: Mapping[str, tuple[str, ...]]  # complete; what is written may leave fields out
    missing: frozenset[str]
    drawn: Mapping[str, str]
    suspicion: float  # of the descriptors, standardised
    grade: float  # of the film, standard normal
    malignant: bool

    @property
    def patient_id(self) -> str:
        """Two views of some lesions belong to one patient."""
        return f"{PREFIX}{self.seed:03d}{self.index:06d}"


def stream(seed: int, index: int, purpose: int) -> np.random.Generator:
    """The random numbers of one lesion for one purpose: nothing else depends on how many were drawn."""
    return np.random.default_rng([seed, index, purpose])


def draw(seed: int, index: int) -> Lesion:
    """Lesion `index` of a seed."""
    rng = stream(seed, index, 0)
    kind = MASS if rng.random() < 0.55 else CALCIFICATION
    impression = rng.normal()
    lexicon = {"shape": SHAPE, "margins": MARGINS} if kind == MASS else {"calc_type": CALC_TYPE, "calc_distribution": DISTRIBUTION}
    described = {name: _named(table, impression, rng) for name, table in lexicon.items()}
    weights = [np.mean([table[level] for level in described[name]]) for name, table in lexicon.items()]
    suspicion = float((sum(weights) - (-0.1 if kind == MASS else -0.3)) / 1.5)
    shown = {name: described[name][0] if rng.random() < AGREE else _named(table, rng.normal(), rng)[0] for name, table in lexicon.items()}
    described["density"] = (str(int(rng.choice([1, 2, 3, 4], p=[0.13, 0.38, 0.34, 0.15]))),)
    grade = float(rng.normal())
    logit = BASE + SUSPICION * suspicion + GRADE * grade + TOGETHER * suspicion * grade
    malignant = bool(rng.random() < 1 / (1 + np.exp(-logit)))
    missing = frozenset(name for name in described if rng.random() < MISSING[name])
    return Lesion(seed, index, kind, described, missing, {**shown, "density": described["density"][0]}, suspicion, grade, malignant)


def _named(table: Mapping[str, float], impression: float, rng: np.random.Generator) -> tuple[str, ...]:
    """What a reader with this impression says: the levels near it are the likelier, and the common ones."""
    levels = list(table)
    near = np.array([RARE.get(level, 1.0) * np.exp(-0.5 * ((table[level] - impression) / 0.8) ** 2) for level in levels])
    count = 2 if rng.random() < TWICE else 1
    return tuple(str(level) for level in rng.choice(levels, count, replace=False, p=near / near.sum()))

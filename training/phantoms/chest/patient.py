"""One made patient: how the chest is built, how the film was taken, and which findings are planted, and how plainly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

FINDINGS = (
    "no_finding", "enlarged_cardiomediastinum", "cardiomegaly", "lung_opacity", "lung_lesion", "edema", "consolidation", "pneumonia",
    "atelectasis", "pneumothorax", "pleural_effusion", "pleural_other", "fracture", "support_devices",
)  # fmt: skip
# How often each is found in the well and in the very ill; together near to CheXpert's, the rare ones raised so that they can be learned.
WELL = {"enlarged_cardiomediastinum": 0.05, "cardiomegaly": 0.08, "lung_opacity": 0.05, "lung_lesion": 0.09, "edema": 0.02,
        "consolidation": 0.04, "pneumonia": 0.04, "atelectasis": 0.07, "pneumothorax": 0.05, "pleural_effusion": 0.06,
        "pleural_other": 0.06, "fracture": 0.07, "support_devices": 0.10}  # fmt: skip
ILL = {"enlarged_cardiomediastinum": 0.22, "cardiomegaly": 0.35, "lung_opacity": 0.20, "lung_lesion": 0.08, "edema": 0.55,
       "consolidation": 0.28, "pneumonia": 0.18, "atelectasis": 0.45, "pneumothorax": 0.16, "pleural_effusion": 0.65,
       "pleural_other": 0.06, "fracture": 0.09, "support_devices": 0.90}  # fmt: skip
OPAQUE = ("lung_lesion", "edema", "consolidation", "pneumonia", "atelectasis")  # of which each is a lung opacity


@dataclass(frozen=True)
class Build:
    """The chest, as shares of the film's side; the patient's left lies on the film's right."""

    width: float  # of both lungs, half of it
    top: float
    base: float  # of the diaphragm's domes
    heart: float  # cardiothoracic ratio
    mediastinum: float  # half width of the upper mediastinum
    tilt: float  # radians
    shift: float
    fat: float  # thickness of soft tissue
    ap: bool
    exposure: float
    noise: float


@dataclass(frozen=True)
class Patient:
    """What is planted: the findings with how plain each is, in [0, 1]."""

    seed: int
    index: int
    female: bool
    age_years: int
    build: Build
    planted: Mapping[str, float]

    @property
    def name(self) -> str:
        """As CheXpert names its patients."""
        return f"patient{self.seed:03d}{self.index:06d}"

    @property
    def labels(self) -> dict[str, float]:
        """1 or 0 for each finding, what follows from the others included; devices are no disease."""
        found = {name: float(name in self.planted) for name in FINDINGS}
        found["lung_opacity"] = max(found["lung_opacity"], *(found[name] for name in OPAQUE))
        found["no_finding"] = float(not any(value for name, value in found.items() if name != "support_devices"))
        return found


def stream(seed: int, index: int, purpose: int) -> np.random.Generator:
    """The random numbers of one patient for one purpose."""
    return np.random.default_rng([seed, index, purpose])


def draw(seed: int, index: int) -> Patient:
    """Patient `index` of a seed."""
    rng = stream(seed, index, 0)
    illness = rng.beta(0.7, 1.1)
    chances = {name: WELL[name] + illness * (ILL[name] - WELL[name]) for name in WELL}
    planted = {name: float(rng.uniform(0.3, 1.0)) for name, chance in chances.items() if rng.random() < chance}
    if "pneumonia" in planted and rng.random() < 0.5:
        planted.setdefault("consolidation", float(rng.uniform(0.3, 0.8)))
    if "consolidation" in planted and rng.random() < 0.25:
        planted.setdefault("pneumonia", float(rng.uniform(0.3, 0.8)))
    ap = bool(rng.random() < 0.25 + 0.7 * illness)
    heart = rng.normal(0.455, 0.022) + 0.02 * ap
    if "cardiomegaly" in planted:
        heart = 0.535 + 0.02 * ap + 0.12 * planted["cardiomegaly"]
    mediastinum = rng.normal(0.070, 0.006)
    if "enlarged_cardiomediastinum" in planted:
        mediastinum += 0.026 + 0.035 * planted["enlarged_cardiomediastinum"]
    female = bool(rng.random() < 0.45)
    build = Build(
        width=float(rng.normal(0.355, 0.022) - 0.015 * female), top=float(rng.normal(0.13, 0.02)),
        base=float(max(rng.normal(0.76, 0.03) - 0.05 * ap, 0.66)), heart=float(np.clip(heart, 0.38, 0.72)), mediastinum=float(mediastinum),
        tilt=float(np.clip(rng.normal(0, 0.03), -0.08, 0.08)), shift=float(np.clip(rng.normal(0, 0.02), -0.05, 0.05)),
        fat=float(abs(rng.normal(0.04, 0.02))), ap=ap, exposure=float(rng.normal(0, 0.06)), noise=float(rng.uniform(0.006, 0.02)),
    )  # fmt: skip
    return Patient(seed, index, female, int(np.clip(rng.normal(58, 18), 18, 90)), build, planted)

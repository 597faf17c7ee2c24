"""FDG uptake of a head at any place, relative to healthy cortex: what the scanner would see before its blur."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.phantoms.alzheimer.brain import BACK, FRONT, HALF_WIDTH, Places, Shape, fold_distance, fold_width, over, soft
from training.phantoms.alzheimer.mri import CEREBELLUM_MM, MEDIAL
from training.phantoms.alzheimer.outlines import Field

AIR, BONE, SOFT_TISSUE, FLUID, WHITE, CORTEX = 0.004, 0.05, 0.16, 0.07, 0.42, 1.0
POSTERIOR_CINGULATE, VISUAL = (36.0, 30.0), (74.0, 10.0)  # (u, v): the hottest places at rest, and with open eyes
DEEPEST = 0.75  # of the uptake: no region loses more


@dataclass(frozen=True)
class Uptake:
    """The metabolism of one brain, as shares of the healthy uptake."""

    loss_front: float  # in the medial frontal cortex
    loss_back: float  # in the posterior cingulate and precuneus
    cortex: float  # of the whole cortex, beside cerebellum and stem
    frontal_habit: float  # what differs between the healthy
    posterior_habit: float


def uptake(shape: Shape, metabolism: Uptake, where: Places) -> Field:
    """Uptake at places of one sagittal slice."""
    beside = float(np.abs(where.x).mean())
    inner = np.float32(np.sqrt(max(0.0, 1 - (beside / HALF_WIDTH) ** 2)))
    head = _shell(where, beside)
    matter = _cortex(shape, metabolism, where)
    if beside < MEDIAL:
        return _medial(shape, head, matter, where)
    if inner < 0.25:
        return head
    cavity = np.hypot((where.u - 4) / 90, (where.v - 18) / 60) * 60 - 60 * inner
    deep = soft(cavity + 16, 4.0)
    return over(over(head, cavity, FLUID, 2.0), cavity + 3, matter * (1 - deep) + (WHITE + 0.1) * deep, 2.0)


def _shell(where: Places, beside: float) -> Field:
    shrink = np.float32(np.sqrt(max(0.03, 1 - (beside / (HALF_WIDTH + 11)) ** 2)))
    outer = Places((where.u - 5) / shrink + 5, (where.v - 12) / shrink + 12, where.x)
    head = over(np.full_like(where.u, AIR), outer.distance("head"), SOFT_TISSUE, 2.0)
    head = over(head, outer.distance("tongue"), 0.34, 3.0)
    for name, value in (("nasal_cavity", 0.12), ("sphenoid_sinus", AIR), ("airway", AIR), ("vertebrae", 0.26)):
        head = over(head, outer.distance(name), value, 2.0)
    return over(over(head, outer.distance("cavity") - 7, BONE, 2.0), outer.distance("cavity"), FLUID, 2.0)


def _cortex(shape: Shape, metabolism: Uptake, where: Places) -> Field:
    """Cortex with white matter and sulci averaged in, and its regions."""
    fold = fold_distance(shape, where)
    ribbon = soft(np.abs(fold - fold_width(shape, where) - 1.6) - 2.0, 1.0)
    grey = (WHITE + ribbon * (CORTEX - WHITE)) * (1 - 0.5 * soft(fold - fold_width(shape, where), 1.0))
    habit = 1 + (0.10 + metabolism.posterior_habit) * where.near(POSTERIOR_CINGULATE, (15, 14)) + 0.10 * where.near(VISUAL, (12, 10))
    loss = metabolism.loss_front * where.near(FRONT) + metabolism.loss_back * where.near(BACK)
    regional = (habit + metabolism.frontal_habit * where.near(FRONT)) * (1 - np.clip(loss, 0, DEEPEST))
    return np.asarray(metabolism.cortex * grey * regional, np.float32)


def _medial(shape: Shape, head: Field, matter: Field, where: Places) -> Field:
    head = over(head, where.distance("cerebrum") + shape.rim, matter)
    head = over(head, where.distance("third_ventricle") - 4.5, 0.85, 2.0)
    head = over(head, where.distance("brainstem"), 0.52)
    head = over(head, np.hypot(where.u - 2, where.v - 2) - 8.0, 0.95, 2.0)  # thalamus
    head = over(head, where.distance("cerebellum") - CEREBELLUM_MM, 0.74)
    head = over(head, where.distance("callosum"), 0.30)
    head = over(head, where.distance("third_ventricle") + 1.2 - 0.8 * shape.ventricles, FLUID + 0.12)
    head = over(head, where.distance("septum") - 1.0 * shape.ventricles, FLUID)
    return over(head, where.distance("fourth_ventricle"), FLUID)

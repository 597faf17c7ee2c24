"""T1-weighted signal of a head at any place: fat is bright, white matter brighter than grey, fluid, air and cortical bone dark."""

from __future__ import annotations

import numpy as np

from training.phantoms.alzheimer.brain import HALF_WIDTH, Places, Shape, fold_distance, fold_width, over, soft
from training.phantoms.alzheimer.outlines import Field

AIR, BONE, FLUID, GREY, WHITE, MUSCLE, MARROW, FAT = 8.0, 60.0, 150.0, 520.0, 760.0, 330.0, 620.0, 900.0
CEREBELLUM_MM = 3.0  # by which it is larger than its outline
MEDIAL = 15.0  # mm beside the middle within which the medial surface is shown


def signal(shape: Shape, where: Places) -> Field:
    """Signal at places of one sagittal slice, all at about the same distance from the middle."""
    beside = float(np.abs(where.x).mean())
    return _medial(shape, where) if beside < MEDIAL else _lateral(shape, where, beside)


def _medial(shape: Shape, where: Places) -> Field:
    head = _face(where)
    head = over(head, where.distance("cavity"), FLUID)
    head = over(head, where.distance("cerebrum") + shape.rim, _cortex(shape, where))
    head = _inner(shape, head, where)
    head = over(head, where.distance("cerebellum") - CEREBELLUM_MM, _cerebellum(where))
    return over(head, where.distance("fourth_ventricle") - 0.35 * shape.ventricles, FLUID)


def _face(where: Places) -> Field:
    """Everything outside the cavity: skin, fat, muscle, bone with marrow, airways."""
    skin, cavity = where.distance("head"), where.distance("cavity")
    head = over(np.full_like(skin, AIR), skin, MUSCLE, 1.0)
    stripes = MUSCLE + 60 * np.sin(where.v / 3.1 + where.u / 9) + 240 * soft(np.abs(np.sin(where.u / 8.5 - where.v / 40)) * 8 - 1.6)
    head = over(head, np.maximum(skin + 4, 40 - where.u), stripes, 3.0)
    vault = np.maximum(cavity - 8.5, -where.v - 26 + 0.15 * np.abs(where.u))
    thickness = 2.4 + 4.1 * soft(cavity - 60, 12.0)  # of the fat under the skin: thick over the skull, thin in the face
    head = np.where(skin < -0.8, head + soft(-skin - thickness, 1.2) * (FAT - head), head)
    for name, value in (("nasal_cavity", 210.0), ("tongue", 400.0), ("mandible", MARROW), ("frontal_sinus", AIR), ("palate", BONE)):
        head = over(head, where.distance(name), value)
    head = over(head, np.abs(where.distance("nasal_cavity") + 6) - 1.6, 430.0, 1.2)  # turbinates
    head = over(head, vault, BONE)
    head = over(head, np.maximum(np.abs(cavity - 4.3) - 1.5, vault), MARROW)
    head = over(head, cavity - 3.0, BONE, 1.2)
    for name, value in (("clivus", MARROW), ("sphenoid_sinus", AIR), ("airway", AIR)):
        head = over(over(head, where.distance(name) - 1.4, BONE), where.distance(name), value)
    head = over(head, where.distance("canal"), FLUID)
    for name in ("dens", "vertebrae"):
        head = over(over(head, where.distance(name) - 1.0, BONE), where.distance(name), MARROW - 60)
    return over(head, where.distance("pituitary"), 640.0)


def _cortex(shape: Shape, where: Places) -> Field:
    """The medial surface of the hemisphere: folds of grey over white, with fluid between them."""
    fold = fold_distance(shape, where)
    width = fold_width(shape, where)
    depth = -where.distance("cerebrum") - shape.rim
    core = np.clip((np.minimum(fold, depth + 1.0) - width - 2.6) / 1.4, 0, 1)
    matter = GREY + core * (0.75 * (WHITE - GREY))
    open_sulcus = soft(fold - width, 0.8)
    return np.asarray(matter + open_sulcus * (FLUID - matter), np.float32)


def _inner(shape: Shape, head: Field, where: Places) -> Field:
    """What lies under the corpus callosum, and the stem: fluid spaces grow by the shape's number, and what is between them gives way."""
    growth = shape.ventricles
    head = over(head, where.distance("callosum") - 2.2, FLUID)
    head = over(head, np.maximum(where.distance("septum") - 2.5, -where.distance("callosum")), 430.0, 2.0)  # diencephalon
    head = over(head, where.distance("third_ventricle") - 4.5, 0.94 * GREY, 1.5)
    head = over(head, where.distance("brainstem"), 0.5 * (GREY + WHITE) + 25 * np.sin(where.v / 3.0))
    head = over(head, where.distance("third_ventricle") + 1.2 - 0.8 * growth, FLUID + 60, 1.0)
    head = over(head, where.distance("adhesion") + 0.6 * growth, GREY)
    head = over(head, where.distance("septum") - 1.0 * growth, FLUID + 25, 1.0)
    head = over(head, where.distance("fornix") + 0.3, WHITE - 60)
    head = over(head, np.abs(where.u - 22.5 + 0.12 * (where.v + 8)) + np.clip(np.abs(where.v + 7) - 9, 0, None) - 0.3, FLUID + 60, 1.2)
    return over(head, where.distance("callosum") + callosum_loss(shape, where), WHITE + 40)


def callosum_loss(shape: Shape, where: Places) -> Field:
    """How many mm the corpus callosum is thinner than the template's, on either side."""
    front, back = where.near((-34, 14), (14, 14)), where.near((32, 16), (14, 14))
    loss: Field = 0.25 * shape.ventricles + 1.0 * shape.atrophy_front * front + 1.0 * shape.atrophy_back * back
    return loss


def _cerebellum(where: Places) -> Field:
    """The tree of the vermis: white branches from the fourth ventricle, grey leaves, dark clefts between them."""
    r, angle = np.hypot(where.u - 35, where.v + 28), np.arctan2(where.v + 28, where.u - 35)
    branch = np.abs(np.sin(4.2 * angle + 0.25 * np.sin(r / 5))) * r / 4.2
    leaves = np.sin(r / 1.25 + 2.5 * np.sin(4.2 * angle)) * np.clip((r - 12) / 12, 0, 1)
    grey = GREY - 95 * np.clip(leaves, 0, 1)
    taper = np.clip(3.6 - r * 0.075, 0.6, 3.6)
    return np.asarray(over(grey, branch - taper, WHITE - 40, 0.9), np.float32)


def _lateral(shape: Shape, where: Places, beside: float) -> Field:
    """A slice beside the middle: the same shells, narrower the further out, with folded cortex and the lateral ventricle."""
    shrink = np.float32(np.sqrt(max(0.03, 1 - (beside / (HALF_WIDTH + 11)) ** 2)))
    inner = np.float32(np.sqrt(max(0.0, 1 - (beside / HALF_WIDTH) ** 2)))
    u, v = (where.u - 5) / shrink + 5, (where.v - 12) / shrink + 12
    outer = Places(u, v, where.x)
    head = over(np.full_like(u, AIR), outer.distance("head") + 0.25 * np.clip(-where.v - 40, 0, None), MUSCLE, 1.5)
    head = over(head, np.maximum(outer.distance("head"), -outer.distance("head") - 7), FAT, 1.5)
    if inner < 0.25:
        return head
    cavity = np.hypot((where.u - 4) / 90, (where.v - 18) / 60) * 60 - 60 * inner
    head = over(over(head, cavity - 7, BONE), cavity, FLUID)
    cavity = cavity + shape.rim
    fold = np.abs(np.sin(where.u / 6.1 + 2 * np.sin(where.v / 9)) * np.sin(where.v / 6.7 + 2 * np.sin(where.u / 11 + shape.folds % 7))) * 7
    matter = GREY + np.clip((np.minimum(fold + 3, -cavity) - 7) / 3, 0, 1) * (WHITE - GREY)
    head = over(head, np.maximum(cavity + 2, -(fold - fold_width(shape, where) * np.clip(1 + (cavity + 14) / 14, 0, 1))), matter)
    if beside < 32:
        ventricle = np.hypot((where.u - 2) / 30, (where.v - 17) / 9) * 9 - 9
        head = over(head, ventricle - 1.3 * shape.ventricles, FLUID)
    return head

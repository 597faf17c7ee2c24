"""The findings, each drawn where it belongs; every one returns the box that holds it, as shares of the film: x0, y0, x1, y1."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from training.phantoms.chest.anatomy import Chest, Floats, blob, dome, line, vessels, wall

Box = tuple[float, float, float, float]


def plant(made: Chest, name: str, plain: float, rng: np.random.Generator) -> Box:
    """Draw a finding, `plain` in [0, 1], and say where it lies."""
    return PLANTED[name](made, plain, rng)


def _built_in_heart(made: Chest, _: float, __: np.random.Generator) -> Box:
    row, column, height, width = made.heart
    return column - width, row - height, column + width, row + height


def _built_in_mediastinum(made: Chest, _: float, __: np.random.Generator) -> Box:
    half = made.build.mediastinum
    return 0.5 - half, 0.15, 0.5 + half + 0.03, made.heart[0] - 0.08


def _opacity(made: Chest, plain: float, rng: np.random.Generator) -> Box:
    """A haze without edges: ground glass."""
    index, row, column = _somewhere(made, rng)
    patch = blob(made, (row, column), (rng.uniform(0.08, 0.14), rng.uniform(0.06, 0.10)), 0.15, rng) * made.lungs[index]
    made.density += (0.05 + 0.09 * plain) * patch
    return _box(made, patch)


def _lesion(made: Chest, plain: float, rng: np.random.Generator) -> Box:
    """A nodule, round and of one density."""
    index, row, column = _somewhere(made, rng)
    radius = 0.016 + 0.030 * plain
    patch = np.exp(-((np.hypot(made.rows - row, made.columns - column) / radius) ** 6)) * made.lungs[index]
    made.density += (0.12 + 0.10 * plain) * patch
    return _box(made, patch)


def _edema(made: Chest, plain: float, rng: np.random.Generator) -> Box:
    """Wings of a bat around the hila, full vessels, and short lines at the edge."""
    both = np.zeros_like(made.density)
    for index, (row, column) in enumerate(made.hila):
        side = made.side(index)
        both = np.maximum(both, blob(made, (row + 0.06, column + side * 0.06), (0.20, 0.13), 0.10, rng) * made.lungs[index])
        for _ in range(int(4 + 8 * plain)):
            at = rng.uniform(0.55, made.build.base - 0.08)
            edge = 0.5 + side * float(wall(made.build, np.array([at]))[0])
            points = np.array([[at, edge], [at + rng.normal(0, 0.004), edge - side * rng.uniform(0.02, 0.04)]])
            made.density += 0.05 * line(made, points, 0.0022)
    made.density += (0.06 + 0.14 * plain) * both
    vessels(made, 0.4 + 0.6 * plain, rng)
    return _box(made, both)


def _consolidation(made: Chest, plain: float, rng: np.random.Generator) -> Box:
    """A lobe filled but for its bronchi."""
    index, row, column = _somewhere(made, rng, low=0.40)
    patch = blob(made, (row, column), (rng.uniform(0.07, 0.12), rng.uniform(0.06, 0.10)), 0.12, rng) * made.lungs[index]
    air = np.zeros_like(patch)
    hilum = made.hila[index]
    for _ in range(3):
        end = (row + rng.normal(0, 0.05), column + rng.normal(0, 0.04))
        air = np.maximum(air, line(made, np.array([hilum, end]), 0.004))
    made.density += (0.14 + 0.16 * plain) * patch * (1 - 0.5 * air)
    return _box(made, patch)


def _pneumonia(made: Chest, plain: float, rng: np.random.Generator) -> Box:
    """Several small patches near each other."""
    index, row, column = _somewhere(made, rng, low=0.40)
    patch = np.zeros_like(made.density)
    for _ in range(int(rng.integers(3, 7))):
        small = blob(made, (row + rng.normal(0, 0.05), column + rng.normal(0, 0.035)), (0.035, 0.03), 0.35, rng)
        patch = np.maximum(patch, small)
    patch *= made.lungs[index]
    made.density += (0.08 + 0.14 * plain) * patch
    return _box(made, patch)


def _atelectasis(made: Chest, plain: float, rng: np.random.Generator) -> Box:
    """Bands above a raised dome."""
    index = int(rng.integers(2))
    side = made.side(index)
    middle = 0.5 + side * 0.55 * made.build.width
    base = float(dome(made.build, np.array([middle]), side)[0])
    raised = (0.015 + 0.035 * plain) * np.exp(-(((made.columns - middle) / (0.5 * made.build.width)) ** 2))
    lifted = (made.rows > base - raised - 0.01) & (made.rows < base + 0.03)
    patch = lifted * made.lungs[index]
    made.density += 0.33 * patch
    for number in range(int(rng.integers(1, 4))):
        row = base - 0.035 - raised.max() - 0.022 * number
        points = np.array([[row, middle - side * 0.10], [row + rng.normal(0, 0.012), middle + side * rng.uniform(0.03, 0.10)]])
        band = line(made, points, 0.0035 + 0.003 * plain) * made.lungs[index]
        made.density += (0.08 + 0.10 * plain) * band
        patch = np.maximum(patch, band)
    return _box(made, patch)


def _pneumothorax(made: Chest, plain: float, rng: np.random.Generator) -> Box:
    """The edge of a lung that has left the wall, and nothing but air beyond it."""
    index = int(rng.integers(2))
    side = made.side(index)
    gap = 0.022 + 0.065 * plain
    outwards = side * (made.columns - 0.5)
    edge = wall(made.build, made.rows) - gap * (1.4 - np.clip((made.rows - made.build.top) / 0.5, 0, 1))
    low = made.build.top + 0.25 + 0.25 * plain
    air = ((outwards > edge) | (made.rows < made.build.top + 0.6 * gap)) * made.lungs[index] * (made.rows < low)
    smooth = np.exp(-(((outwards - edge) / 0.0035) ** 2)) * made.lungs[index] * (made.rows < low) * (made.rows > made.build.top + 0.6 * gap)
    calm = made.density - 0.05
    made.density = np.where(air > 0.5, np.minimum(made.density, calm), made.density) + 0.10 * smooth
    return _box(made, np.maximum(air, smooth))


def _effusion(made: Chest, plain: float, rng: np.random.Generator) -> Box:
    """Fluid that hides the angle and climbs at the wall."""
    index = int(rng.integers(2))
    side = made.side(index)
    outwards = side * (made.columns - 0.5) / made.build.width
    level = made.build.base - 0.03 - 0.22 * plain**1.3 - 0.05 * np.clip(outwards, 0, 1) ** 3
    fluid = 1 / (1 + np.exp(np.clip(-(made.rows - level) / 0.007, -40, 40))) * made.lungs[index]
    made.density += (0.24 + 0.06 * plain) * fluid
    if rng.random() < 0.4:  # both sides
        other = 1 - index
        shallow = 1 / (1 + np.exp(np.clip(-(made.rows - made.build.base + 0.05) / 0.007, -40, 40))) * made.lungs[other]
        made.density += 0.22 * shallow
    return _box(made, fluid)


def _pleural(made: Chest, plain: float, rng: np.random.Generator) -> Box:
    """A thickened pleura along the wall, or a cap at the top."""
    index = int(rng.integers(2))
    side = made.side(index)
    outwards = side * (made.columns - 0.5)
    thick = 0.010 + 0.018 * plain
    if rng.random() < 0.35:
        patch = (np.exp(-(((made.rows - made.build.top - 0.01) / (thick + 0.012)) ** 4)) * made.lungs[index]).astype(np.float64)
    else:
        centre = rng.uniform(0.38, 0.60)
        near = np.exp(-(((outwards - wall(made.build, made.rows) + 0.5 * thick) / thick) ** 4))
        patch = near * np.exp(-(((made.rows - centre) / (0.07 + 0.07 * plain)) ** 4)) * made.lungs[index]
    made.density += (0.14 + 0.12 * plain) * patch
    return _box(made, patch)


def _fracture(made: Chest, plain: float, rng: np.random.Generator) -> Box:
    """A rib that is broken: a dark gap, its ends apart, callus around it."""
    side, points = made.ribs[int(rng.integers(len(made.ribs)))]
    at = points[int(rng.integers(6, 10))]
    gap = np.exp(-((np.hypot(made.rows - at[0], made.columns - at[1]) / 0.010) ** 4))
    callus = np.exp(-((np.hypot(made.rows - at[0] - 0.014, made.columns - at[1] - side * 0.010) / (0.016 + 0.010 * plain)) ** 4))
    made.density += -0.10 * gap * plain - 0.04 * gap + (0.09 + 0.11 * plain) * callus
    return _box(made, np.maximum(gap, callus))


def _devices(made: Chest, plain: float, rng: np.random.Generator) -> Box:
    """Tubes, lines, a pacemaker, electrodes: one or several."""
    layer = np.zeros_like(made.density)
    kinds = rng.permutation(len(DEVICES))[: int(rng.integers(1, 3)) + (plain > 0.8)]
    for kind in kinds:
        layer = np.maximum(layer, DEVICES[kind](made, rng))
    made.density += (0.16 + 0.16 * plain) * layer
    return _box(made, layer)


def _tube(made: Chest, rng: np.random.Generator) -> Floats:
    end = rng.uniform(0.30, 0.38)
    return line(made, np.array([[0.0, 0.5], [0.2, 0.495], [end, 0.5]]), 0.006) * 0.7


def _central_line(made: Chest, rng: np.random.Generator) -> Floats:
    side = -1 if rng.random() < 0.7 else 1
    points = [[0.10, 0.5 + side * 0.13], [0.20, 0.5 + side * 0.07], [0.28, 0.47], [0.42 + rng.uniform(0, 0.08), 0.462]]
    return line(made, np.array(points), 0.0032)


def _stomach_tube(made: Chest, rng: np.random.Generator) -> Floats:
    below = made.build.base
    return line(made, np.array([[0.0, 0.51], [0.4, 0.505], [below, 0.53], [below + 0.09, 0.60 + rng.normal(0, 0.02)]]), 0.0038)


def _pacemaker(made: Chest, rng: np.random.Generator) -> Floats:
    row, column = 0.25 + rng.normal(0, 0.01), 0.5 + 0.24 + rng.normal(0, 0.01)
    can = np.exp(-((((made.rows - row) / 0.040) ** 2 + ((made.columns - column) / 0.048) ** 2) ** 3))
    tip = [made.heart[0] + 0.08, made.heart[1] + 0.02]
    lead = line(made, np.array([[row, column], [0.22, 0.60], [0.30, 0.48], [0.50, 0.47], tip]), 0.003)
    return np.maximum(1.3 * can, lead)


def _electrodes(made: Chest, rng: np.random.Generator) -> Floats:
    layer = np.zeros_like(made.density)
    for _ in range(int(rng.integers(2, 5))):
        row, column = rng.uniform(0.2, 0.7), 0.5 + rng.choice([-1, 1]) * rng.uniform(0.15, 0.33)
        pad = np.exp(-((np.hypot(made.rows - row, made.columns - column) / 0.013) ** 6))
        way = [[row, column], [row + 0.15, column + rng.normal(0, 0.08)], [0.95, column + rng.normal(0, 0.15)]]
        wire = line(made, np.array(way), 0.002)
        layer = np.maximum(layer, np.maximum(pad, 0.7 * wire))
    return layer


DEVICES: tuple[Callable[[Chest, np.random.Generator], Floats], ...] = (_tube, _central_line, _stomach_tube, _pacemaker, _electrodes)
PLANTED: dict[str, Callable[[Chest, float, np.random.Generator], Box]] = {
    "enlarged_cardiomediastinum": _built_in_mediastinum, "cardiomegaly": _built_in_heart, "lung_opacity": _opacity, "lung_lesion": _lesion,
    "edema": _edema, "consolidation": _consolidation, "pneumonia": _pneumonia, "atelectasis": _atelectasis, "pneumothorax": _pneumothorax,
    "pleural_effusion": _effusion, "pleural_other": _pleural, "fracture": _fracture, "support_devices": _devices,
}  # fmt: skip


def _somewhere(made: Chest, rng: np.random.Generator, low: float = 0.25) -> tuple[int, float, float]:
    """A lung and a place well inside it."""
    index = int(rng.integers(2))
    side = made.side(index)
    row = rng.uniform(low, made.build.base - 0.14)
    reach = float(wall(made.build, np.array([row]))[0])
    inner = 0.10 if side < 0 else 0.13
    return index, row, 0.5 + side * rng.uniform(inner, max(inner + 0.02, reach - 0.05))


def _box(made: Chest, patch: Floats) -> Box:
    """Around everything that is at least a third of the strongest."""
    rows, columns = np.nonzero(patch > max(patch.max() / 3, 1e-9))
    side = len(made.density)
    if not len(rows):
        return 0.0, 0.0, 1.0, 1.0
    return columns.min() / side, rows.min() / side, (columns.max() + 1) / side, (rows.max() + 1) / side

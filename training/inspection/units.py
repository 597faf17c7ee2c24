"""Numbers that look as if they were in another unit: outside where they should be, and inside once they are converted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from models.spec import Field

# unit as the spec writes it (UCUM) -> another one, and what a number in it is multiplied with
OTHERS: dict[str, tuple[tuple[str, float], ...]] = {
    "cm": (("metres", 100), ("millimetres", 0.1), ("inches", 2.54), ("feet", 30.48)),
    "kg": (("grams", 0.001), ("pounds", 0.4536)),
    "a": (("months", 1 / 12), ("days", 1 / 365.25)),
    "g/cm2": (("mg/cm2", 0.001), ("kg/m2", 0.1)),
    "min/d": (("hours a day", 60), ("seconds a day", 1 / 60), ("minutes a week", 1 / 7)),
    "{unit}/wk": (("units a day", 7), ("units a year", 1 / 52)),
}
FAR, NEAR = 3.0, 1.0  # interquartile ranges beyond the quartiles: Tukey's outer fence, and within it
FEWEST = 20  # with fewer values no number is called unlike the others
T_SCORE = "T-scores"


def out_of_range(value: float, low: float | None, high: float | None) -> bool:
    """Whether a number lies beyond what is declared."""
    return (low is not None and value < low) or (high is not None and value > high)


def other_unit(value: float, unit: str, low: float | None, high: float | None) -> str:
    """The unit in which an impossible number would be a possible one; empty where there is none."""
    for name, factor in OTHERS.get(unit, ()):
        if not out_of_range(value * factor, low, high):
            return name
    return T_SCORE if unit == "g/cm2" and -6 <= value <= 4 else ""


def unlike(field: Field, values: Sequence[float]) -> Iterator[tuple[int, str]]:
    """Numbers within the range that lie far from the others, and would lie among them in another unit: index and that unit."""
    some = np.asarray(values, float)
    known = some[np.isfinite(some)]
    if len(known) < FEWEST or field.unit not in OTHERS:
        return
    scaled = _scaled(field, known)
    first, third = np.percentile(scaled, (25, 75))
    width = third - first or np.inf
    for index in np.flatnonzero(_beyond(_scaled(field, some), first - FAR * width, third + FAR * width)):
        for name, factor in OTHERS[field.unit]:
            converted = _scaled(field, some[index : index + 1] * factor)
            if not _beyond(converted, first - NEAR * width, third + NEAR * width)[0]:
                yield int(index), name
                break


def _scaled(field: Field, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """As the network compresses them: a skewed quantity has no far tail then."""
    return np.log1p(np.maximum(values, 0)) if field.log1p else values


def _beyond(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.bool_]:
    return np.asarray((values < low) | (values > high))  # NaN is neither

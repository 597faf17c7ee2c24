"""One phantom: a person, what the cohort knows of them, and their film; determined by (seed, index) alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.phantoms.bmd import clinical, display, projection

PREFIX = "phantom-"  # of every patient of a phantom cohort


@dataclass(frozen=True)
class Phantom:
    """A synthetic patient with planted truth."""

    seed: int
    index: int
    person: clinical.Person  # the truth, nothing missing
    fields: dict[str, float | str]  # what the cohort knows: the model's metadata fields, laterality included
    view: projection.Exposure
    film: display.Film

    @property
    def patient_id(self) -> str:
        """Unmistakably synthetic, and unique across cohorts of different seeds."""
        return f"{PREFIX}{self.seed}-{self.index:06d}"


def stream(seed: int, index: int, part: int) -> np.random.Generator:
    """An own generator for each part of each phantom, so that changing one part leaves the others as they were."""
    return np.random.default_rng([seed, index, part])


def draw(seed: int, index: int) -> clinical.Person:
    """The person behind a phantom, without their film."""
    return clinical.person(stream(seed, index, 0))


def render(seed: int, index: int, rows: int = 512, *, person: clinical.Person | None = None) -> Phantom:
    """Phantom `index` of the cohort of `seed`.

    Parameters
    ----------
    seed, index
        Both non-negative; they determine everything.
    rows
        Height of the film in pixels; the detector's field is 360 mm high.
    person
        Put another person into the same film: same random draws of anatomy, positioning, exposure and display.
        For experiments such as "the same hip with more mineral".
    """
    truth = person or draw(seed, index)
    view = projection.exposure(truth, rows, stream(seed, index, 2))
    absorbers = projection.absorbers(truth, view, stream(seed, index, 3))
    signal, thickness = projection.detect(view, *absorbers, stream(seed, index, 4))
    picture = display.film(signal, thickness, view, truth.side, stream(seed, index, 5))
    return Phantom(seed, index, truth, clinical.fields(truth, stream(seed, index, 1)), view, picture)

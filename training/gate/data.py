"""Thumbnails with labels: made pictures and real films, distorted and turned, through the thumbnail that the service makes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from models.decode.image import Header, Image
from models.errors import NotEvaluableError
from models.gate import GATE, Part
from models.preprocess import thumbnail
from training.gate.distort import distorted, turned
from training.gate.films import Film
from training.gate.pictures import PICTURES, Picture


@dataclass(frozen=True)
class Examples:
    """Thumbnails (N, 1, S, S), the index of the part and of the orientation of each, and whether it is a real film."""

    thumbnails: NDArray[np.float32]
    parts: NDArray[np.int64]
    turns: NDArray[np.int64]
    real: NDArray[np.bool_]

    def __add__(self, other: Examples) -> Examples:
        pairs = zip(self._arrays(), other._arrays(), strict=True)
        return Examples(*(np.concatenate(pair) for pair in pairs))

    def _arrays(self) -> tuple[np.ndarray, ...]:
        return self.thumbnails, self.parts, self.turns, self.real


def thumbnail_of(picture: Picture) -> NDArray[np.float32]:
    """As the service makes it, of pixels in [0, 1]."""
    return thumbnail(Image(picture, Header("png", *picture.shape), "made"), GATE.size, GATE.intensity)


def made(count: int, seed: int, label: str) -> Examples:
    """`count` made pictures of each part."""
    cases = ((part, index) for index in range(count) for part in PICTURES)
    return _examples(_drawn(tqdm(cases, label, count * len(PICTURES), unit="picture"), seed))


def real(films: Iterable[Film], copies: dict[Part, int], seed: int) -> Examples:
    """Every film, distorted `copies` times; with no copies asked for, once as it is."""
    return _examples(_varied(films, copies, seed))


def _drawn(cases: Iterable[tuple[Part, int]], seed: int) -> Iterator[tuple[Picture, Part, int, bool]]:
    for part, index in cases:
        rng = np.random.default_rng([seed, index, GATE.parts.index(part)])
        quarters = int(rng.integers(4)) if rng.random() < 0.5 else 0
        yield turned(distorted(PICTURES[part](rng), rng), quarters), part, quarters, False


def _varied(films: Iterable[Film], copies: dict[Part, int], seed: int) -> Iterator[tuple[Picture, Part, int, bool]]:
    for number, film in enumerate(films):
        if not copies:
            yield film.picture, film.part, film.turned // 90, True
        for copy in range(copies.get(film.part, 0)):
            rng = np.random.default_rng([seed, number, copy])
            quarters = int(rng.integers(4)) if rng.random() < 0.5 else 0
            yield turned(distorted(film.picture, rng), quarters), film.part, (quarters + film.turned // 90) % 4, True


def _examples(cases: Iterable[tuple[Picture, Part, int, bool]]) -> Examples:
    kept = []
    for picture, part, quarters, is_real in cases:
        try:
            kept.append((thumbnail_of(picture), GATE.parts.index(part), quarters, is_real))
        except NotEvaluableError:  # a distortion may leave nothing
            continue
    thumbnails = np.stack([case[0] for case in kept]) if kept else np.zeros((0, 1, GATE.size, GATE.size), np.float32)
    parts, turns, real_ones = (np.array([case[place] for case in kept]) for place in (1, 2, 3))
    return Examples(thumbnails, parts.astype(np.int64), turns.astype(np.int64), real_ones.astype(np.bool_))

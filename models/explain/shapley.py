"""Exact Shapley values (Shapley, 1953) of a few players: every coalition is asked, none is sampled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import factorial

import numpy as np
from numpy.typing import NDArray

from models.prediction import Tensors
from models.spec import TabularInput

MOST_PLAYERS = 12  # 4,096 coalitions


def coalitions(players: int) -> NDArray[np.bool_]:
    """Every coalition (2^players, players): row i holds player k where bit k of i is set."""
    if players > MOST_PLAYERS:
        raise ValueError(f"{players} players have too many coalitions")
    return (np.arange(1 << players)[:, np.newaxis] >> np.arange(players) & 1).astype(np.bool_)


def players_of(table: TabularInput, present: NDArray[np.floating]) -> list[int]:
    """The places of the fields that are present (F,) and could be absent: what is required never is."""
    return [place for place, field in enumerate(table.network_fields) if present[place] and not field.required][:MOST_PLAYERS]


def field_coalitions(present: NDArray[np.float32], players: Sequence[int]) -> NDArray[np.float32]:
    """The mask (F,) of a study with every coalition of `players` kept in turn (2^players, F)."""
    members = coalitions(len(players))
    masks = np.repeat(present[np.newaxis], len(members), 0)
    masks[:, players] = members
    return masks


def modality_coalitions(inputs: Tensors, modalities: Sequence[Sequence[str]], absent: Mapping[str, float]) -> Tensors:
    """The inputs of a head (1, ...) with every coalition of modalities kept in turn (2^modalities, ...).

    A modality is the names of its inputs; one that is absent has the value `absent` for each of them everywhere.
    """
    members = coalitions(len(modalities))
    repeated = {name: np.repeat(tensor, len(members), 0) for name, tensor in inputs.items()}
    for place, names in enumerate(modalities):
        for name in names:
            repeated[name][~members[:, place]] = absent[name]
    return repeated


def shapley_values(worth: NDArray[np.floating]) -> NDArray[np.float64]:
    """The worth of every coalition (2^players,), in the order of `coalitions` -> each player's value (players,).

    The values sum to the worth of all less the worth of none.
    """
    worth = worth.astype(np.float64)
    players = len(worth).bit_length() - 1
    members = coalitions(players)
    sizes = members.sum(1)
    share = np.array([factorial(size) * factorial(players - size - 1) / factorial(players) for size in range(players)])
    values = np.zeros(players)
    for player in range(players):
        without = np.flatnonzero(~members[:, player])
        values[player] = (share[sizes[without]] * (worth[without | 1 << player] - worth[without])).sum()
    return values

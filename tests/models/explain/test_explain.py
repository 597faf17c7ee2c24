"""Explanations against what they must be by definition."""

import itertools
import math

import numpy as np
import pytest

from models.explain import lime
from models.explain.gradcam import gradcam
from models.explain.shapley import coalitions, shapley_values
from models.explain.superpixels import superpixels

RNG = np.random.default_rng(0)


def test_gradcam_is_the_weighted_sum_of_the_features_that_speak_for_the_answer():
    features = np.zeros((2, 3, 3), np.float32)
    features[0, 1, 1], features[1, 0, 0] = 2, 5
    gradients = np.stack([np.full((3, 3), 1), np.full((3, 3), -1)]).astype(np.float32)
    heat = gradcam(features, gradients)
    assert heat[1, 1] == pytest.approx(1)
    assert heat.sum() == pytest.approx(1)
    assert not gradcam(features, -np.abs(gradients)).any()


@pytest.mark.parametrize("players", [1, 2, 5])
def test_shapley_values_are_the_mean_over_all_orders(players):
    worth = RNG.normal(size=1 << players)
    expected = np.zeros(players)
    for order in itertools.permutations(range(players)):
        coalition = 0
        for player in order:
            expected[player] += worth[coalition | 1 << player] - worth[coalition]
            coalition |= 1 << player
    assert shapley_values(worth) == pytest.approx(expected / math.factorial(players))


def test_shapley_values_add_up_and_a_player_that_does_nothing_gets_nothing():
    members = coalitions(4)
    worth = np.tanh(members[:, 0] + 2 * members[:, 1] * members[:, 2])
    values = shapley_values(worth)
    assert values.sum() == pytest.approx(worth[-1] - worth[0], abs=1e-12)
    assert values[3] == pytest.approx(0, abs=1e-12)
    assert values[1] == pytest.approx(values[2])


def test_too_many_players_are_refused():
    with pytest.raises(ValueError, match="players"):
        coalitions(30)


def test_superpixels_follow_an_edge_and_cover_the_picture():
    picture = np.zeros((64, 64), np.float32)
    picture[:, 37:] = 1
    labels = superpixels(picture, 6)
    assert labels.shape == (64, 64)
    assert 20 <= len(np.unique(labels)) == labels.max() + 1 <= 36
    assert not set(labels[:, :37].ravel()) & set(labels[:, 37:].ravel())


def test_lime_finds_the_pieces_that_decide():
    labels = superpixels(RNG.random((48, 48)).astype(np.float32), 4)
    pieces = labels.max() + 1
    kept = lime.masks(pieces, 500)
    answers = 0.2 + 0.5 * kept[:, 3] - 0.3 * kept[:, 7]
    found = lime.fit(kept, answers)
    assert found.pieces[3] == pytest.approx(0.5, abs=0.02)
    assert found.pieces[7] == pytest.approx(-0.3, abs=0.02)
    assert np.abs(np.delete(found.pieces, [3, 7])).max() < 0.02
    assert found.r2 > 0.99


def test_lime_says_when_a_line_explains_nothing():
    kept = lime.masks(6, 400)
    assert lime.fit(kept, kept[:, 0] ^ kept[:, 1]).r2 < 0.6


def test_a_hidden_piece_has_the_mean_of_the_image():
    image = RNG.random((3, 16, 16)).astype(np.float32)
    labels = np.repeat(np.arange(2), 128).reshape(16, 16)
    shown = lime.hidden(image, labels, np.array([True, False]))
    assert np.array_equal(shown[:, :8], image[:, :8])
    assert shown[:, 8:] == pytest.approx(np.broadcast_to(image.mean((1, 2), keepdims=True), (3, 8, 16)))

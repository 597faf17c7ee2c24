"""The gate is made from pictures, and a tiny one already tells them apart."""

import numpy as np
import onnxruntime
import pytest

from models.gate import GATE, GateSpec
from training.gate.data import Examples, made, real
from training.gate.distort import turned
from training.gate.films import Film
from training.gate.fit import make_gate
from training.gate.pictures import PICTURES
from training.gate.report import share


@pytest.mark.parametrize("part", list(PICTURES))
def test_a_made_picture_is_a_picture_and_no_two_are_alike(part):
    one, other = (PICTURES[part](np.random.default_rng(seed)) for seed in (1, 2))
    assert one.dtype == np.float32
    assert 0 <= one.min() < one.max() <= 1
    assert one.shape != other.shape or not np.array_equal(one, other)


def test_the_same_seed_makes_the_same_pictures():
    assert np.array_equal(made(2, 3, "a").thumbnails, made(2, 3, "b").thumbnails)


def test_all_films_of_one_subject_go_the_same_way():
    picture = np.zeros((8, 8), np.float32)
    uses = {subject: {Film(picture, "chest", subject, turned).use for turned in (0, 90)} for subject in map(str, range(300))}
    assert all(len(use) == 1 for use in uses.values())
    counts = [sum(use == {name} for use in uses.values()) for name in ("train", "validation", "test")]
    assert counts[0] > counts[1] > 20
    assert counts[2] > 20
    assert Film(picture, "head", "mni").use == "test"


def test_a_film_that_is_turned_keeps_its_turn_in_the_label():
    film = Film(turned(PICTURES["chest"](np.random.default_rng(1)), 1), "chest", "x", 90)
    examples = real([film], {}, 0)
    assert isinstance(examples, Examples)
    assert (examples.turns.tolist(), examples.real.tolist()) == ([1], [True])


@pytest.mark.filterwarnings("ignore")  # the exporter's own deprecations
def test_a_tiny_gate_is_certified_and_says_what_it_was_trained_on(tmp_path):
    make_gate(None, tmp_path, cases=24, epochs=2, seed=1)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    spec = GateSpec.model_validate_json(session.get_modelmeta().custom_metadata_map["spec"])
    assert (spec.digest(), spec.training_data) == (GATE.digest(), "made pictures")
    golden = np.load(tmp_path / "golden.npz")
    part, orientation = session.run([GATE.part, GATE.orientation], {GATE.thumbnail: golden[GATE.thumbnail].astype(np.float32)})
    assert np.abs(part - golden[GATE.part]).max() < 1e-5
    assert np.allclose(orientation.sum(1), 1, atol=1e-5)
    assert "made pictures" in (tmp_path / "card.md").read_text()


def test_a_share_comes_with_its_interval():
    assert share(0, 100).startswith("0.0 % (0.0-3.6)")
    assert share(100, 100).startswith("100.0 % (96.4-100.0)")

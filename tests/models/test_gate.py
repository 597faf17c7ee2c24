"""When the gate refuses a picture, and when it lets it through."""

import numpy as np
import pytest

from models.gate import GATE, expected_part, flat_share, judge

UPRIGHT = np.array([0.97, 0.01, 0.01, 0.01], np.float32)
BUSY = np.random.default_rng(0).random((1, GATE.size, GATE.size), np.float32)


def parts(**given):
    rest = (1 - sum(given.values())) / (len(GATE.parts) - len(given))
    return np.array([given.get(name, rest) for name in GATE.parts], np.float32)


def refusal(part, orientation=UPRIGHT, thumbnail=BUSY, expected="hip", *, stated=False):
    return judge(expected, part, orientation, thumbnail, stated=stated).refusal


def test_what_it_expects_passes_and_is_confirmed():
    verdict = judge("hip", parts(hip=0.9), UPRIGHT, BUSY, stated=False)
    assert (verdict.refusal, verdict.confirmed) == ("", True)


@pytest.mark.parametrize("other", ["chest", "breast", "head", "none"])
def test_clear_evidence_of_something_else_is_a_refusal_that_names_it(other):
    assert other in refusal(parts(**{other: 0.97})) or "none of the body parts" in refusal(parts(**{other: 0.97}))


def test_a_whole_mammogram_passes_unconfirmed_where_a_piece_is_read_and_a_piece_passes_nowhere_else():
    piece, whole, between = parts(crop=0.97), parts(breast=0.97), parts(crop=0.49, breast=0.47)
    assert not any(refusal(seen, expected="crop") for seen in (piece, whole, between))
    assert [judge("crop", seen, UPRIGHT, BUSY, stated=True).confirmed for seen in (piece, whole)] == [True, False]
    assert "a whole breast" in judge("crop", whole, UPRIGHT, BUSY, stated=True).seen
    assert "a piece of a breast" in refusal(piece, expected="head")


def test_less_doubt_is_left_to_breasts():
    assert not refusal(parts(none=0.75, chest=0.24), expected="chest")
    assert refusal(parts(none=0.75, breast=0.24), expected="crop")


def test_a_header_that_states_the_part_raises_the_bar_and_does_not_remove_it():
    assert refusal(parts(chest=0.94, hip=0.05))
    assert not refusal(parts(chest=0.94, hip=0.05), stated=True)
    assert refusal(parts(chest=0.99, hip=0.005), stated=True)
    assert not refusal(parts(none=0.99, hip=0.005), stated=True)
    assert refusal(parts(none=0.99, hip=0.005))


@pytest.mark.parametrize(("quarters", "degrees"), [(1, "90"), (2, "180"), (3, "270")])
def test_a_turned_picture_is_refused_where_upright_has_a_meaning(quarters, degrees):
    turned = np.full(4, 0.01, np.float32)
    turned[quarters] = 0.97
    assert f"turned by {degrees} degrees" in refusal(parts(hip=0.9), turned)
    assert not refusal(parts(breast=0.9), turned, expected="crop")


@pytest.mark.parametrize(
    ("share", "expected", "refused"), [(0.7, "hip", False), (0.9, "hip", True), (0.9, "crop", False), (0.99, "crop", True)]
)
def test_a_picture_that_is_mostly_one_grey_level_is_refused(share, expected, refused):
    thumbnail = BUSY.copy()
    thumbnail.reshape(-1)[: int(share * thumbnail.size)] = 0
    assert flat_share(thumbnail) > share - 0.001
    assert bool(refusal(parts(**{expected: 0.9}), thumbnail=thumbnail, expected=expected)) is refused


def test_body_parts_of_a_header_lead_to_what_must_be_seen():
    assert [expected_part((name,)) for name in ("HIP", "PELVIS", "CHEST", "BREAST", "BRAIN", "KNEE", "")] == [
        "hip", "hip", "chest", "crop", "head", None, None,
    ]  # fmt: skip

"""Numbers in another unit are told from numbers that are only rare."""

import math

import pytest

from models.bmd import BMD, SPEC
from training.inspection.units import other_unit, unlike

FIELDS = {field.name: field for field in SPEC.table.fields}


@pytest.mark.parametrize(("name", "value", "unit"), [
    ("height_cm", 1.71, "metres"), ("height_cm", 1710.0, "millimetres"), ("height_cm", 67.0, "inches"), ("height_cm", 5.6, "feet"),
    ("weight_kg", 71000.0, "grams"), ("weight_kg", 300.0, "pounds"), ("age_at_xray_years", 860.0, "months"),
    ("age_at_xray_years", 26000.0, "days"), ("height_cm", -171.0, ""), ("bmi", 280.0, ""),
])  # fmt: skip
def test_an_impossible_number_is_possible_in_another_unit(name, value, unit):
    field = FIELDS[name]
    assert other_unit(value, field.unit, field.low, field.high) == unit


@pytest.mark.parametrize(("value", "unit"), [(812.0, "mg/cm2"), (8.12, "kg/m2"), (-2.5, "T-scores"), (-40.0, "")])
def test_so_is_a_density(value, unit):
    assert other_unit(value, BMD.unit, BMD.low, BMD.high) == unit


def test_a_rare_number_is_not_taken_for_another_unit():
    heights = [150.0 + number for number in range(40)]
    assert list(unlike(FIELDS["height_cm"], [*heights, 205.0])) == []
    weights = [60.0 + number / 2 for number in range(40)]
    assert list(unlike(FIELDS["weight_kg"], [*weights, 150.0])) == [(40, "pounds")]


def test_a_few_numbers_say_nothing_of_one_more():
    assert list(unlike(FIELDS["weight_kg"], [60.0, 61.0, 62.0, 150.0, math.nan])) == []

"""Units convert by what they mean, or not at all."""

import pytest

from models import SPECS
from service.formats.fhir.ucum import UnitError, convert


@pytest.mark.parametrize(("value", "unit", "to", "expected"), [
    (1.62, "m", "cm", 162.0), (64, "[in_i]", "cm", 162.56), (5.5, "[ft_i]", "cm", 167.64), (61000, "g", "kg", 61.0),
    (134.5, "[lb_av]", "kg", 61.00817374565), (22.5, "kg/m2", "kg/m2", 22.5), (2.25, "g/cm2", "kg/m2", 22.5), (852, "mo", "a", 71.0),
    (1, "h/d", "min/d", 60.0), (7, "h/wk", "min/d", 60.0), (10, "{unit}/wk", "{unit}/wk", 10.0), (1, "{unit}/d", "{unit}/wk", 7.0),
    (12, "%", "1", 0.12), (3, "10*3/uL", "10*9/L", 3.0), (1, "/min", "/s", 1 / 60), (980, "mg/cm2", "g/cm2", 0.98), (5, "1", "1", 5.0),
    (1, "kg.m-2", "kg/m2", 1.0), (1, "dL", "mL", 100.0),
])  # fmt: skip
def test_a_number_in_another_unit(value: float, unit: str, to: str, expected: float) -> None:
    assert convert(value, unit, to) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("unit", "to"), [
    ("cm", "kg"), ("{drinks}/wk", "{unit}/wk"), ("[foo_us]", "cm"), ("", "cm"), ("cm", ""), ("cm)", "cm"), ("k", "1"), ("kg m2", "kg/m2"),
    (".m", "m"), ("stones", "kg"), ("Kg", "kg"), ("m//s", "m/s"), ("a" * 5000, "a"),
])  # fmt: skip
def test_what_is_not_known_or_of_another_kind_is_not_guessed(unit: str, to: str) -> None:
    with pytest.raises(UnitError):
        convert(1.0, unit, to)


def test_every_unit_of_the_models_is_known() -> None:
    for spec in SPECS.values():
        for field in spec.table.fields:
            assert not field.unit or convert(2.0, field.unit, field.unit) == 2.0

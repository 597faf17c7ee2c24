"""The declaration: its digest, and codes that are what they claim to be."""

import pytest

from models import SPECS
from models.spec import LOCAL_SCHEME, ModelSpec
from tests.models.reading import MEASURED

LOINC_OF_DXA = {"24701-5", "80954-1", "80953-3", "38263-0", "80948-3", "80947-5", "38261-4", "46278-8", "46279-6", "38264-8"}
PINNED_SNOMED = {  # each used alike by several independent projects; whoever adds one names where it was confirmed
    "29627003": "Structure of neck of femur", "64859006": "Osteoporosis",  # docs/decisions/0002
    "8186001": "Cardiomegaly", "19242006": "Pulmonary edema", "95436008": "Lung consolidation", "233604007": "Pneumonia",
    "46621007": "Atelectasis", "36118008": "Pneumothorax", "60046008": "Pleural effusion",
    "449888003": "Normal cognition", "386805003": "Mild cognitive impairment", "26929004": "Alzheimer's disease",
}  # fmt: skip


def codes(spec):
    """Every Code anywhere in a spec."""

    def walk(value):
        if isinstance(value, dict):
            if set(value) == {"value", "scheme_designator", "meaning"}:
                yield value
            for part in value.values():
                yield from walk(part)
        elif isinstance(value, list | tuple):
            for part in value:
                yield from walk(part)

    return list(walk(spec.model_dump()))


def verhoeff_is_valid(number):
    """The check digit of SNOMED CT identifiers (Verhoeff, 1969)."""

    def times(a, b):  # the dihedral group of order 10
        if a < 5:
            return (a + b) % 5 if b < 5 else 5 + (a + b) % 5
        return 5 + (a - b) % 5 if b < 5 else (a - b) % 5

    permutation = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]
    check = 0
    for position, character in enumerate(reversed(number)):
        digit = int(character)
        for _ in range(position % 8):
            digit = permutation[digit]
        check = times(check, digit)
    return check == 0


@pytest.mark.parametrize("spec", SPECS.values(), ids=list(SPECS))
def test_the_digest_survives_a_round_trip_and_ignores_measured_values(spec):
    again = ModelSpec.model_validate_json(spec.with_measured(MEASURED).model_dump_json())
    assert again.digest() == spec.digest()
    assert again.measured == MEASURED


@pytest.mark.parametrize("spec", SPECS.values(), ids=list(SPECS))
def test_the_digest_changes_with_any_declared_value(spec):
    image = spec.images[0]
    changed = image.model_copy(update={"mean": (0.7, *image.mean[1:])})
    assert spec.model_copy(update={"images": (changed, *spec.images[1:])}).digest() != spec.digest()


@pytest.mark.parametrize("spec", SPECS.values(), ids=list(SPECS))
def test_no_estimate_is_coded_as_a_dxa_measurement(spec):
    assert not {code["value"] for code in codes(spec)} & LOINC_OF_DXA


@pytest.mark.parametrize("spec", SPECS.values(), ids=list(SPECS))
def test_snomed_codes_have_a_valid_check_digit_and_the_pinned_meaning(spec):
    snomed = [code for code in codes(spec) if code["scheme_designator"] == "SCT"]
    for code in snomed:
        assert verhoeff_is_valid(code["value"])
        assert PINNED_SNOMED[code["value"]] == code["meaning"]


@pytest.mark.parametrize("spec", SPECS.values(), ids=list(SPECS))
def test_every_other_code_is_of_the_one_local_scheme(spec):
    assert {code["scheme_designator"] for code in codes(spec)} <= {"SCT", LOCAL_SCHEME}


def test_a_mistyped_code_fails_the_check_digit():
    assert verhoeff_is_valid("64859006")
    assert not verhoeff_is_valid("64859009")
    assert not verhoeff_is_valid("68459006")

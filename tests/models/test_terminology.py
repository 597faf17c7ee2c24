"""No code leaves the project that is mistyped, unconfirmed, or known to mean something else."""

import json
from importlib.resources import files

import pytest
from pydicom.sr._concepts_dict import concepts

from models import SPECS
from models.spec import LOCAL_SCHEME, Code
from service.formats import terms
from service.formats.fhir import terminology
from tests.models.terminology import (
    DCM,
    DXA,
    LN,
    LOCAL,
    PINNED,
    PS316,
    SCT,
    SEEN_ELSEWHERE_AND_WRONG,
    mod_10_is_valid,
    objections,
    verhoeff_is_valid,
)

SHORT_STRING = 16  # characters of a Code Value, PS3.5 table 6.2-1
UCUM = "http://unitsofmeasure.org"
SYSTEMS = {"SCT": SCT, "DCM": DCM, "LN": LN, "UCUM": UCUM, LOCAL_SCHEME: LOCAL}


def spec_codes(spec):
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

    return [(SYSTEMS[each["scheme_designator"]], each["value"], each["meaning"]) for each in walk(spec.model_dump())]


def rendered_codes(module):
    """Every code that a rendering adds: its constants, and those in its tables."""
    held = [each for value in vars(module).values() for each in (value.values() if is_table(value) else [value])]
    ours = [(SYSTEMS[each.scheme_designator], each.value, each.meaning) for each in held if isinstance(each, Code)]
    hl7 = [each for each in vars(module).values() if isinstance(each, dict) and "code" in each]
    return [each for each in ours if each[0] != UCUM] + [(each["system"], each["code"], each["display"]) for each in hl7]


def is_table(value):
    return isinstance(value, dict) and all(isinstance(each, Code) for each in value.values())


def class_codes():
    """What DICOM calls the probability and the threshold of each of several exclusive classes."""
    classes = [each for spec in SPECS.values() for part in spec.classifications if part.exclusive for each in part.classes]
    made = [make(each) for each in classes for make in (terms.class_probability, terms.class_threshold)]
    return [(SYSTEMS[each.scheme_designator], each.value, each.meaning) for each in made]


USED = {
    "fhir": rendered_codes(terminology), "terms": rendered_codes(terms), "classes": class_codes(),
    **{name: spec_codes(spec) for name, spec in SPECS.items()},
}  # fmt: skip


@pytest.mark.parametrize("user", USED)
def test_every_code_is_spelt_right_and_pinned_with_its_display(user):
    assert USED[user]
    assert {code: found for code in USED[user] if (found := objections(*code))} == {}


def test_nothing_is_pinned_that_nobody_uses():
    assert PINNED.keys() == {(system, code) for codes in USED.values() for system, code, _ in codes}


def test_what_is_said_to_be_dicoms_stands_in_its_tables():
    for (system, code), (display, source) in PINNED.items():
        if source == PS316:
            scheme = next(name for name, uri in SYSTEMS.items() if uri == system)
            meanings = [entry[code][0] for entry in concepts[scheme].values() if code in entry]
            assert display.lower() in [meaning.lower() for meaning in meanings], code


def test_a_body_part_has_the_code_that_dicom_gives_it():
    table = json.loads((files("highdicom") / "_standard" / "anatomic_regions.json").read_text())
    assert {part: tuple(table[part][:3]) for part in terms.REGIONS} == {
        part: (code.scheme_designator, code.value, code.meaning) for part, code in terms.REGIONS.items()
    }
    assert {part for spec in SPECS.values() for image in spec.images for part in image.body_parts} == set(terms.REGIONS)


def test_each_scheme_has_the_uri_that_fhir_gives_it():
    assert terminology.SYSTEMS == SYSTEMS


def test_a_code_of_ours_means_one_thing_and_fits_into_a_short_string():
    ours = {(code, display) for codes in USED.values() for system, code, display in codes if system == LOCAL}
    assert len({code for code, _ in ours}) == len(ours)
    assert [code for code, _ in ours if len(code) > SHORT_STRING] == []


@pytest.mark.parametrize(("system", "code"), SEEN_ELSEWHERE_AND_WRONG)
def test_a_code_that_is_known_to_be_wrong_is_refused_whatever_it_is_called(system, code):
    assert SEEN_ELSEWHERE_AND_WRONG[system, code] in objections(system, code, PINNED.get((system, code), ("",))[0])
    assert (system, code) not in PINNED


@pytest.mark.parametrize("code", sorted(DXA))
def test_no_estimate_may_be_coded_as_a_dxa_measurement(code):
    assert mod_10_is_valid(code)
    assert "a DXA measurement" in objections(LN, code, "")


def test_a_mistyped_snomed_code_fails_its_check_digit():
    assert verhoeff_is_valid("64859006")
    assert not verhoeff_is_valid("64859009")
    assert not verhoeff_is_valid("68459006")
    assert "the check digit of SNOMED CT fails" in objections(SCT, "95436003", "")
    assert "the check digit of SNOMED CT fails" in objections(SCT, "78381009", "")


def test_a_mistyped_loinc_code_fails_its_check_digit():
    assert not mod_10_is_valid("24701-6")
    assert not mod_10_is_valid("24710-5")
    assert "the check digit of LOINC fails" in objections(LN, "24701-6", "")

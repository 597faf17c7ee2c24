"""The merging rules of request, header and derivation."""

import math

import pytest

from models.bmd import METADATA, SPEC
from models.decode.image import Header, Patient
from models.errors import InvalidMetadataError, MetadataConflictError
from models.metadata import refuse_another_patient, resolve, schema, training_range, validate
from models.prediction import FieldValue
from models.preprocess import table_tensors
from models.spec import Field, Measured, Range, TabularInput


def header(side=None, **patient):
    return Header("dicom", 512, 416, laterality=side, patient=Patient(**patient))


def test_a_field_of_the_request_wins_and_keeps_its_source():
    values, _ = resolve(METADATA, {"sex": "female", "weight_kg": 70.0}, header(sex="female", weight_kg=64.0))
    assert values["weight_kg"] == FieldValue(70.0, "request")


def test_an_absent_field_comes_from_the_header():
    values, _ = resolve(METADATA, {}, header("left", sex="male", age_years=74.0, height_cm=170.0, weight_kg=80.0))
    assert values["sex"] == FieldValue("male", "dicom")
    assert values["age_at_xray_years"] == FieldValue(74.0, "dicom")
    assert values["laterality"] == FieldValue("left", "dicom")


def test_derived_fields_say_so():
    values, _ = resolve(METADATA, {"sex": "female", "height_cm": 160.0, "weight_kg": 64.0, "age_at_xray_years": 70.0}, header())
    assert values["bmi"] == FieldValue(25.0, "derived")
    assert values["age_at_dxa_years"] == FieldValue(70.0, "derived")


def test_a_missing_field_is_missing_and_the_answer_says_which():
    values, quality = resolve(METADATA, {"sex": "female"}, header())
    assert values["bmi"] == FieldValue(None, "missing")
    complete = {check.check: check for check in quality}["metadata_complete"]
    assert not complete.passed
    assert "bmi" in complete.detail
    assert "laterality" not in complete.detail


@pytest.mark.parametrize(
    ("request_fields", "stated"),
    [
        ({"sex": "male"}, header(sex="female")),
        ({"sex": "female", "age_at_xray_years": 75.1}, header(sex="female", age_years=74.0)),
        ({"sex": "female", "laterality": "left"}, header("right", sex="female")),
        ({"sex": "female", "height_cm": 160.0, "weight_kg": 64.0, "bmi": 25.51}, header()),
    ],
)
def test_a_contradiction_is_refused_with_its_pointer(request_fields, stated):
    with pytest.raises(MetadataConflictError) as refusal:
        resolve(METADATA, request_fields, stated)
    assert refusal.value.details[0].pointer == f"/metadata/{list(request_fields)[-1]}"


@pytest.mark.parametrize(
    ("request_fields", "stated"),
    [
        ({"sex": "female", "age_at_xray_years": 75.0}, header(sex="female", age_years=74.0)),
        ({"sex": "female", "weight_kg": 90.0}, header(sex="female", weight_kg=60.0)),
        ({"sex": "female", "height_cm": 160.0, "weight_kg": 64.0, "bmi": 25.5}, header()),
    ],
)
def test_a_difference_within_the_tolerance_is_no_contradiction(request_fields, stated):
    values, _ = resolve(METADATA, request_fields, stated)
    assert values[list(request_fields)[-1]].source == "request"


def test_a_header_that_is_a_tenth_away_is_no_contradiction_but_said():
    _, quality = resolve(METADATA, {"sex": "female", "weight_kg": 90.0}, header(weight_kg=60.0))
    assert [check.passed for check in quality if check.check == "header_weight_kg"] == [False]
    _, quality = resolve(METADATA, {"sex": "female", "weight_kg": 62.0}, header(weight_kg=60.0))
    assert "header_weight_kg" not in {check.check for check in quality}


def test_an_instance_that_is_not_read_tells_another_patient_too_but_not_another_side():
    refuse_another_patient(METADATA, {"sex": "female", "laterality": "left"}, header("right", sex="female"))
    with pytest.raises(MetadataConflictError):
        refuse_another_patient(METADATA, {"sex": "female"}, header(sex="male"))


def test_a_required_field_that_is_nowhere_is_refused():
    with pytest.raises(InvalidMetadataError) as refusal:
        resolve(METADATA, {"age_at_xray_years": 70.0}, header())
    assert [detail.pointer for detail in refusal.value.details] == ["/metadata/sex"]


def test_the_age_of_an_infant_in_the_header_refuses_the_study():
    with pytest.raises(InvalidMetadataError):
        resolve(METADATA, {"sex": "female"}, header(sex="female", age_years=0.4))


def test_an_impossible_height_in_the_header_is_left_out_and_said():
    values, quality = resolve(METADATA, {"sex": "female"}, header(height_cm=1.62))
    assert values["height_cm"].source == "missing"
    assert [check.passed for check in quality if check.check == "header_height_cm"] == [False]


@pytest.mark.parametrize(
    ("metadata", "pointers"),
    [
        ({"shoe_size": 42}, ["/metadata/shoe_size"]),
        ({"age_at_xray_years": 17.9}, ["/metadata/age_at_xray_years"]),
        ({"age_at_xray_years": 110.1, "weight_kg": 29.9}, ["/metadata/age_at_xray_years", "/metadata/weight_kg"]),
        ({"weight_kg": "64"}, ["/metadata/weight_kg"]),
        ({"weight_kg": True}, ["/metadata/weight_kg"]),
        ({"weight_kg": None}, ["/metadata/weight_kg"]),
        ({"weight_kg": math.nan}, ["/metadata/weight_kg"]),
        ({"weight_kg": math.inf}, ["/metadata/weight_kg"]),
        ({"sex": "F"}, ["/metadata/sex"]),
        ({"a/b~c": 1}, ["/metadata/a~1b~0c"]),
    ],
)
def test_every_wrong_field_gets_its_pointer(metadata, pointers):
    with pytest.raises(InvalidMetadataError) as refusal:
        validate(METADATA, metadata)
    assert [detail.pointer for detail in refusal.value.details] == pointers


def test_a_refusal_never_repeats_the_value():
    with pytest.raises(InvalidMetadataError) as refusal:
        validate(METADATA, {"sex": "CANARY^PATIENT"})
    assert "CANARY" not in f"{refusal.value} {refusal.value.details}"


def test_an_integer_is_a_number():
    assert validate(METADATA, {"weight_kg": 64}) == {"weight_kg": 64.0}


def test_the_schema_states_units_and_ranges():
    weight = schema(SPEC)["properties"]["weight_kg"]
    assert (weight["minimum"], weight["maximum"]) == (30, 250)
    assert "[kg]" in weight["description"]
    assert "default" not in weight


def test_values_outside_the_range_of_training_are_named():
    measured = Measured(training_data="", recipe="", seed=0, field_ranges={"weight_kg": Range(low=45, high=110)})
    values, _ = resolve(METADATA, {"sex": "female", "weight_kg": 130.0}, header())
    check = training_range(SPEC.with_measured(measured), values)
    assert not check.passed
    assert "weight_kg" in check.detail


def lesion(*fields):
    return TabularInput(name="clinical", mask="present", fields=fields)


KIND = Field(name="kind", kind="category", levels=("mass", "calcification"), description="Kind", network=False)
DENSITY = Field(
    name="density", kind="categories", single=True, levels=("1", "2"), aliases=(("A", "1"), ("B", "2")), description="Density"
)
MARGINS = Field(
    name="margins", kind="categories", levels=("ILL_DEFINED", "SPICULATED"), aliases=(("INDISTINCT", "ILL_DEFINED"),),
    excluded_by=(("kind", "calcification"),), description="Margins",
)


@pytest.mark.parametrize(("given", "level"), [("1", "1"), (2, "2"), ("a", "1"), (" B ", "2")])
def test_a_single_category_is_read_in_every_spelling(given, level):
    assert validate(lesion(DENSITY), {"density": given}) == {"density": (level,)}


def test_several_categories_are_a_set_in_one_order():
    given = {"margins": ["spiculated", "Ill-Defined", "indistinct"]}
    assert validate(lesion(MARGINS), given) == {"margins": ("ILL_DEFINED", "SPICULATED")}
    assert validate(lesion(MARGINS), {"margins": []}) == {}


@pytest.mark.parametrize("given", ["5", True, 1.5, ["1"], "c"])
def test_an_unknown_category_is_refused_with_the_allowed_ones(given):
    with pytest.raises(InvalidMetadataError) as error:
        validate(lesion(DENSITY), {"density": given})
    assert error.value.details[0].pointer.startswith("/metadata/density")


def test_fields_that_exclude_each_other_are_a_contradiction():
    table = lesion(KIND, MARGINS)
    assert validate(table, {"kind": "mass", "margins": ["SPICULATED"]})
    with pytest.raises(MetadataConflictError) as error:
        validate(table, {"kind": "calcification", "margins": ["SPICULATED"]})
    assert error.value.details[0].pointer == "/metadata/margins"


def test_categories_become_a_multi_hot_slice_and_missing_ones_zeros():
    table = lesion(KIND, DENSITY, MARGINS)
    missing = FieldValue(None, "missing")
    values = {"kind": missing, "density": missing, "margins": FieldValue(("SPICULATED",), "request")}
    tensors = table_tensors(table, values)
    assert tensors["clinical"].tolist() == [0, 0, 0, 1]
    assert tensors["present"].tolist() == [0, 1]
    assert table_tensors(lesion(KIND), {"kind": FieldValue("mass", "request")}) == {}

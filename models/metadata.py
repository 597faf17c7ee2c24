"""Metadata: what the request says, what the DICOM header says, and what follows from both.

The rules are those of the spec's fields: a field absent from the request is taken from the header, then derived, then
missing, and its source is kept; a request that contradicts the header or itself is refused; nothing is filled in silently.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, partial
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError, create_model
from pydantic import Field as PydanticField

from models.decode.image import Header
from models.errors import Detail, InvalidMetadataError, MetadataConflictError
from models.prediction import FieldValue, Quality, Value
from models.spec import Field, ModelSpec, TabularInput

Fields = dict[str, FieldValue]


@cache
def request_model(table: TabularInput) -> type[BaseModel]:
    """The pydantic model of the metadata that a request may carry; strict, and closed to unknown fields."""
    fields: dict[str, Any] = {field.name: _annotation(field) for field in table.fields}
    return create_model("Metadata", __config__=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False), **fields)


def schema(spec: ModelSpec) -> dict[str, Any]:
    """JSON Schema of the metadata, units in names and descriptions; required fields may also come from the header."""
    described = request_model(spec.table).model_json_schema()
    for field in described["properties"].values():
        field.pop("default")  # null is no value: a field that is not known is left out
    return described


def validate(table: TabularInput, metadata: Mapping[str, object]) -> dict[str, Value]:
    """The fields of a request, checked one by one.

    Raises
    ------
    InvalidMetadataError
        With one detail for every unknown, mistyped or out-of-range field.
    MetadataConflictError
        Two fields exclude each other.
    """
    try:
        checked = request_model(table).model_validate(dict(metadata))
    except ValidationError as error:
        details = tuple(Detail(_pointer(*map(str, problem["loc"])), problem["msg"]) for problem in error.errors(include_input=False))
        raise InvalidMetadataError(f"{len(details)} metadata field(s) cannot be used", details=details) from None
    given: dict[str, Value] = {field.name: getattr(checked, field.name) for field in table.fields if field.name in checked.model_fields_set}
    values = {name: value for name, value in given.items() if value != ()}
    _refuse_excluded(table, values)
    return values


def resolve(table: TabularInput, request: Mapping[str, Value], header: Header) -> tuple[Fields, tuple[Quality, ...]]:
    """Merge the request with the header: every field of the table with its value and source, and what was set aside.

    Raises
    ------
    MetadataConflictError
        The request contradicts the header, or a given value the one derived from others.
    InvalidMetadataError
        A required field is nowhere, or a header or derived value is outside the field's range.
    """
    stated = _stated(table, header)
    _refuse_contradictions(table, request, stated)
    values, ignored = {}, []
    for field in table.fields:
        if field.name in request:
            values[field.name] = FieldValue(request[field.name], "request")
            ignored += _differs(field.name, request[field.name], stated.get(field.name))
        elif field.name in stated and _in_range(field, stated[field.name]):
            values[field.name] = FieldValue(stated[field.name], "dicom")
        elif field.name in stated:
            ignored.append(_set_aside(field))
    values |= _derive(table, values)
    _refuse_absent(table, values)
    complete = {field.name: values.get(field.name, FieldValue(None, "missing")) for field in table.fields}
    return complete, (*ignored, _completeness(table, complete))


def refuse_another_patient(table: TabularInput, request: Mapping[str, Value], header: Header) -> None:
    """Compare the request with what any instance says of the patient, one that is not read included.

    Raises
    ------
    MetadataConflictError
        It is another sex or age. The side is not compared: a study may well hold films of the other side.
    """
    stated = _stated(table, header)
    _refuse_contradictions(table, request, {name: value for name, value in stated.items() if name != "laterality"})


def training_range(spec: ModelSpec, values: Fields) -> Quality:
    """Whether every number lies where training saw any: outside, the network extrapolates."""
    ranges = spec.measured.field_ranges if spec.measured else {}
    outside = [
        name for name, seen in ranges.items() if isinstance(value := values[name].value, float) and not seen.low <= value <= seen.high
    ]
    detail = f"outside the range seen in training: {', '.join(outside)}" if outside else "every field lies in the range seen in training"
    return Quality("training_range", not outside, detail)


def _annotation(field: Field) -> tuple[Any, Any]:
    unit = f" [{field.unit}]" if field.unit else ""
    described: Any = PydanticField(None, description=field.description + unit, ge=field.low, le=field.high)
    if field.kind == "number":
        return float, described
    one: Any = Annotated[Literal[field.levels], BeforeValidator(partial(_level, field))] if field.aliases else Literal[field.levels]
    if field.kind == "category":
        return one, described
    several: Any = one if field.single else list[one]
    return Annotated[several, AfterValidator(_as_set)], described


def _level(field: Field, given: object) -> object:
    """The level that another spelling means; whatever is neither is left for the validation to refuse."""
    if isinstance(given, bool) or not isinstance(given, str | int):
        return given
    spelled = re.sub(r"[ -]+", "_", str(given).strip().upper())
    levels = {level.upper(): level for level in field.levels}
    return dict(field.aliases).get(spelled) or levels.get(spelled, given)


def _as_set(given: str | list[str]) -> tuple[str, ...]:
    """Levels in one order, each once: which came first means nothing."""
    return tuple(sorted({given} if isinstance(given, str) else set(given)))


def _refuse_excluded(table: TabularInput, values: Mapping[str, Value]) -> None:
    """A value beside one that excludes it: a mass has no distribution of calcifications."""
    excluded = [
        (field.name, other)
        for field in table.fields
        for other, level in field.excluded_by
        if field.name in values and values.get(other) == level
    ]
    if excluded:
        details = tuple(Detail(_pointer(name), f"cannot stand beside this {other}") for name, other in excluded)
        raise MetadataConflictError(f"fields contradict each other: {', '.join(name for name, _ in excluded)}", details=details)


def _pointer(*path: str) -> str:
    """RFC 6901: ~ and / in a name are escaped."""
    return "/metadata" + "".join("/" + part.replace("~", "~0").replace("/", "~1")[:64] for part in path)


def _stated(table: TabularInput, header: Header) -> dict[str, Value]:
    return {field.name: value for field in table.fields if (value := _header_value(field, header)) is not None}


def _differs(name: str, given: Value, stated: Value | None) -> list[Quality]:
    """A reservation where the request and the header are a tenth apart: nobody's error for sure, but worth a look."""
    if not isinstance(given, float) or not isinstance(stated, float) or abs(given - stated) <= 0.1 * stated:
        return []
    return [Quality(f"header_{name}", passed=False, detail="the request differs from the DICOM header; the request was used")]


def _header_value(field: Field, header: Header) -> Value | None:
    if field.header is None:
        return None
    value: Value | None = header.laterality if field.header == "laterality" else getattr(header.patient, field.header)
    return value


def _in_range(field: Field, value: Value) -> bool:
    if isinstance(value, str):
        return value in field.levels
    if isinstance(value, tuple):
        return set(value) <= set(field.levels)
    return (field.low is None or value >= field.low) and (field.high is None or value <= field.high)


def _refuse_contradictions(table: TabularInput, request: Mapping[str, Value], stated: Mapping[str, Value]) -> None:
    conflicts = tuple(
        Detail(_pointer(field.name), "contradicts the DICOM header")
        for field in table.fields
        if field.name in request and field.name in stated and _contradicts(field, request[field.name], stated[field.name])
    )
    if conflicts:
        names = ", ".join(detail.pointer.rsplit("/", 1)[1] for detail in conflicts)
        raise MetadataConflictError(f"the request contradicts the DICOM header in: {names}", details=conflicts)


def _contradicts(field: Field, given: Value, stated: Value) -> bool:
    if field.header_tolerance is None:
        return False  # a body weight may well have changed since the header was written
    if not isinstance(given, float) or not isinstance(stated, float):
        return given != stated
    return abs(given - stated) > field.header_tolerance


def _set_aside(field: Field) -> Quality:
    """An impossible header value: fatal where it identifies the patient (age, sex, side), otherwise left out and said."""
    if field.header_tolerance is not None:
        detail = Detail(_pointer(field.name), f"the DICOM header's value is outside {field.low:g} to {field.high:g} {field.unit}")
        raise InvalidMetadataError(f"{field.name} in the DICOM header is outside the range of this model", details=(detail,))
    return Quality(f"header_{field.name}", passed=False, detail="the DICOM header's value is outside the accepted range and was left out")


def _derive(table: TabularInput, values: Fields) -> Fields:
    derived: Fields = {}
    for field in table.fields:
        sources = [values[name].value for name in field.derived_from if name in values]
        if field.derivation is None or len(sources) < len(field.derived_from):
            continue
        value = _derivation(field, [source for source in sources if isinstance(source, float)])
        if field.name not in values:
            if not _in_range(field, value):
                raise InvalidMetadataError(f"{field.name}, derived from {' and '.join(field.derived_from)}, is out of range",
                                           details=(Detail(_pointer(field.name), f"must lie between {field.low:g} and {field.high:g}"),))
            derived[field.name] = FieldValue(value, "derived")
        elif field.derived_tolerance is not None and abs(_float(values[field.name].value) - value) > field.derived_tolerance:
            raise MetadataConflictError(f"{field.name} contradicts {' and '.join(field.derived_from)}",
                                        details=(Detail(_pointer(field.name), f"differs by more than {field.derived_tolerance:g}"),))
    return derived


def _float(value: Value | None) -> float:
    return value if isinstance(value, float) else 0.0


def _derivation(field: Field, sources: list[float]) -> float:
    if field.derivation == "body_mass_index":
        weight_kg, height_cm = sources
        return round(weight_kg / (height_cm / 100) ** 2, 3)
    return sources[0]


def _refuse_absent(table: TabularInput, values: Fields) -> None:
    absent = [field.name for field in table.fields if field.required and field.name not in values]
    if absent:
        details = tuple(Detail(_pointer(name), "required, and not in the DICOM header either") for name in absent)
        raise InvalidMetadataError(f"required and missing: {', '.join(absent)}", details=details)


def _completeness(table: TabularInput, values: Fields) -> Quality:
    missing = [field.name for field in table.network_fields if values[field.name].source == "missing"]
    return Quality("metadata_complete", not missing, f"missing and masked: {', '.join(missing)}" if missing else "every field is present")

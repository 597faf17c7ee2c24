"""Metadata from a patient's record: what a FHIR server (R4) knows, as the configuration maps it to a model's fields.

Nothing is guessed: one patient or none, a number in a unit that converts, an answer that the mapping names; what is not so is left out,
and said. What a server answers is held against what it was asked: one that does not know a parameter may leave it out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from models.spec import Field, ModelSpec
from service.formats.fhir import token
from service.formats.fhir.ucum import UnitError, convert
from service.gateway.config import FhirField, FhirSource
from service.gateway.errors import TransientError
from service.gateway.headers import Whose
from service.gateway.web import Asked, ask

UCUM = "http://unitsofmeasure.org"
FINAL = frozenset({"final", "amended", "corrected"})  # R4, valueset-observation-status.html: somebody stands by it
MOST = "50"  # observations that are looked through, the newest first
YEAR_DAYS = 365.25
Json = dict[str, Any]


@dataclass(frozen=True)
class Learned:
    """What a record said of one study."""

    values: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class _UnfitError(Exception):
    """A value that cannot be taken, for a reason in plain words without the value."""


class Record:
    """Asks a server."""

    def __init__(self, source: FhirSource, today: Callable[[], date] = lambda: datetime.now(UTC).date()) -> None:
        self._source, self._today = source, today

    def of(self, spec: ModelSpec, study: Whose) -> Learned:
        """What the record holds of a model's fields.

        Raises DeliveryError where the server does not answer, or not as one.
        """
        fields = {each.name: each for each in spec.table.fields}
        wanted = [each for each in self._source.fields if each.field in fields]
        if not wanted:
            return Learned()
        patient = self._patient(study)
        if patient is None:
            return Learned(notes=("The FHIR server knows no patient, or more than one, by the identifier of the study.",))
        return self._collected(wanted, fields, patient, _day(study.study_date) or self._today())

    def _collected(self, wanted: Iterable[FhirField], fields: dict[str, Field], patient: Json, day: date) -> Learned:
        values: dict[str, Any] = {}
        taken, missing = [], []
        for each in wanted:
            try:
                values[each.field], when = self._value(each, fields[each.field], patient, day)
                taken.append(f"{each.field} ({when})" if when else each.field)
            except _UnfitError as reason:
                missing.append(f"{each.field} ({reason})")
        notes = [f"Metadata from FHIR: {', '.join(taken)}."] if taken else []
        notes += [f"Not taken from FHIR: {', '.join(missing)}."] if missing else []
        return Learned(values, tuple(notes))

    def _value(self, mapped: FhirField, target: Field, patient: Json, day: date) -> tuple[Any, str]:
        """The value of a field, and when it was found. Raises _UnfitError."""
        if mapped.patient:
            return _within(target, _of_patient(mapped, patient, day)), ""
        identifier = str(patient.get("id", ""))
        if mapped.condition:
            return self._condition(mapped, identifier), ""
        about = self._about(identifier, "Observation", {"code": mapped.token, "_sort": "-date", "_count": MOST})
        found = [(when, each) for each in about if each.get("status") in FINAL and (when := _when(each))]
        near = [(abs((when - day).days), -when.toordinal(), each) for when, each in found if abs((when - day).days) <= mapped.max_age_days]
        if not near:
            raise _UnfitError("none near the study" if found else "none")
        nearest = min(near, key=lambda entry: entry[:2])
        return _within(target, _answer(mapped, target, nearest[2])), date.fromordinal(-nearest[1]).isoformat()

    def _condition(self, mapped: FhirField, patient: str) -> str:
        for each in self._about(patient, "Condition", {"code": mapped.token}):
            states = {code for name in ("clinicalStatus", "verificationStatus") for code in _codes(each.get(name))}
            if {"active", "confirmed"} <= states:
                return mapped.value
        raise _UnfitError("none")

    def _patient(self, study: Whose) -> Json | None:
        """The patient; None for none, or more than one."""
        by_order = self._source.patient_by == "accession"
        name = study.accession if by_order else study.patient_id
        if not name:
            return None
        found = self._search("ServiceRequest" if by_order else "Patient", {"identifier": token(self._source.system, name)})
        found = [each for each in found if _is_named(each, self._source.system, name)]
        if not by_order:
            return found[0] if len(found) == 1 else None
        references = {_subject(each) for each in found}
        reference = references.pop() if len(references) == 1 else ""
        kind, _, identifier = reference.partition("/")
        return self._read(f"/Patient/{identifier}") if kind == "Patient" and identifier.replace("-", "").isalnum() else None

    def _about(self, patient: str, kind: str, query: dict[str, str]) -> list[Json]:
        """What a search finds that is this patient's and has this code."""
        code = query["code"].rpartition("|")[2]
        found = self._search(kind, {"patient": patient, **query})
        return [each for each in found if _subject(each).endswith(f"Patient/{patient}") and code in _codes(each.get("code"))]

    def _search(self, kind: str, query: dict[str, str]) -> list[Json]:
        entries = self._read(f"/{kind}", query).get("entry") or []
        resources = [each.get("resource") for each in entries if isinstance(each, dict)]
        return [each for each in resources if isinstance(each, dict) and each.get("resourceType") == kind]

    def _read(self, path: str, query: dict[str, str] | None = None) -> Json:
        answer = ask(self._source, Asked("GET", path, {"Accept": "application/fhir+json"}, query or {}), self._source.timeout_s)
        if not answer.is_success:
            answer.refuse()
        try:
            told = json.loads(answer.content)
        except (ValueError, RecursionError):
            raise TransientError("the FHIR server's answer is no JSON") from None
        if not isinstance(told, dict):
            raise TransientError("the FHIR server's answer is no resource")
        return told


def _is_named(resource: Json, system: str, value: str) -> bool:
    names = resource.get("identifier")
    return any(each.get("system") == system and each.get("value") == value for each in names or () if isinstance(each, dict))


def _subject(resource: Json) -> str:
    return str((resource.get("subject") or {}).get("reference", ""))


def _of_patient(mapped: FhirField, patient: Json, day: date) -> Any:  # noqa: ANN401  a value of a field
    stated = patient.get(mapped.patient)
    if mapped.patient == "birthDate":
        born = _day(str(stated or "").replace("-", ""))
        if born is None:
            raise _UnfitError("no whole birth date")
        return round((day - born).days / YEAR_DAYS, 2)
    value = (mapped.values or {"female": "female", "male": "male"}).get(str(stated))
    if value is None:
        raise _UnfitError("none that is mapped")
    return value


def _answer(mapped: FhirField, target: Field, observation: Json) -> Any:  # noqa: ANN401
    """The value of an Observation (R4, observation-definitions.html#Observation.value_x_)."""
    if target.kind == "number":
        return _number(target, observation)
    for code in _codes(observation.get("valueCodeableConcept")):
        if code in mapped.values:
            return mapped.values[code]
    raise _UnfitError("an answer that is not mapped")


def _number(target: Field, observation: Json) -> float:
    quantity = observation.get("valueQuantity")
    value = quantity.get("value") if isinstance(quantity, dict) else observation.get("valueInteger")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _UnfitError("no number")
    if not isinstance(quantity, dict):
        return float(value)
    if "comparator" in quantity:
        raise _UnfitError("only a limit")
    try:
        return convert(float(value), str(quantity["code"]) if quantity.get("system") == UCUM else _ununited(quantity), target.unit)
    except (KeyError, UnitError):
        raise _UnfitError("another unit") from None


def _ununited(quantity: Json) -> str:
    """A number without any unit is one of the unit 1."""
    if quantity.get("unit") or quantity.get("code"):
        raise UnitError
    return "1"


def _within(target: Field, value: Any) -> Any:  # noqa: ANN401
    """Raise _UnfitError where the model's field cannot be this."""
    if isinstance(value, float):
        if (target.low is not None and value < target.low) or (target.high is not None and value > target.high):
            raise _UnfitError("outside the field's range")
        return value
    if value not in target.levels:
        raise _UnfitError("no value of the field")
    return [value] if target.kind == "categories" else value


def _codes(concept: Any) -> Iterator[str]:  # noqa: ANN401  whatever JSON is there
    for coding in (concept.get("coding") or []) if isinstance(concept, dict) else []:
        if isinstance(coding, dict) and coding.get("code"):
            yield str(coding["code"])


def _when(observation: Json) -> date | None:
    period = observation.get("effectivePeriod") or {}
    stated = observation.get("effectiveDateTime") or period.get("start") or observation.get("issued") or ""
    return _day(str(stated)[:10].replace("-", ""))


def _day(text: str) -> date | None:
    """YYYYMMDD; None for anything else, a year alone included."""
    try:
        return datetime.strptime(text, "%Y%m%d").date() if len(text) == 8 else None  # noqa: DTZ007  a date alone
    except ValueError:
        return None



"""Where metadata come from that headers do not hold."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from models import SPECS
from service.gateway.config.section import Section, WebSide

LOINC = "http://loinc.org"


class FhirField(Section):
    """One metadata field, and where in the record it stands: an Observation, a Condition, or the Patient."""

    field: str
    observation: str = Field("", description="LOINC code, or system|code.")
    condition: str = Field("", description="system|code; the field has `value` where the patient has it, active and confirmed.")
    patient: Literal["", "birthDate", "gender"] = Field("", description="birthDate is the age at the study, in years.")
    values: dict[str, str] = Field({}, description="Code of the answer -> value of the field.")
    value: str = ""
    max_age_days: float = Field(365.0, gt=0, description="An Observation further than this from the study is not taken.")

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if sum(map(bool, (self.observation, self.condition, self.patient))) != 1:
            raise ValueError(f"{self.field}: name one of observation, condition and patient")
        if bool(self.condition) != bool(self.value):
            raise ValueError(f"{self.field}: a condition needs the value that it stands for, and nothing else has one")
        if not any(self.field == each.name for spec in SPECS.values() for each in spec.table.fields):
            raise ValueError(f"{self.field}: no model has a field of that name")
        return self

    @property
    def token(self) -> str:
        """The code as a search wants it (R4, search.html#token)."""
        code = self.observation or self.condition
        return code if "|" in code else f"{LOINC}|{code}"


class FhirSource(WebSide):
    """A FHIR server (R4) that is asked for metadata; `url` is its base."""

    patient_by: Literal["patient_id", "accession"] = "patient_id"
    system: str = Field(description="System of the Patient ID, or of the accession number.")
    wait_s: float = Field(3600.0, ge=0, description="A study waits so long for a server that does not answer, and then goes on without.")
    timeout_s: float = Field(10.0, gt=0)
    fields: tuple[FhirField, ...] = Field(min_length=1)

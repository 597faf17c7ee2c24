"""A Bundle for a server that knows the patient: whose it is, and on which order; who renders a Prediction knows neither."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from service.formats.fhir.terminology import HL7, Json

OF_A_PATIENT = frozenset({"DiagnosticReport", "Observation"})


def token(system: str, value: str) -> str:
    """An identifier or a code to search by (R4, search.html#escaping): a comma in it would be an "or", and find somebody else."""
    return "|".join(re.sub(r"([\\,$|])", r"\\\1", part) for part in (system, value))


@dataclass(frozen=True)
class Address:
    """Identifiers of the patient and of the order, and the systems that they are unique in (R4, datatypes.html#Identifier).

    A patient is referred to by identifier, which any server takes, or by a search that the server resolves to the patient that it has
    (R4, http.html#trules), and refuses where it has none.
    """

    patient_system: str = ""
    patient_id: str = ""
    accession_system: str = ""
    accession: str = ""
    by: Literal["identifier", "search"] = "identifier"

    def subject(self) -> Json:
        """The patient; nothing where no system says whose identifiers they are."""
        if not self.patient_system or not self.patient_id:
            return {}
        if self.by == "search":
            return {"subject": {"reference": f"Patient?identifier={quote(token(self.patient_system, self.patient_id), safe='|')}"}}
        return {"subject": {"type": "Patient", "identifier": {"system": self.patient_system, "value": self.patient_id}}}

    def order(self) -> Json:
        """The order that the accession number stands for."""
        if not self.accession_system or not self.accession:
            return {}
        kind = {"coding": [{"system": f"{HL7}/v2-0203", "code": "ACSN", "display": "Accession ID"}]}
        identifier = {"type": kind, "system": self.accession_system, "value": self.accession}
        return {"basedOn": [{"type": "ServiceRequest", "identifier": identifier}]}


def addressed(bundle: bytes, address: Address, notes: Sequence[str] = ()) -> bytes:
    """The Bundle with subject and order, and notes in the conclusion of its report."""
    told: Json = json.loads(bundle)
    for resource in (entry["resource"] for entry in told["entry"]):
        if resource["resourceType"] in OF_A_PATIENT:
            resource.update(address.subject())
        if resource["resourceType"] == "DiagnosticReport":
            resource.update(address.order())
            resource["conclusion"] = " ".join([resource["conclusion"], *notes])
    return json.dumps(told, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()

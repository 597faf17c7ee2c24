"""Coded concepts in FHIR: which URI stands for which coding scheme, and the codes that only this rendering needs.

The URIs are those of R4, terminologies-systems.html; `99CHIASM` has the one that is made here. Displays are the code systems' own words.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from models.spec import LOCAL_SCHEME, Code
from service.formats.terms import LEFT, RIGHT, local

Json = dict[str, Any]

NAMESPACE = UUID("6132bcd5-0798-42a9-9417-10a9cede11cf")  # of every identifier that this rendering makes; drawn at random, once
LOCAL_SYSTEM = f"urn:oid:2.25.{NAMESPACE.int}"  # an OID from a UUID needs no registration (ITU-T X.667)
ARTIFACT_SYSTEM = f"{LOCAL_SYSTEM}.1"  # identifiers that are digests of an artifact: "sha256:" and 64 digits
SYSTEMS = {
    "SCT": "http://snomed.info/sct",
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
    "LN": "http://loinc.org",
    "UCUM": "http://unitsofmeasure.org",
    LOCAL_SCHEME: LOCAL_SYSTEM,
}
HL7 = "http://terminology.hl7.org/CodeSystem"

# DICOM PS3.16, the concepts of TID 1500 and its parts
REPORT = Code(value="126000", scheme_designator="DCM", meaning="Imaging Measurement Report")
FINDING = Code(value="121071", scheme_designator="DCM", meaning="Finding")
ARTIFICIAL_INTELLIGENCE = Code(value="123110", scheme_designator="DCM", meaning="Artificial Intelligence")
LATERALITY = Code(value="272741003", scheme_designator="SCT", meaning="Laterality")
SIDES = {"left": LEFT, "right": RIGHT}

FINDING_PROBABILITY = local("FINDING-PROB", "Probability of a finding, estimated by a model")
CLASS_PROBABILITY = local("CLASS-PROB", "Image- and marker-based class probability")
RESERVATION = local("RESERVATION", "Why nobody should act on it")
INTERVAL = local("INTERVAL", "Range that holds the true value with the stated probability")
REFERENCE = local("REFERENCE", "Reference population")
SCALE = local("SCALE", "Scale of the measurement")
NOT_CLINICAL = local("NOT-CLINICAL", "Not for clinical use")

ASSERTED_BY_AI = {"system": f"{HL7}/v3-ObservationValue", "code": "AIAST", "display": "Artificial Intelligence asserted"}
IMAGING = {"system": f"{HL7}/observation-category", "code": "imaging", "display": "Imaging"}
JUDGED_POSITIVE = {"system": f"{HL7}/v3-ObservationInterpretation", "code": "POS", "display": "Positive"}
JUDGED_NEGATIVE = {"system": f"{HL7}/v3-ObservationInterpretation", "code": "NEG", "display": "Negative"}
INDETERMINATE = {"system": f"{HL7}/v3-ObservationInterpretation", "code": "IND", "display": "Indeterminate"}


def coding(code: Code) -> Json:
    """A Code as a FHIR Coding."""
    return {"system": SYSTEMS[code.scheme_designator], "code": code.value, "display": code.meaning}


def concept(code: Code, text: str = "") -> Json:
    """A Code as a FHIR CodeableConcept, with the words that a person reads."""
    return {"coding": [coding(code)], "text": text or code.meaning}


def quantity(value: float, unit: str = "1") -> Json:
    """A number in a UCUM unit, unrounded; the unit 1 is a number's own and is not written beside it."""
    ucum = {"system": SYSTEMS["UCUM"], "code": unit}
    return {"value": value, **({} if unit == "1" else {"unit": unit}), **ucum}

"""What R4 (4.0.1) allows, where `fhir.resources` knows only R4B: by hand from R4's pages, for the four resources that are written.

R4B changed none of them (hl7.org/fhir/R4B/r4b-explanation.html): medication definition, evidence and subscriptions are what it is about.
R5 did, and this list would refuse it: Device.name, Observation.triggeredBy, DiagnosticReport.study.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]
DOMAIN = {"resourceType", "id", "meta", "implicitRules", "language", "text", "contained", "extension", "modifierExtension"}
ELEMENTS = {
    "Bundle": {"resourceType", "id", "meta", "implicitRules", "language", "identifier", "type", "timestamp", "total", "link", "entry",
               "signature"},
    "DiagnosticReport": DOMAIN | {
        "identifier", "basedOn", "status", "category", "code", "subject", "encounter", "effectiveDateTime", "effectivePeriod", "issued",
        "performer", "resultsInterpreter", "specimen", "result", "imagingStudy", "media", "conclusion", "conclusionCode", "presentedForm",
    },
    "Observation": DOMAIN | {
        "identifier", "basedOn", "partOf", "status", "category", "code", "subject", "focus", "encounter", "effectiveDateTime",
        "effectivePeriod", "effectiveTiming", "effectiveInstant", "issued", "performer", "valueQuantity", "valueCodeableConcept",
        "valueString", "valueBoolean", "valueInteger", "valueRange", "valueRatio", "valueSampledData", "valueTime", "valueDateTime",
        "valuePeriod", "dataAbsentReason", "interpretation", "note", "bodySite", "method", "specimen", "device", "referenceRange",
        "hasMember", "derivedFrom", "component",
    },
    "Device": DOMAIN | {
        "identifier", "definition", "udiCarrier", "status", "statusReason", "distinctIdentifier", "manufacturer", "manufactureDate",
        "expirationDate", "lotNumber", "serialNumber", "deviceName", "modelNumber", "partNumber", "type", "specialization", "version",
        "property", "patient", "owner", "contact", "location", "url", "note", "safety", "parent",
    },
}  # fmt: skip
NAME_TYPES = {"udi-label-name", "user-friendly-name", "patient-reported-name", "manufacturer-name", "model-name", "other"}
DECIMAL_DIGITS = 18  # datatypes.html#decimal: "precision of up to 18 digits"
UUID = re.compile(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def complaints(bundle: Json) -> Iterator[str]:
    """What R4 has against a Bundle, in words; nothing for a good one."""
    yield from _bundle(bundle)
    for resource in (bundle, *(entry["resource"] for entry in bundle["entry"])):
        kind = resource["resourceType"]
        yield from (f"{kind}.{name} is not R4" for name in resource.keys() - ELEMENTS[kind])
        yield from (f"{kind}: {complaint}" for complaint in _everywhere(resource))
    for entry in bundle["entry"]:
        resource = entry["resource"]
        if resource["resourceType"] == "Observation":
            yield from _observation(resource)
        if resource["resourceType"] == "Device":
            yield from (f"Device name of type {name['type']}" for name in resource["deviceName"] if name["type"] not in NAME_TYPES)


def _bundle(bundle: Json) -> Iterator[str]:
    urls = [entry["fullUrl"] for entry in bundle["entry"]]
    if len(set(urls)) < len(urls):
        yield "bdl-7: a fullUrl occurs twice"
    if not all(map(UUID.fullmatch, urls)):
        yield "a fullUrl is no UUID"
    if not all("request" in entry for entry in bundle["entry"]):
        yield "bdl-3: an entry of a transaction has no request"
    missing = [each["reference"] for each in _references(bundle) if "reference" in each and each["reference"] not in urls]
    yield from (f"nothing has the fullUrl {url}" for url in missing)


def _observation(resource: Json) -> Iterator[str]:
    values = [name for name in resource if name.startswith("value")]
    if len(values) > 1:
        yield "Observation has two values"
    if "dataAbsentReason" in resource and values:
        yield "obs-6: a value, and the reason why there is none"
    own = {(each["system"], each["code"]) for each in resource["code"]["coding"]}
    inside = {(each["system"], each["code"]) for part in resource.get("component", []) for each in part["code"]["coding"]}
    if values and own & inside:
        yield "obs-7: a component has the code of its Observation"


def _everywhere(value: object, path: str = "") -> Iterator[str]:
    """No element is empty (json.html), no number is longer than a decimal may be."""
    if value in (None, "", [], {}):
        yield f"{path} is empty"
    if isinstance(value, float) and len(re.sub(r"[-.]|e.*", "", repr(value)).strip("0")) > DECIMAL_DIGITS:
        yield f"{path} is too long a decimal"
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _everywhere(part, f"{path}.{name}")
    elif isinstance(value, list):
        for part in value:
            yield from _everywhere(part, path)


def _references(value: object) -> Iterator[Json]:
    if isinstance(value, dict):
        if "reference" in value or value.get("type") == "ImagingStudy":
            yield value
        for part in value.values():
            yield from _references(part)
    elif isinstance(value, list):
        for part in value:
            yield from _references(part)

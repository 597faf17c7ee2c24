"""A second reading of the FHIR that is written: from the Bundle back to measurements and findings, as the JSON answer has them.

Written from R4's resource pages and from the list of codes below, not from the renderer: it imports nothing of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]
LOCAL = "urn:oid:2.25.129198560405018149703128892304468611535"
SCHEMES = {"http://snomed.info/sct": "SCT", "http://dicom.nema.org/resources/ontology/DCM": "DCM", LOCAL: "99CHIASM"}
PROBABILITIES = {"FINDING-PROB", "CLASS-PROB"}
GROUP, AMONG, SET_LEVEL = "CLASSES", "IN-SET", "SET-LEVEL"


def resources(bundle: bytes, kind: str) -> list[Json]:
    """The resources of one type, in their order."""
    return [entry["resource"] for entry in json.loads(bundle)["entry"] if entry["resource"]["resourceType"] == kind]


def answer(bundle: bytes) -> Json:
    """`measurements`, `findings` and `prediction_sets`, from the report as a reader would: through its results and their members."""
    linked = {entry["fullUrl"]: entry["resource"] for entry in json.loads(bundle)["entry"]}
    (report,) = resources(bundle, "DiagnosticReport")
    reached = list(_reached(report.get("result", []), linked))
    assert len(reached) == len(resources(bundle, "Observation"))
    order = {id(resource): place for place, resource in enumerate(linked.values())}
    told = sorted((each for each in reached if kind_of(each) != GROUP), key=lambda each: order[id(each)])
    return {
        "measurements": [_measurement(each) for each in told if kind_of(each) not in PROBABILITIES],
        "findings": [_finding(each) for each in told if kind_of(each) in PROBABILITIES],
        "prediction_sets": prediction_sets(bundle),
    }


def groups(bundle: bytes) -> list[Json]:
    """The panels of classes that exclude each other: the names of their members, and which class was told how."""
    linked = {entry["fullUrl"]: entry["resource"] for entry in json.loads(bundle)["entry"]}
    panels = [each for each in resources(bundle, "Observation") if kind_of(each) == GROUP]
    return [
        {
            "members": [_finding(linked[member["reference"]])["name"] for member in panel["hasMember"]],
            "told": {code: value["text"] for code, value in components(panel).items() if code != SET_LEVEL},
        }
        for panel in panels
    ]


def prediction_sets(bundle: bytes) -> list[Json]:
    """Of each panel that tells it: the classes that may be the true one, and how probable it is that one of them is."""
    panels = [each for each in resources(bundle, "Observation") if SET_LEVEL in components(each)]
    return [{"level": components(panel)[SET_LEVEL]["value"], "findings": _among(panel)} for panel in panels]


def _among(panel: Json) -> list[str]:
    return [each["valueCodeableConcept"]["text"] for each in panel["component"] if each["code"]["coding"][0]["code"] == AMONG]


def kind_of(observation: Json) -> str:
    """The code that says what an Observation is of."""
    return observation["code"]["coding"][0]["code"]


def components(observation: Json) -> dict[str, Any]:
    """Components by their codes, each once."""
    once = [each for each in observation.get("component", []) if each["code"]["coding"][0]["code"] != AMONG]
    found = {each["code"]["coding"][0]["code"]: each for each in once}
    assert len(found) == len(once)
    return {code: next(value for name, value in each.items() if name.startswith("value")) for code, each in found.items()}


def codings(value: object) -> Iterator[Json]:
    """Every Coding anywhere."""
    if isinstance(value, dict):
        if set(value) <= {"system", "code", "display"} and "code" in value and value.get("system") != "http://unitsofmeasure.org":
            yield value
        for part in value.values():
            yield from codings(part)
    elif isinstance(value, list):
        for part in value:
            yield from codings(part)


def _reached(results: list[Json], linked: dict[str, Json]) -> Iterator[Json]:
    for result in results:
        observation = linked[result["reference"]]
        yield observation
        yield from _reached(observation.get("hasMember", []), linked)


def _code(concept: Json) -> Json:
    (coding,) = concept["coding"]
    return {"value": coding["code"], "scheme_designator": SCHEMES[coding["system"]], "meaning": coding["display"]}


def _measurement(observation: Json) -> Json:
    told, value = components(observation), observation["valueQuantity"]
    interval = told.get("INTERVAL")
    level = told.get("INTERVAL-LEVEL")
    category, side = told.get("CATEGORY"), told.get("272741003")
    assert value.get("unit", "1") == value["code"]
    read = {
        "name": observation["code"]["text"], "value": value["value"], "unit": value["code"], "code": _code(observation["code"]),
        "interval": {"level": level["value"], "low": interval["low"]["value"], "high": interval["high"]["value"]} if interval else None,
        "reference": told.get("REFERENCE"), "category": category and category["text"], "scale": told.get("SCALE"),
        "finding_site": _site(observation), "laterality": side and side["text"],
    }
    return {name: part for name, part in read.items() if part is not None}


def _finding(observation: Json) -> Json:
    told = components(observation)
    finding = told["121071"]
    read = {
        "name": finding["text"], "probability": observation["valueQuantity"]["value"], "threshold": told["THRESHOLD"]["value"],
        "positive": told["POSITIVE"], "code": _code(finding), "finding_site": _site(observation), "reservation": told.get("RESERVATION"),
    }
    return {name: part for name, part in read.items() if part is not None}


def _site(observation: Json) -> Json | None:
    return _code(observation["bodySite"]) if "bodySite" in observation else None

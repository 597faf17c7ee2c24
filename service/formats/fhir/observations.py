"""Measurements and findings as FHIR Observations (R4, observation.html).

* `code` asks, `value` answers. A finding's own code (Pneumonia) is never what an Observation is called: that would say that the patient
  has it. It is the component "Finding" of an Observation called a probability.
* The interval, the threshold and the verdict are components, not `referenceRange`: without a type, R4 reads that as the normal range.
* `interpretation` follows the verdict. Where there is a reason not to act on a finding it is indeterminate, and the reason is told.
* What is not known is not there. `dataAbsentReason` would claim that somebody asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from models.prediction import Finding, Measurement
from models.spec import Classification, Code
from service.formats.fhir.answer import Answer
from service.formats.fhir.device import device_urn, identifier, labelled, method
from service.formats.fhir.terminology import (
    CLASS_PROBABILITY,
    FINDING,
    FINDING_PROBABILITY,
    IMAGING,
    INDETERMINATE,
    INTERVAL,
    JUDGED_NEGATIVE,
    JUDGED_POSITIVE,
    LATERALITY,
    REFERENCE,
    RESERVATION,
    SCALE,
    SIDES,
    Json,
    concept,
    quantity,
)
from service.formats.terms import CATEGORIES, CATEGORY, CHOSEN, CLASS_GROUP, IN_SET, LEVEL, LIKELIEST, POSITIVE, SET_LEVEL, THRESHOLD

EXCLUSIVE = "One of {classes} classes that exclude each other: their probabilities sum to 1. Not a diagnosis."


def measurement_observation(answer: Answer, measurement: Measurement) -> Json:
    """A number with its unit and code; interval, scale, reference population, category and side as components."""
    return {
        **_observation(answer, f"measurement {measurement.name}", concept(measurement.code, measurement.name), []),
        "valueQuantity": quantity(measurement.value, measurement.unit),
        **_site(measurement.finding_site, measurement.laterality),
        **_components([*_interval(measurement), *_stated(measurement)]),
    }


def finding_observation(answer: Answer, finding: Finding, group: Classification | None = None) -> Json:
    """A probability with the finding that it is of, its threshold, and what came of it."""
    notes = [EXCLUSIVE.format(classes=len(group.classes))] if group else []
    if finding.reservation:
        notes.append(f"Reservation: {finding.reservation}")
    code = CLASS_PROBABILITY if group else FINDING_PROBABILITY
    return {
        **_observation(answer, f"finding {finding.name}", concept(code, f"{code.meaning}: {finding.code.meaning}"), notes),
        "valueQuantity": quantity(finding.probability),
        "interpretation": [{"coding": [_verdict(finding)]}],
        **_site(finding.finding_site),
        **_components(_judged(finding)),
    }


def group_observation(answer: Answer, group: Classification, findings: Sequence[Finding]) -> Json:
    """Classes that exclude each other, as one panel (R4, observation.html#obsgrouping).

    Its members are the probabilities, its components the class, and those that may be it. Members rather than components: each has a
    threshold, a site and perhaps a reservation of its own, and a component has no components. The report names only the panel, so that
    they are found together.
    """
    likeliest = max(finding.probability for finding in findings)
    chosen = [
        {
            "code": concept(LIKELIEST if finding.probability == likeliest else CHOSEN),
            "valueCodeableConcept": concept(finding.code, finding.name),
        }
        for finding in findings
        if finding.positive
    ]
    notes = [f"Reservation ({finding.name}): {finding.reservation}" for finding in findings if finding.reservation]
    code = concept(CLASS_GROUP, f"Image- and marker-based: {CLASS_GROUP.meaning.lower()}; not a diagnosis")
    return {
        **_observation(answer, f"group {group.tensor}", code, notes),
        "hasMember": [{"reference": answer.urn(f"finding {finding.name}")} for finding in findings],
        **_components([*chosen, *_set(answer, findings)]),
    }


def _set(answer: Answer, findings: Sequence[Finding]) -> list[Json]:
    """The classes that may be the true one, a component each, and how probable it is that one of them is."""
    among = answer.prediction.set_of(findings)
    if among is None:
        return []
    members = [
        {"code": concept(IN_SET), "valueCodeableConcept": concept(each.code, each.name)} for each in findings if each.name in among.findings
    ]
    return [*members, {"code": concept(SET_LEVEL), "valueQuantity": quantity(among.level)}]


def _observation(answer: Answer, role: str, code: Json, notes: Sequence[str]) -> Json:
    """What every Observation says. No subject, no effective time, no performer: none is known, and R4 requires none."""
    studies = answer.studies()
    return {
        "resourceType": "Observation",
        "meta": labelled(answer.algorithm),
        "identifier": [identifier(answer.urn(role))],
        "status": "preliminary",
        "category": [{"coding": [IMAGING]}],
        "code": code,
        "method": method(answer.algorithm),
        "device": {"reference": device_urn(answer.algorithm)},
        **({"derivedFrom": studies} if studies else {}),
        **({"note": noted} if (noted := answer.notes(*notes)) else {}),
    }


def _interval(measurement: Measurement) -> list[Json]:
    if measurement.interval is None:
        return []
    low, high = (quantity(value, measurement.unit) for value in (measurement.interval.low, measurement.interval.high))
    return [
        {"code": concept(INTERVAL), "valueRange": {"low": low, "high": high}},
        {"code": concept(LEVEL), "valueQuantity": quantity(measurement.interval.level)},
    ]


def _stated(measurement: Measurement) -> list[Json]:
    texts = {REFERENCE: measurement.reference, SCALE: measurement.scale}
    components: list[Json] = [{"code": concept(code), "valueString": text} for code, text in texts.items() if text]
    if measurement.category:
        components.append({"code": concept(CATEGORY), "valueCodeableConcept": _named(measurement.category, CATEGORIES)})
    if measurement.laterality:
        components.append({"code": concept(LATERALITY), "valueCodeableConcept": _named(measurement.laterality, SIDES)})
    return components


def _named(name: str, codes: Mapping[str, Code]) -> Json:
    return concept(codes[name], name) if name in codes else {"text": name}


def _judged(finding: Finding) -> list[Json]:
    components: list[Json] = [
        {"code": concept(FINDING), "valueCodeableConcept": concept(finding.code, finding.name)},
        {"code": concept(THRESHOLD), "valueQuantity": quantity(finding.threshold)},
        {"code": concept(POSITIVE), "valueBoolean": finding.positive},
    ]
    if finding.reservation:
        components.append({"code": concept(RESERVATION), "valueString": finding.reservation})
    return components


def _verdict(finding: Finding) -> Json:
    if finding.reservation:
        return INDETERMINATE
    return JUDGED_POSITIVE if finding.positive else JUDGED_NEGATIVE


def _site(site: Code | None, laterality: str | None = None) -> Json:
    """R4's bodySite has no side: it stands in its text, and as a component."""
    if site is None:
        return {}
    return {"bodySite": concept(site, f"{site.meaning}, {laterality}" if laterality else site.meaning)}


def _components(components: Sequence[Json]) -> Json:
    return {"component": list(components)} if components else {}

"""One Prediction as one transaction Bundle (R4, bundle.html and http.html#transaction).

A transaction, not a collection: it can be posted to a server as it is, and each entry is a conditional create on its identifier
(http.html#ccreate), so that sending it again makes nothing twice. Entries refer to each other by UUIDs that follow from the study, the
artifact and the settings: the same input gives the same bytes, and another input other identifiers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from models.prediction import Finding, Prediction
from models.spec import Classification, ModelSpec
from service.formats.algorithm import MANUFACTURER, Algorithm
from service.formats.fhir.answer import Answer
from service.formats.fhir.device import device, identifier, labelled, warnings
from service.formats.fhir.observations import finding_observation, group_observation, measurement_observation
from service.formats.fhir.terminology import REPORT, Json, concept


def render_fhir(algorithm: Algorithm, prediction: Prediction) -> bytes:
    """The answer as application/fhir+json; every number as it is, unrounded.

    Parameters
    ----------
    algorithm
        The network that answered.
    prediction
        Its answer.

    Raises
    ------
    ValueError
        A number is not finite: an error, never an answer.
    """
    bundle = _bundle(Answer(algorithm, prediction))
    return json.dumps(bundle, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _bundle(answer: Answer) -> Json:
    groups = _groups(answer.algorithm.spec, answer.prediction)
    panels = [group_observation(answer, group, findings) for group, findings in groups]
    grouped = {finding.name: group for group, findings in groups for finding in findings}
    measured = [measurement_observation(answer, each) for each in answer.prediction.measurements]
    found = {each.name: finding_observation(answer, each, grouped.get(each.name)) for each in answer.prediction.findings}
    alone = [observation for name, observation in found.items() if name not in grouped]
    report = _report(answer, [*measured, *alone, *panels])
    resources = [report, device(answer.algorithm), *measured, *found.values(), *panels]
    return {
        "resourceType": "Bundle",
        "meta": labelled(answer.algorithm),
        "identifier": identifier(answer.urn("bundle")),
        "type": "transaction",
        "entry": [entry(resource) for resource in resources],
    }


def _groups(spec: ModelSpec, prediction: Prediction) -> list[tuple[Classification, list[Finding]]]:
    """The classifications whose classes exclude each other, with what was found of each."""
    return [(part, found) for part in spec.classifications if part.exclusive and (found := list(_of(part, prediction)))]


def _of(part: Classification, prediction: Prediction) -> Iterator[Finding]:
    names = {each.name for each in part.classes}
    return (finding for finding in prediction.findings if finding.name in names)


def _report(answer: Answer, results: list[Json]) -> Json:
    """The report (R4, diagnosticreport.html): preliminary, for nobody has reviewed it. It has no subject, time or performer."""
    spec, studies = answer.algorithm.spec, answer.studies()
    made = f"Computed by {spec.name} {spec.version} ({MANUFACTURER}) and not reviewed by a person. {spec.intended_use}"
    return {
        "resourceType": "DiagnosticReport",
        "meta": labelled(answer.algorithm),
        "identifier": [identifier(answer.urn("report"))],
        "status": "preliminary",
        "code": concept(REPORT, spec.title),
        **({"result": [{"reference": _urn(each)} for each in results]} if results else {}),
        **({"imagingStudy": studies} if studies else {}),
        "conclusion": " ".join([*warnings(answer.algorithm), made, *answer.reservations]),
    }


def entry(resource: Json) -> Json:
    """A conditional create on the identifier of a resource."""
    urn = _urn(resource)
    condition = f"identifier={resource['identifier'][0]['system']}|{urn}"
    return {"fullUrl": urn, "resource": resource, "request": {"method": "POST", "url": resource["resourceType"], "ifNoneExist": condition}}


def _urn(resource: Json) -> str:
    urn: str = resource["identifier"][0]["value"]
    return urn

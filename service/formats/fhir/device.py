"""Which network answered, as a FHIR Device, and what is to be said of whatever it asserts."""

from __future__ import annotations

from uuid import uuid5

from service.formats.algorithm import MANUFACTURER, Algorithm, is_synthetic
from service.formats.fhir.terminology import (
    ARTIFACT_SYSTEM,
    ARTIFICIAL_INTELLIGENCE,
    ASSERTED_BY_AI,
    NAMESPACE,
    NOT_CLINICAL,
    Json,
    coding,
    concept,
)


def device_urn(algorithm: Algorithm) -> str:
    """The same for every answer of one artifact."""
    return uuid5(NAMESPACE, f"device {algorithm.spec.digest()} {algorithm.digest}").urn


def device(algorithm: Algorithm) -> Json:
    """The network (R4, device.html). An artifact that is trained anew is another device."""
    spec = algorithm.spec
    notes = [*warnings(algorithm), f"Intended use: {spec.intended_use}", *(f"Limitation: {each}" for each in spec.limitations)]
    return {
        "resourceType": "Device",
        **({"meta": tagged(algorithm)} if is_synthetic(algorithm) else {}),  # nothing may be empty (R4, json.html)
        "identifier": [identifier(device_urn(algorithm)), {"system": ARTIFACT_SYSTEM, "value": algorithm.digest}],
        "status": "active",
        "manufacturer": MANUFACTURER,
        "deviceName": [{"name": spec.title, "type": "user-friendly-name"}, {"name": spec.name, "type": "model-name"}],
        "modelNumber": spec.name,
        "type": concept(ARTIFICIAL_INTELLIGENCE),
        "version": [{"value": spec.version}],
        "note": [{"text": note} for note in notes],
    }


def method(algorithm: Algorithm) -> Json:
    """How an Observation came about: by which network, and where it ran."""
    spec = algorithm.spec
    return concept(ARTIFICIAL_INTELLIGENCE, f"{spec.title}; {spec.name} {spec.version}, {algorithm.provider}")


def warnings(algorithm: Algorithm) -> list[str]:
    """What must be read with everything that a network without patients in its training says."""
    measured = algorithm.spec.measured
    return [f"{NOT_CLINICAL.meaning}: trained on {measured.training_data if measured else 'nothing'}."] if is_synthetic(algorithm) else []


def tagged(algorithm: Algorithm) -> Json:
    """Metadata that stays with a resource that is lifted out of its Bundle: whether it is for clinical use."""
    return {"tag": [coding(NOT_CLINICAL)]} if is_synthetic(algorithm) else {}


def labelled(algorithm: Algorithm) -> Json:
    """Metadata of a result: that no person asserted it (security label AIAST of v3-ObservationValue), and `tagged`."""
    return {"security": [ASSERTED_BY_AI], **tagged(algorithm)}


def identifier(urn: str) -> Json:
    """A UUID as a business identifier (R4, datatypes.html#Identifier: the system urn:ietf:rfc:3986, where the value is itself a URI)."""
    return {"system": "urn:ietf:rfc:3986", "value": urn}

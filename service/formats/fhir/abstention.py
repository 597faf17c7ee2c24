"""A study that was not evaluated, as FHIR: a report that was cancelled (R4, valueset-diagnostic-report-status.html), and why."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from uuid import uuid5

from service import __version__
from service.formats.algorithm import Algorithm
from service.formats.fhir.bundle import entry
from service.formats.fhir.device import device, identifier, labelled, warnings
from service.formats.fhir.terminology import NAMESPACE, REPORT, Json, concept


def render_fhir_abstention(algorithm: Algorithm, files: Sequence[bytes], study_uid: str, code: str, detail: str) -> bytes:
    """A transaction Bundle as `render_fhir` makes one: the same files refused for the same reason have the same identifiers."""
    digests = sorted(hashlib.sha256(data).hexdigest() for data in files)
    namespace = uuid5(NAMESPACE, json.dumps([digests, algorithm.digest, algorithm.spec.digest(), __version__, code]))
    study = {"type": "ImagingStudy", "identifier": {"system": "urn:dicom:uid", "value": f"urn:oid:{study_uid}"}}
    report: Json = {
        "resourceType": "DiagnosticReport",
        "meta": labelled(algorithm),
        "identifier": [identifier(uuid5(namespace, "report").urn)],
        "status": "cancelled",
        "code": concept(REPORT, algorithm.spec.title),
        "imagingStudy": [study],
        "conclusion": " ".join([*warnings(algorithm), f"Not evaluated. {detail} Reason: {code}."]),
    }
    bundle = {
        "resourceType": "Bundle",
        "meta": labelled(algorithm),
        "identifier": identifier(uuid5(namespace, "bundle").urn),
        "type": "transaction",
        "entry": [entry(each) for each in (report, device(algorithm))],
    }
    return json.dumps(bundle, ensure_ascii=False, separators=(",", ":")).encode()

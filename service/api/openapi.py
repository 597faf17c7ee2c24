"""What /docs and /openapi.json say beyond what the routes' types say: the request forms, with an example that runs."""

from __future__ import annotations

import base64
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from models import SPECS
from service.api import problems

EXAMPLES = Path("examples")
MAX_EXAMPLE_BYTES = 512 << 10  # a page that carries more than this is slow to open
MEDIA_TYPES = {".png": "image/png", ".dcm": "application/dicom", ".nii.gz": "application/gzip", ".vcf.gz": "application/gzip"}
DESCRIPTION = (
    "Multimodal medical imaging models: images and clinical metadata in, measurements and findings out, with the attention "
    "that led to them. Every answer says what its model was trained on and what it is for."
)
PARAMETERS = [
    {
        "name": "explain", "in": "query", "required": False, "schema": {"type": "string", "default": ""},
        "description": "Comma-separated explanations that the model offers, see GET /models/{model}; attention is always returned",
    },
    {
        "name": "objects", "in": "query", "required": False, "schema": {"type": "string", "default": "report,page"},
        "description": (
            "Comma-separated DICOM objects that an answer of multipart/related holds: report (Comprehensive 3D SR), page (Secondary "
            "Capture), map (a Parametric Map of the attention to each image); its parts stand in this order"
        ),
    },
    {
        "name": "X-Priority", "in": "header", "required": False, "schema": {"enum": ["stat", "routine", "batch"], "default": "routine"},
        "description": "Who goes first: stat before routine before batch; batch work that waits has a ninth of the time beside routine",
    },
    {
        "name": "X-Deadline-Ms", "in": "header", "required": False, "schema": {"type": "integer", "minimum": 1},
        "description": (
            "Milliseconds from the arrival of the request within which its answer is of use, at most CHIASM_REQUEST_TIMEOUT_S; "
            "a study that would not be answered in time is refused at once (503, overloaded), one that was not is dropped (503, "
            "deadline_exceeded), both with Retry-After"
        ),
    },
    {
        "name": "X-Request-Id", "in": "header", "required": False, "schema": {"type": "string", "maxLength": 128},
        "description": "Printable ASCII; returned with the answer and written to the log",
    },
]
FILE = {"type": "string", "format": "binary"}
PICTURE = "DICOM Part 10, PNG or JPEG; named after the model's image input"
VOLUME = "The instances of a DICOM series, one multi-frame object, or NIfTI (.nii, .nii.gz)"
GENOTYPES = "One person's calls: VCF (.vcf, .vcf.gz), PLINK .raw, or the panel's JSON"


def install(app: FastAPI) -> None:
    """Complete the generated description, once, when it is first asked for."""
    generate = app.openapi

    def complete() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            operation = document["paths"]["/predict/{model}"]["post"]
            operation["requestBody"] = request_body(EXAMPLES, set(app.state.serving.predictors) or set(SPECS))
            operation.setdefault("parameters", []).extend(PARAMETERS)
            for path in document["paths"].values():
                for each in path.values():
                    each["responses"] = _one_shape(each["responses"])
            for unused in ("HTTPValidationError", "ValidationError"):
                document["components"]["schemas"].pop(unused, None)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = complete  # type: ignore[method-assign]  # FastAPI's documented way to extend the description


def request_body(examples: Path, served: Collection[str]) -> dict[str, Any]:
    """The four forms of a study, with an example for each model that is served."""
    form = {"type": "object", "properties": _parts(), "description": "The inputs that GET /models/{model} lists, and the metadata"}
    related = {**FILE, "description": 'As in STOW-RS: type="application/dicom"; an application/json part is the metadata'}
    return {
        "required": True,
        "content": {
            "application/json": {"schema": _json_schema(), "examples": json_examples(examples, served)},
            "multipart/form-data": {"schema": form},
            "multipart/related": {"schema": related},
            "application/dicom": {"schema": FILE},
        },
    }


def json_examples(folder: Path, served: Collection[str]) -> dict[str, Any]:
    """The studies of examples/<model>/ in the JSON form, those that are small enough for a page."""
    found: dict[str, Any] = {}
    for metadata in (path for path in sorted(folder.glob("*/metadata.json")) if path.parent.name in served):
        files = [path for suffix in MEDIA_TYPES for path in sorted(metadata.parent.glob(f"*{suffix}"))]  # DICOM where both stand
        small = {path.name.split(".")[0]: path for path in files if path.stat().st_size <= MAX_EXAMPLE_BYTES}
        if small:
            value = {"images": {name: [_file(path)] for name, path in small.items()}, "metadata": json.loads(metadata.read_text())}
            found[metadata.parent.name] = {"summary": f"A study for {metadata.parent.name}", "value": value}
    return found


def _file(path: Path) -> dict[str, str]:
    kind = next(kind for suffix, kind in MEDIA_TYPES.items() if path.name.endswith(suffix))
    return {"content_type": kind, "data": base64.b64encode(path.read_bytes()).decode()}


def _parts() -> dict[str, Any]:
    """The parts of multipart/form-data, of all models together."""
    metadata = {"type": "string", "contentMediaType": "application/json", "description": "See GET /models/{model}/metadata-schema"}
    parts: dict[str, Any] = {}
    for spec in SPECS.values():
        for image in spec.images:
            parts[image.name] = {"type": "array", "items": FILE, "description": VOLUME if image.plane else PICTURE}
        if spec.genotypes:
            parts[spec.genotypes.name] = {**FILE, "description": GENOTYPES}
    return {**parts, "metadata": metadata}


def _json_schema() -> dict[str, Any]:
    file = {
        "type": "object", "additionalProperties": False, "required": ["data"],
        "properties": {"content_type": {"type": "string"}, "data": {"type": "string", "contentEncoding": "base64"}},
    }
    images = {"type": "object", "additionalProperties": {"type": "array", "items": file}, "description": "By input"}
    return {
        "type": "object", "additionalProperties": False, "required": ["images"],
        "properties": {"images": images, "metadata": {"type": "object"}},
    }


def _one_shape(responses: dict[str, Any]) -> dict[str, Any]:
    """Every error is a problem: as problem+json, and never in the framework's own shape."""
    kept = {status: answer for status, answer in responses.items() if "HTTPValidationError" not in json.dumps(answer)}
    for answer in kept.values():
        content = answer.get("content", {})
        if problems.MEDIA_TYPE in content:
            content[problems.MEDIA_TYPE] |= content.pop("application/json")
    return kept

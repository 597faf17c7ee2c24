"""The renderings of the one Prediction, by media type: what Accept can ask for. The first is the default."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from models.prediction import Prediction
from models.study import Study
from service.api.schemas import PredictionOut
from service.errors import NotAcceptableError
from service.formats.dicom import REPORT_AND_PAGE, Kind, render_dicom
from service.formats.fhir import render_fhir
from service.formats.overlay import render_png
from service.formats.page import render_html
from service.predictor import Identity

JSON, PNG, DICOM, RELATED = "application/json", "image/png", "application/dicom", "multipart/related"
HTML = "text/html"
FHIR = "application/fhir+json"


@dataclass(frozen=True)
class Answer:
    """What a rendering is made of: which network said what of which study, when it was asked, and for which DICOM objects."""

    identity: Identity
    study: Study
    prediction: Prediction
    at: datetime
    objects: tuple[Kind, ...] = REPORT_AND_PAGE


Rendered = tuple[bytes, str]  # the body and its Content-Type


def _json(answer: Answer) -> Rendered:
    return PredictionOut.of(answer.identity, answer.prediction).to_json(), JSON


def _png(answer: Answer) -> Rendered:
    return render_png(answer.identity.spec, answer.prediction), PNG


def _fhir(answer: Answer) -> Rendered:
    return render_fhir(answer.identity, answer.prediction), FHIR


def _dicom(answer: Answer) -> Rendered:
    """The structured report alone: the body of application/dicom is one object."""
    return render_dicom(answer.identity, answer.study, answer.prediction, answer.at, ("report",))[0], DICOM


def _related(answer: Answer) -> Rendered:
    """The objects that were asked for, as DICOMweb sends several (PS3.18 8.6.1.2.1).

    Raises NotAcceptableError where there is none: a report and a page there always are.
    """
    objects = render_dicom(answer.identity, answer.study, answer.prediction, answer.at, answer.objects)
    if not objects:
        raise NotAcceptableError("the answer holds no attention to an image that came as DICOM", hint="Ask for objects=report.")
    boundary = "chiasm-" + answer.identity.digest.removeprefix("sha256:")[:32]
    while any(boundary.encode() in each for each in objects):
        boundary += "-"
    head = f"--{boundary}\r\nContent-Type: {DICOM}\r\n\r\n".encode()
    body = b"".join(head + each + b"\r\n" for each in objects) + f"--{boundary}--\r\n".encode()
    return body, f'{RELATED}; type="{DICOM}"; boundary={boundary}'


def _html(answer: Answer) -> Rendered:
    return render_html(answer.identity, answer.prediction), f"{HTML}; charset=utf-8"


RENDERINGS: dict[str, Callable[[Answer], Rendered]] = {
    JSON: _json, PNG: _png, DICOM: _dicom, RELATED: _related, FHIR: _fhir, HTML: _html,
}  # fmt: skip

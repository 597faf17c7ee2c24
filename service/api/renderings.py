"""Every form that an answer can take: one line for each, from its media type to what makes it. Accept, OpenAPI and /capabilities follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from models.prediction import Prediction
from service.api.schemas import PredictionOut
from service.formats.fhir import render_fhir
from service.formats.overlay import render_png
from service.predictor import Identity


@dataclass(frozen=True)
class Rendering:
    """What makes one form of the one Prediction, and whether it takes so long that the event loop must not wait for it."""

    render: Callable[[Identity, Prediction], bytes]
    slow: bool = False


def _json(identity: Identity, prediction: Prediction) -> bytes:
    return PredictionOut.of(identity, prediction).to_json()


def _png(identity: Identity, prediction: Prediction) -> bytes:
    return render_png(identity.spec, prediction)


JSON, PNG, FHIR = "application/json", "image/png", "application/fhir+json"
RENDERINGS = {  # the first is the default
    JSON: Rendering(_json),
    PNG: Rendering(_png, slow=True),
    FHIR: Rendering(render_fhir),
}

"""Predict, and what the models are. A route unpacks, calls, packs."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request, Response

from models.chosen import timed
from models.metadata import schema
from models.prediction import Prediction
from models.study import Study
from service.api import problems
from service.api.about import CapabilitiesOut, DecoderOut, LimitsOut, PanelOut, describe
from service.api.negotiate import rendering
from service.api.renderings import DICOM, JSON, RELATED, RENDERINGS, Answer, Rendered
from service.api.schemas import PredictionOut
from service.api.serving import serving_of, while_caller_waits
from service.api.unpack import unpack
from service.api.urgency import Terms
from service.errors import InvalidParameterError, Pointed, UnknownModelError
from service.formats.dicom import OBJECTS, REPORT_AND_PAGE, Kind
from service.predictor import Predictor
from service.waiting.urgency import Urgency

router = APIRouter()
ANSWERS = {"model": PredictionOut, "content": {kind: {} for kind in RENDERINGS if kind != JSON}, "description": "The answer"}
PARAMETERS = {"explain", "objects"}
UNKNOWN_MODEL = problems.documented([UnknownModelError])


@router.post(
    "/predict/{model}",
    tags=["predict"],
    response_class=Response,
    responses={200: ANSWERS, **problems.documented(problems.KINDS)},
)
async def predict(request: Request, model: str) -> Response:
    """Evaluate one study: its images and metadata in one of four forms, the answer in the form that Accept asks for."""
    serving = serving_of(request)
    predictor = serving.predictor(model)
    request.state.model = predictor.spec.name
    kind = rendering(request.headers.get("accept", ""))
    terms = Terms.of(request.headers, request.state.arrived, serving.request_timeout_s)
    with serving.counted(predictor.spec, terms.priority), serving.budget.lease() as lease:
        asked, objects = _asked(request, predictor), _objects(request, kind)
        timing_ms: dict[str, float] = {}
        with predictor.admitted(terms.urgency()), timed(timing_ms, "receive"):
            study = await unpack(request, predictor.spec, serving.limits, lease)
        at = datetime.now(UTC)
        request.state.instances = len(study.parts)
        prediction = await _answer(request, predictor, study, asked, terms.urgency())
        timing_ms |= prediction.timing_ms
        with timed(timing_ms, "render"):
            body, media_type = await _rendered(kind, Answer(predictor.answered(prediction), study, prediction, at, objects))
        serving.observe(predictor.spec, prediction, timing_ms)
        request.state.timing_ms = {stage: round(milliseconds, 3) for stage, milliseconds in timing_ms.items()}
        return _packed(body, media_type, request.state.timing_ms)


@router.get("/capabilities", tags=["models"])
async def capabilities(request: Request) -> CapabilitiesOut:
    """What this running service reads and renders; each decoder was tried with a known image when it started."""
    serving = serving_of(request)
    states = {name: predictor.state for name, predictor in serving.predictors.items()}
    decoders = [DecoderOut.model_validate(each) for each in serving.decoders()]
    return CapabilitiesOut(models=states, decoders=decoders, renderings=list(RENDERINGS), limits=LimitsOut.model_validate(serving.limits))


@router.get("/models", tags=["models"])
async def models(request: Request) -> dict[str, list[dict[str, Any]]]:
    """Every model that is served: inputs, fields, outputs, thresholds, codes and intended use."""
    return {"models": [describe(each) for each in serving_of(request).predictors.values()]}


@router.get("/models/{model}", tags=["models"], responses=UNKNOWN_MODEL)
async def model(request: Request, model: str) -> dict[str, Any]:
    """One model: inputs, fields, outputs, thresholds, codes, intended use, and the artifact that is served."""
    return describe(serving_of(request).predictor(model))


@router.get("/models/{model}/metadata-schema", tags=["models"], responses=UNKNOWN_MODEL)
async def metadata_schema(request: Request, model: str) -> dict[str, Any]:
    """JSON Schema of the metadata, units in the field names and descriptions."""
    return schema(serving_of(request).predictor(model).spec)


@router.get("/models/{model}/panel", tags=["models"], responses=UNKNOWN_MODEL)
async def panel(request: Request, model: str) -> PanelOut:
    """The variants that a model with genotypes reads: what a file has to call."""
    return PanelOut.of(serving_of(request).predictor(model).spec)


async def _answer(request: Request, predictor: Predictor, study: Study, asked: list[str], urgency: Urgency) -> Prediction:
    work = predictor.predict(study, asked, urgency)
    return await while_caller_waits(request, work, urgency.deadline, lambda: predictor.wait_s(urgency.priority))


async def _rendered(kind: str, answer: Answer) -> Rendered:
    render = RENDERINGS[kind]
    return render(answer) if kind == JSON else await asyncio.to_thread(render, answer)


def _packed(body: bytes, media_type: str, timing_ms: dict[str, float]) -> Response:
    timing = ", ".join(f"{stage};dur={milliseconds:.3f}" for stage, milliseconds in timing_ms.items())
    return Response(body, media_type=media_type, headers={"Server-Timing": timing, "Vary": "Accept", **problems.NO_STORE})


def _asked(request: Request, predictor: Predictor) -> list[str]:
    """The explanations that `explain` lists, each one that the model offers."""
    asked = _listed(request, "explain")
    if not set(asked) <= set(predictor.explanations):
        offered = ", ".join(predictor.explanations) or "none: attention is always returned"
        raise InvalidParameterError(
            "an explanation is not one that the model offers",
            hint=f"Explanations of {predictor.spec.name}: {offered}.",
            details=(Pointed("/explain", "unknown explanation"),),
        )
    return asked


def _objects(request: Request, kind: str) -> tuple[Kind, ...]:
    """The DICOM objects that `objects` lists, of an answer that can hold several; always report, page, maps, in this order."""
    asked = _listed(request, "objects")
    if not set(asked) <= set(OBJECTS) or (asked and kind != RELATED):
        raise InvalidParameterError(
            "objects lists something that the answer cannot hold",
            hint=f'With Accept: {RELATED}; type="{DICOM}", a list of {", ".join(OBJECTS)}.',
            details=(Pointed("/objects", "unknown object, or an answer that holds none or one"),),
        )
    return tuple(each for each in OBJECTS if each in asked) or REPORT_AND_PAGE


def _listed(request: Request, name: str) -> list[str]:
    """What a query parameter lists, once each; there are no others than `explain` and `objects`."""
    if not set(request.query_params) <= PARAMETERS or len(request.query_params.getlist(name)) > 1:
        raise InvalidParameterError(
            "a query parameter is unknown or occurs twice", hint=f"The query parameters are {' and '.join(sorted(PARAMETERS))}."
        )
    return list(dict.fromkeys(part for part in request.query_params.get(name, "").split(",") if part))

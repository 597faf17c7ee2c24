"""Whether the service lives, whether it is ready, and what it measures."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from service.api import problems
from service.api.about import LiveOut, ReadyOut
from service.api.serving import serving_of
from service.errors import DrainingError, NotReadyError
from service.predictor import LOADING_S

router = APIRouter(tags=["health"])


@router.head("/health/live", include_in_schema=False)
@router.get("/health/live")
async def live() -> LiveOut:
    """The process answers; no model is asked."""
    return LiveOut()


@router.head("/health/ready", include_in_schema=False)
@router.get("/health/ready", responses=problems.documented([NotReadyError, DrainingError]))
async def ready(request: Request) -> ReadyOut:
    """Every model is loaded, reproduced its golden case, and is warm. One whose GPU is lost is degraded, and as right on the CPU."""
    serving = serving_of(request)
    if serving.draining:
        raise DrainingError("the service is stopping", retry_after_s=LOADING_S)
    states: dict[str, str] = {name: predictor.state for name, predictor in serving.predictors.items()}
    behind = sorted(name for name, state in states.items() if state != "ready")
    if behind:
        raise NotReadyError(", ".join(f"{name} is {states[name]}" for name in behind), retry_after_s=LOADING_S)
    degraded = {name: "degraded" for name, predictor in serving.predictors.items() if predictor.modes.degraded}
    return ReadyOut(status="degraded" if degraded else "ready", models=states | degraded)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}, "description": "Prometheus text format"}})
async def metrics(request: Request) -> Response:
    """Requests, stages, inferences, queues and models, for Prometheus."""
    return Response(serving_of(request).metrics.render(), media_type=CONTENT_TYPE_LATEST)

"""The one composition root: settings in, a running service out. The only module that knows all the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from models import SPECS
from models.decode import Limits
from models.decode.selftest import Tested
from models.explain import FOLDER
from models.golden import Golden
from models.levels import uploads
from models.prediction import DECODE
from models.spec import answer_names
from service import __version__
from service.api import health, openapi, problems, routes
from service.api.body import Budget, RequestLimits
from service.api.middleware import Observer
from service.api.serving import Serving
from service.decoding.pool import DecoderPool
from service.decoding.process import Bounds
from service.engine import cores
from service.engine.batch import Run
from service.engine.gpu.ladder import Ladder
from service.engine.gpu.opening import open_network
from service.engine.modes import Finder, Modes
from service.engine.providers import Device
from service.engine.runtime import Runtime, Tensors
from service.engine.scheduler import Batcher, Scheduler
from service.engine.timing import Timed
from service.errors import ArtifactError, ServiceError
from service.explainer import Explainer
from service.gate import Gate, open_gate
from service.predictor import INFER, Identity, Predictor, certified, exported_spec
from service.recovery import Following
from service.settings import Settings
from service.telemetry import Metrics, current_request, fault, log

T = TypeVar("T")
OpenNetwork = Callable[[Path, Device], Runtime | Ladder]
OPEN: OpenNetwork = partial(open_network, uploads=uploads)
FILES = {"fp32": ("model.onnx", "golden.npz")}  # a variant's are named after it
MADE_FOR = {"int8": ("cpu",), "fp16": ("cuda", "tensorrt"), "fp16u8": ("cuda", "tensorrt")}
DEVICE_SLOTS = 2  # on a GPU: one batch runs, one is put together
MAX_DECODERS = 8  # beyond it the network is the limit, and every process costs 100 MB


@dataclass(frozen=True)
class Artifact:
    """What is served for one model, verified: its identity, its network, and the case that it must reproduce."""

    identity: Identity
    runtime: Runtime | Ladder
    graph: Path
    golden: Path

    def run(self, runtime: Callable[..., Tensors]) -> Run:
        """What answers a study; explanations ask the network for more."""
        return partial(runtime, names=answer_names(self.identity.spec))

    def widened(self, threads: int) -> Run:
        """The same network in a second session, which runs on so many threads."""
        wide = Runtime(self.graph, threads=threads)
        if wide.digest != self.identity.digest:
            raise ArtifactError(f"{self.identity.spec.name}: the artifact has changed since it was loaded", hint="Start the service anew.")
        return self.run(wide)


def create_app(settings: Settings, open_network: OpenNetwork = OPEN) -> FastAPI:
    """The service. Artifacts are verified here; what runs is started by the lifespan, and proves itself before it is ready.

    `open_network` opens a file on a device: tests give one whose GPU fails.

    Raises
    ------
    ModelError
        An artifact that must not be served.
    """
    artifacts = list(open_artifacts(settings, open_network))
    metrics = Metrics(__version__)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            decode = await _started(stack, decoder_pool(settings, metrics))
            app.state.serving.decoders = partial(getattr, decode, "tested")
            _report(decode.tested, metrics)
            predictors = await _started(stack, serve_models(settings, artifacts, metrics, decode))
            app.state.serving.predictors = predictors
            proving = asyncio.create_task(_prove_all(artifacts, predictors, metrics, app.state.proved))
            yield
            app.state.serving.draining = True
            proving.cancel()
            await asyncio.gather(proving, return_exceptions=True)

    app: FastAPI = FastAPIOffline(
        title="Chiasm", version=__version__, description=openapi.DESCRIPTION, redoc_url=None, lifespan=lifespan, redirect_slashes=False
    )
    budget = Budget(settings.max_body_bytes_in_flight)
    app.state.serving = Serving({}, _request_limits(settings), budget, metrics, settings.request_timeout_s)
    app.state.proved = asyncio.Event()
    problems.install(app)
    app.include_router(routes.router)
    app.include_router(health.router)
    app.add_middleware(Observer, metrics=metrics)
    openapi.install(app)
    return app


def open_artifacts(settings: Settings, open_network: OpenNetwork = OPEN) -> Iterator[Artifact]:
    """Load and verify what the settings ask for: spec digest, tensors, provider, and what it was trained on."""
    unknown = set(settings.models) - set(SPECS)
    if unknown:
        raise ArtifactError(f"CHIASM_MODELS names a model that does not exist; there are {', '.join(SPECS)}")
    served = settings.models or tuple(SPECS)
    if idle := sorted(set(settings.variants) - set(served)):
        raise ArtifactError(f"CHIASM_VARIANTS names {', '.join(idle)}, which is not served; what is served: {', '.join(served)}")
    for name in served:
        variant = settings.variants.get(name, "fp32")
        fitting = MADE_FOR.get(variant, (settings.provider,))
        if settings.provider not in fitting:
            raise ArtifactError(f"{name}: the variant {variant} is for the provider {' or '.join(fitting)}, not {settings.provider}")
        graph, golden = FILES.get(variant, (f"{variant}.onnx", f"{variant}.npz"))
        folder = settings.artifacts / name
        runtime = open_network(folder / graph, _device(settings, name, variant))
        if variant != "fp32":
            certified(name, variant, runtime.metadata)
        spec = exported_spec(SPECS[name], runtime.metadata, clinical_only=settings.require_clinical_artifacts)
        yield Artifact(Identity(spec, runtime.digest, runtime.provider, variant), runtime, folder / graph, folder / golden)


def _device(settings: Settings, model: str, variant: str) -> Device:
    """Where a model runs, and what it may use of it. The engines of TensorRT have a folder for each graph."""
    cache = Path(settings.cache) / "tensorrt" / f"{model}-{variant}" if settings.cache else None
    memory = settings.gpu_memory_mb << 20
    return Device(settings.provider, memory, variant.startswith("fp16"), cache, settings.cuda_graphs, settings.max_batch_size)


@asynccontextmanager
async def serve_models(
    settings: Settings, artifacts: list[Artifact], metrics: Metrics, decode: DecoderPool
) -> AsyncIterator[dict[str, Predictor]]:
    """Predictors that run, and have still to prove themselves: name -> Predictor."""
    on_cpu = settings.threads or cores.available()
    slots = on_cpu if settings.provider == "cpu" else settings.threads or DEVICE_SLOTS
    async with AsyncExitStack() as stack:
        for each in artifacts:
            if isinstance(each.runtime, Ladder):
                stack.callback(each.runtime.close)  # after the scheduler: nobody waits for it any more
        homes = cores.Homes(slots if settings.provider == "cpu" else 0)
        dropped = partial(metrics.dropped, INFER)
        scheduler = Scheduler(slots, max_queue_size=settings.max_queue_size, max_slots=on_cpu, on_drop=dropped, homes=homes)
        await stack.enter_async_context(scheduler)
        gate = None
        if settings.gate:
            queue = scheduler.open("gate", open_gate(settings.artifacts / "gate"))
            gate = Gate(queue, lambda model, seen: metrics.gate_refusals.labels(model, seen).inc())
        predictors: dict[str, Predictor] = {}
        explaining = ThreadPoolExecutor(1, thread_name_prefix="explain")
        stack.callback(explaining.shutdown, wait=False, cancel_futures=True)
        for artifact in artifacts:
            spec = artifact.identity.spec
            infer = _batcher(settings, artifact, scheduler, slots)
            folder = artifact.golden.parent / FOLDER
            exact = artifact.identity.variant == "fp32"  # the graphs for explanations are certified for its features
            explain = Explainer(spec, artifact.runtime, folder, explaining) if exact and spec.explanations and folder.exists() else None
            predictor = predictors[spec.name] = Predictor(artifact.identity, decode, infer, gate, explain)
            metrics.watch_queue(DECODE, spec.name, partial(decode.queued, spec.name))
            metrics.watch_queue(INFER, spec.name, infer.queued)
            metrics.watch_wait(spec.name, predictor.wait_s)
            metrics.engine_degraded.labels(spec.name).set(0)
            if isinstance(artifact.runtime, Ladder):
                Following(artifact.runtime, infer, predictor, metrics, partial(scheduler.resize, on_cpu)).start()
        yield predictors


def _batcher(settings: Settings, artifact: Artifact, scheduler: Scheduler, slots: int) -> Batcher:
    """The door of one model, which finds out how it may run here. The CPU is held to the bits of a run alone, a GPU to the golden case."""
    if isinstance(artifact.runtime, Ladder):
        return _device_batcher(settings, artifact, artifact.runtime, scheduler, slots)
    run = artifact.run(artifact.runtime)
    timed = Timed(Path(settings.cache) if settings.cache else None, artifact.identity.digest, slots)
    widen = partial(artifact.widened, slots) if slots > 1 else None
    find = Finder(run, widen, slots, settings.max_batch_size, exact=True, time_runs=timed)
    return scheduler.open(artifact.identity.spec.name, run, max_batch_size=settings.max_batch_size, find_modes=find)


def _device_batcher(settings: Settings, artifact: Artifact, ladder: Ladder, scheduler: Scheduler, slots: int) -> Batcher:
    """The door of a model on a GPU, where every batch size is warmed and timed before it is used."""
    run = artifact.run(ladder.attempt)

    def find(study: Tensors) -> Modes:
        run_s = ladder.prepare(study)
        size = min(settings.max_batch_size, ladder.largest)
        finder = Finder(artifact.run(ladder), None, slots, size, exact=False, time_runs=lambda *_: {1: 1000 * run_s[1]})
        return replace(finder(study), narrow=run, placement=ladder.placement)

    return scheduler.open(artifact.identity.spec.name, run, max_batch_size=settings.max_batch_size, find_modes=find)


async def prove(artifact: Artifact, predictor: Predictor, metrics: Metrics) -> None:
    """Let a model reproduce its golden case through the real decoders; ready from then on."""
    identity = artifact.identity
    spec = identity.spec
    metrics.model_info.labels(spec.name, spec.version, identity.digest, identity.provider, identity.training_data).set(1)
    metrics.model_ready.labels(spec.name, spec.version).set(0)
    try:
        golden = await asyncio.to_thread(Golden.load, artifact.golden)
    except (OSError, ValueError, KeyError) as error:
        predictor.state = "failed"
        raise ArtifactError(f"{spec.name}: the golden case cannot be read") from error
    await predictor.check(golden)
    if isinstance(artifact.runtime, Ladder):
        artifact.runtime.hold_to(lambda outputs: golden.drift(outputs) <= golden.tolerance)
    modes = predictor.modes
    metrics.run_threads.labels(spec.name).set(modes.threads)
    for mode, same in modes.bit_identical.items():
        metrics.bit_identical.labels(spec.name, mode).set(same)
    if modes.other_bits:
        log.warning("other bits than alone on one thread: %s", ", ".join(modes.other_bits), extra={"model": spec.name})
    metrics.model_ready.labels(spec.name, spec.version).set(1)


async def _started(stack: AsyncExitStack, part: AbstractAsyncContextManager[T]) -> T:
    try:
        return await stack.enter_async_context(part)
    except ServiceError as error:  # the web server would log a stack instead of the reason
        log.error("cannot start: %s", error, extra={"code": error.code})
        raise


async def _prove_all(artifacts: list[Artifact], predictors: dict[str, Predictor], metrics: Metrics, proved: asyncio.Event) -> None:
    """One model after the other: a model that fails stays out of service and is logged, the others go on."""
    for artifact in artifacts:
        spec = artifact.identity.spec
        told = {"model": spec.name, "version": spec.version, "digest": artifact.identity.digest, "provider": artifact.identity.provider}
        try:
            await prove(artifact, predictors[spec.name], metrics)
            log.info("model ready", extra=told)
        except ServiceError as error:
            log.error("model failed: %s", error, extra={**told, "code": error.code})
        except Exception as error:  # noqa: BLE001  whatever it was, this model is not ready, and the log says where
            log.error("model failed", extra={**told, **fault(error)})
    proved.set()


def decoder_pool(settings: Settings, metrics: Metrics) -> DecoderPool:
    """The decoder processes, not yet started."""
    granted = cores.available()
    bounds = Bounds(settings.decoder_queue_size, settings.decode_timeout_s, settings.decoder_memory_mb << 20, cores=granted)
    workers = settings.decoder_workers or min(MAX_DECODERS, granted)
    dropped, limits = partial(metrics.dropped, DECODE), Limits(max_pixels=settings.max_pixels, thumbnails=settings.gate)
    return DecoderPool(workers, limits, bounds, on_failure=_log_decoder_failure, on_drop=dropped)


def _report(tested: tuple[Tested, ...], metrics: Metrics) -> None:
    for each in tested:
        metrics.decoder_works.labels(each.syntax, each.decoder).set(each.works)
        if not each.works:
            log.error("a decoder failed its self-test: its transfer syntax is refused", extra={"syntax": each.syntax})


def _log_decoder_failure(kind: str, frames: list[str]) -> None:
    log.error("unexpected error in a decoder", extra={"kind": kind, "frames": frames, "request_id": current_request.get()})


def _request_limits(settings: Settings) -> RequestLimits:
    return RequestLimits(settings.max_request_bytes, settings.max_metadata_bytes, settings.max_instances, settings.receive_timeout_s)

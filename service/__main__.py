"""python -m service serve | predict | gateway: the service, the same answer without it, and the doors of an archive."""

from __future__ import annotations

import argparse
import asyncio
import gc
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI

from models import SPECS
from models.errors import StudyError
from models.spec import ModelSpec
from models.study import Part, Study
from service.api import strict_json
from service.api.protocol import BoundedProtocol
from service.api.schemas import PredictionOut
from service.app import create_app, decoder_pool, open_artifacts, prove, serve_models
from service.errors import DecoderError, InvalidParameterError, RequestError, ServiceError
from service.formats.overlay import render_png
from service.gateway.commands import add_gateway
from service.settings import PREFIX, Settings, SettingsError
from service.telemetry import Metrics, log, start_logging

FAULT, USAGE, REFUSED = 1, 2, 3  # exit codes: the service's fault, the command's, the study's
KEEP_ALIVE_S = 75  # longer than the idle time of usual load balancers, so that they close first


class Server(uvicorn.Server):
    """uvicorn that drains: readiness falls at once, the port closes `drain_s` later, requests in flight finish, exit 0."""

    def __init__(self, config: uvicorn.Config, app: FastAPI, drain_s: float) -> None:
        super().__init__(config)
        self._app = app
        self._drain_s = drain_s
        self._stop_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  a signal handler is given both
        """Drain on the first signal, hurry on the second."""
        self._app.state.serving.draining = True
        if self._stop_at is not None:
            self.force_exit = self.should_exit = True
        self._stop_at = time.monotonic() + self._drain_s

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second, say whether it is time to close the port."""
        if self._stop_at is not None and time.monotonic() >= self._stop_at:
            return True
        return await super().on_tick(counter)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the port, and say where, once the models have proved themselves."""
        await super().startup(sockets)
        self._telling = asyncio.create_task(self._tell())

    async def _tell(self) -> None:
        await self._app.state.proved.wait()
        gc.collect()
        gc.freeze()  # what was loaded stays: to look through it for rubbish takes 60 ms, in which nobody is answered
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        for name, predictor in self._app.state.serving.predictors.items():
            line = f"{name} {predictor.spec.version} is {predictor.state}: http://{host}:{port}/docs"
            print(line, file=sys.stderr, flush=True)  # noqa: T201  for the person who started it; the log goes to stdout


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except (SettingsError, ServiceError) as error:
        return _fail(error, USAGE if isinstance(error, SettingsError) else FAULT)


def _serve(options: argparse.Namespace) -> int:
    given = {name: value for name in ("host", "port", "artifacts") if (value := getattr(options, name)) is not None}
    settings = Settings.load(**given)
    start_logging(settings.log_level)
    app = create_app(settings)
    config = uvicorn.Config(
        app, host=settings.host, port=settings.port, loop="uvloop", http=BoundedProtocol, ws="none", access_log=False, log_config=None,
        timeout_keep_alive=KEEP_ALIVE_S, timeout_graceful_shutdown=settings.shutdown_s, server_header=False,
    )
    server = Server(config, app, settings.drain_s)
    server.run()
    log.info("stopped")
    return 0 if server.started else FAULT


def _predict(options: argparse.Namespace) -> int:
    if options.model not in SPECS:
        return _fail(f"no model has that name; the models are: {', '.join(SPECS)}", USAGE)
    settings = Settings.load(models=(options.model,), decoder_workers=1, threads=1)
    start_logging("error", sys.stderr)
    try:
        spec = SPECS[options.model]
        study = Study(tuple(_part(file, spec) for file in options.files), _metadata(options.metadata, settings.max_metadata_bytes))
        asked = _explanations(options.explain, spec)
        print(asyncio.run(_evaluate(settings, study, asked, options.png)))  # noqa: T201  the answer is this command's output
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}", USAGE)
    except (StudyError, RequestError, DecoderError) as error:
        return _fail(error, REFUSED)
    return 0


async def _evaluate(settings: Settings, study: Study, asked: list[str], png: Path | None) -> str:
    artifacts, metrics = list(open_artifacts(settings)), Metrics("command line")
    async with decoder_pool(settings, metrics) as decode, serve_models(settings, artifacts, metrics, decode) as predictors:
        artifact = artifacts[0]
        predictor = predictors[artifact.identity.spec.name]
        await prove(artifact, predictor, metrics)
        prediction = await predictor.predict(study, asked)
    if png is not None:
        png.write_bytes(render_png(predictor.spec, prediction))  # noqa: ASYNC240  nothing else runs here
    return PredictionOut.of(predictor.answered(prediction), prediction).to_json(indent=2).decode()


def _explanations(argument: str, spec: ModelSpec) -> list[str]:
    """Names separated by commas, each one that the model offers."""
    asked = [name for name in argument.split(",") if name]
    if unknown := set(asked) - set(spec.explanations):
        offered = ", ".join(spec.explanations) or "none: attention is always returned"
        raise InvalidParameterError(f"no such explanation: {', '.join(sorted(unknown))}", hint=f"Explanations of {spec.name}: {offered}.")
    return asked


def _part(argument: str, spec: ModelSpec) -> Part:
    """``FILE``, which may contain =, or ``INPUT=FILE`` where the model has an input of that name."""
    name, _, path = argument.partition("=")
    if name in spec.file_inputs:
        return Part(Path(path).read_bytes(), name)
    return Part(Path(argument).read_bytes())


def _metadata(argument: str, limit: int) -> dict[str, object]:
    """JSON text, or the path of a file that holds it."""
    text = argument.encode() if argument.lstrip().startswith("{") else Path(argument).read_bytes()
    return strict_json.metadata(text, limit)


def _fail(reason: Exception | str, code: int) -> int:
    details = "".join(f"; {each.pointer}: {each.detail}" for each in getattr(reason, "details", ()))
    hint = getattr(reason, "hint", "")
    print(f"chiasm: {reason}{details}" + (f" ({hint})" if hint else ""), file=sys.stderr)  # noqa: T201  one line for a person
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m service", description="Serve multimodal medical imaging models, or evaluate one study.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve = commands.add_parser(
        "serve", help="answer over HTTP until stopped", formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="environment variables:\n" + "\n".join(_knobs()),
    )
    serve.add_argument("--host", help="address to listen on (CHIASM_HOST)")
    serve.add_argument("--port", type=int, help="port to listen on (CHIASM_PORT, PORT)")
    serve.add_argument("--artifacts", type=Path, help="folder of the artifacts (CHIASM_ARTIFACTS)")
    serve.set_defaults(command=_serve)
    predict = commands.add_parser("predict", help="evaluate one study without a server, and print the same JSON answer")
    predict.add_argument("files", nargs="+", metavar="FILE", help="a file of the study, or INPUT=FILE to name the input it is")
    predict.add_argument("--metadata", default="{}", metavar="JSON", help="metadata as JSON text, or a file that holds it")
    predict.add_argument("--model", default="bmd", help="which model (default: %(default)s)")
    predict.add_argument("--explain", default="", metavar="NAMES", help="explanations too, separated by commas: gradcam, shapley, lime")
    predict.add_argument("--png", type=Path, metavar="OUT", help="also write the image with the attention laid over it")
    predict.set_defaults(command=_predict)
    add_gateway(commands, BoundedProtocol)
    return parser


def _knobs() -> list[str]:
    return [f"  {PREFIX}{name.upper():<28} {field.description} [{field.default}]" for name, field in Settings.model_fields.items()]


if __name__ == "__main__":
    sys.exit(main())

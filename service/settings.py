"""Every knob of the service: environment variables with the prefix CHIASM_, read once, then passed on.

Read by service.app and service.__main__ only.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "CHIASM_"
TEST_DATA = "CHIASM_TEST_DATA"  # where the tests find real files: no setting, and no reason to refuse the start


class SettingsError(ValueError):
    """The settings cannot be used; the message is one line for whoever starts the service."""


class Settings(BaseSettings):
    """What can be set. A limit cannot be zero or negative, and no default is weaker than what is written here."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="Address to listen on. 0.0.0.0 for every interface, in a container.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; PORT is read where CHIASM_PORT is not set. 0 takes a free one.")
    artifacts: Path = Field(Path("artifacts"), description="One folder for each model: model.onnx and golden.npz.")
    models: Annotated[tuple[str, ...], NoDecode] = Field((), description="Models to serve, separated by commas. Empty serves every one.")
    gate: bool = Field(default=True, description="Refuse pictures that do not show the body part that a model reads.")
    provider: Literal["cpu", "cuda", "tensorrt"] = Field(
        "cpu", description="Where networks run. cuda needs onnxruntime-gpu, tensorrt NVIDIA's TensorRT too. Neither starts as cpu.",
    )
    gpu_memory_mb: int = Field(0, ge=0, description="Memory of the GPU for one model, in MiB. 0 sets no limit.")
    cuda_graphs: bool = Field(default=True, description="Capture CUDA graphs, where they give the same answer as without.")
    variants: Annotated[dict[str, Literal["int8", "fp16", "fp16u8"]], NoDecode] = Field(
        {}, description="Faster variants to serve, as bmd=int8,chest=int8: only certified ones. int8 is for cpu, fp16 and fp16u8 for GPUs.",
    )
    cache: str = Field("", description="Folder that keeps what was measured or built for this machine. Empty does it at every start.")
    threads: int = Field(0, ge=0, description="Inferences side by side. 0 takes the cores that the container grants, on a GPU two.")
    max_batch_size: int = Field(1, ge=1, le=64, description="Waiting requests that one inference takes. On cpu 1 is fastest, on a GPU 32.")
    max_queue_size: int = Field(64, ge=1, description="Requests of one model that may wait for an inference; the next is answered 503.")
    max_request_bytes: int = Field(256 << 20, ge=1, description="Largest request body, in bytes.")
    max_body_bytes_in_flight: int = Field(1 << 30, ge=1, description="Memory for all request bodies together, in bytes; beyond it 503.")
    max_metadata_bytes: int = Field(64 << 10, ge=1, description="Largest metadata JSON, in bytes.")
    max_instances: int = Field(1024, ge=1, description="Files in one request.")
    max_pixels: int = Field(60_000_000, ge=1, description="Pixels of one image, by what its header says.")
    decoder_workers: int = Field(0, ge=0, description="Decoder processes. 0 takes as many as there are cores, at most 8.")
    decoder_queue_size: int = Field(32, ge=1, description="Studies for one model that may wait for a decoder; the next is answered 503.")
    decoder_memory_mb: int = Field(2048, ge=512, description="Address space of one decoder process, in MiB. Raise it with max_pixels.")
    decode_timeout_s: float = Field(20.0, gt=0, description="Seconds that decoding one study may take before its process is killed.")
    receive_timeout_s: float = Field(60.0, gt=0, description="Seconds in which a request's body must have arrived.")
    request_timeout_s: float = Field(
        60.0, ge=0.001, description="Seconds in which a received request is answered, or 503; X-Deadline-Ms can only ask for less.",
    )
    drain_s: float = Field(0.0, ge=0, description="Seconds between SIGTERM and closing the port, for load balancers to see readiness fall.")
    shutdown_s: int = Field(30, ge=1, description="Seconds that requests in flight may take to finish after the port is closed.")
    require_clinical_artifacts: bool = Field(default=False, description="Refuse to start on artifacts trained on synthetic phantoms.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Lowest level that is logged.")

    @field_validator("models", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(name.strip() for name in value.split(",") if name.strip()) if isinstance(value, str) else value

    @field_validator("variants", mode="before")
    @classmethod
    def _pairs(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return {name.strip(): kind.strip() for name, _, kind in (pair.partition("=") for pair in value.split(",") if pair.strip())}

    @classmethod
    def load(cls, environment: Mapping[str, str] = os.environ, **given: Any) -> Self:  # noqa: ANN401  command-line values, validated below
        """Settings from the environment; `given` values win.

        Raises
        ------
        SettingsError
            A variable is unknown, or a value is not one that it can have.
        """
        known = {PREFIX + name.upper() for name in cls.model_fields} | {TEST_DATA}
        unknown = sorted(name for name in environment if name.startswith(PREFIX) and name.upper() not in known)
        if unknown:
            raise SettingsError(f"unknown setting {', '.join(unknown)}; see python -m service serve --help")
        if "port" not in given and PREFIX + "PORT" not in environment and environment.get("PORT"):
            given["port"] = environment["PORT"]
        try:
            return cls(**given)
        except ValidationError as error:
            raise SettingsError("; ".join(_line(fault["loc"], fault["msg"]) for fault in error.errors())) from None


def _line(place: tuple[int | str, ...], message: str) -> str:
    return f"{PREFIX}{str(place[0]).upper()}: {message}"

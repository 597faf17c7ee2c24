"""What the service says of itself: whether it lives, what it can do, and what its models are."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from models.genotypes import panel_digest
from models.spec import ModelSpec
from service.api.schemas import Out, identity_of
from service.errors import UnknownModelError
from service.predictor import Predictor


class LiveOut(BaseModel):
    """The process answers."""

    status: str = "live"


class ReadyOut(BaseModel):
    """Every model is loaded, reproduced its golden case, and is warm."""

    status: str = Field("ready", description="ready, or degraded: answers are right, and come slower than they should")
    models: dict[str, str] = Field(description="name -> ready, or degraded: its GPU is lost, and the CPU answers")


class DecoderOut(Out):
    """One transfer syntax or picture format, and whether its decoder gave back a known image at the start of the service."""

    syntax: str = Field(description="Transfer Syntax UID, or png or jpeg")
    name: str
    decoder: str
    works: bool


class LimitsOut(Out):
    """What one request may hold."""

    max_request_bytes: int
    max_metadata_bytes: int
    max_instances: int


class CapabilitiesOut(Out):
    """What this running service can do: tried, not declared."""

    models: dict[str, str] = Field(description="name -> state: loading, ready or failed")
    decoders: list[DecoderOut]
    renderings: list[str] = Field(description="media types that Accept may ask for")
    limits: LimitsOut


class VariantOut(Out):
    """One place of a panel: a single-base variant, positions from 1 (VCF 4.3)."""

    chromosome: str
    position: int
    reference: str
    alternate: str


class PanelOut(Out):
    """The variants that a model reads, in the order of the panel's JSON."""

    name: str
    build: str
    digest: str = Field(description="of the build and the variants in their order")
    variants: list[VariantOut]

    @classmethod
    def of(cls, spec: ModelSpec) -> PanelOut:
        """The panel of an artifact; UnknownModelError where its model reads no genotypes."""
        panel = spec.measured.panel if spec.measured else None
        if panel is None:
            raise UnknownModelError(f"{spec.name} reads no genotypes")
        variants = [VariantOut.model_validate(each) for each in panel.variants]
        return cls(name=panel.name, build=panel.build, digest=panel_digest(panel), variants=variants)


INPUTS = {"images": "images", "metadata": "table", "genotypes": "genotypes"}
OUTPUTS = ("regressions", "classifications", "metadata_attention", "image_attention", "regions")


def describe(predictor: Predictor) -> dict[str, Any]:
    """A spec as JSON, sorted into what goes in and what comes out, with what is known of the artifact that is served and how it runs."""
    described = predictor.spec.model_dump(mode="json", exclude_none=True, exclude={"measured": {"panel": {"variants"}}})
    inputs = {name: described.pop(key) for name, key in INPUTS.items() if key in described}
    outputs = {name: described.pop(name) for name in OUTPUTS if name in described}
    told = {"inputs": inputs, "outputs": outputs, "explanations": predictor.explanations, "state": predictor.state}
    return identity_of(predictor.identity).model_dump() | described | told | {"execution": _execution(predictor)}


def _execution(predictor: Predictor) -> dict[str, Any]:
    """How the network runs on this machine, as found when it proved itself."""
    modes = predictor.modes
    return {
        "threads_when_alone": modes.threads,
        "milliseconds_alone": {str(threads): round(milliseconds, 3) for threads, milliseconds in modes.alone_ms.items()},
        "max_batch_size": modes.max_batch_size,
        "one_at_a_time": modes.one_at_a_time,
        "bit_identical": modes.bit_identical,
    } | _device(predictor)


def _device(predictor: Predictor) -> dict[str, Any]:
    """Where a network runs that was asked to run on a GPU."""
    placement = predictor.modes.placement
    if placement is None:
        return {}
    told = {
        "state": placement.state,
        "cuda_graphs": placement.graphs,
        "page_locked_uploads": placement.pinned,
        "milliseconds_by_batch": {str(size): round(1000 * seconds, 3) for size, seconds in placement.run_s.items()},
    }
    return {"device": told}

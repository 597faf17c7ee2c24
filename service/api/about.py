"""What the service says of itself: whether it lives, what it can do, and what its models are."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from service.api.schemas import Out, identity_of
from service.predictor import Identity


class LiveOut(BaseModel):
    """The process answers."""

    status: str = "live"


class ReadyOut(BaseModel):
    """Every model is loaded, reproduced its golden case, and is warm."""

    status: str = "ready"
    models: dict[str, str]


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


INPUTS = {"images": "images", "metadata": "table", "genotypes": "genotypes"}
OUTPUTS = ("regressions", "classifications", "metadata_attention", "image_attention", "regions")


def describe(identity: Identity, state: str, explanations: tuple[str, ...]) -> dict[str, Any]:
    """A spec as JSON, sorted into what goes in and what comes out, with what is known of the artifact that is served."""
    described = identity.spec.model_dump(mode="json", exclude_none=True, exclude={"measured": {"panel": {"variants"}}})
    inputs = {name: described.pop(key) for name, key in INPUTS.items() if key in described}
    outputs = {name: described.pop(name) for name in OUTPUTS if name in described}
    told = {"inputs": inputs, "outputs": outputs, "explanations": explanations, "state": state}
    return identity_of(identity).model_dump() | described | told

"""Where results go."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from service.gateway.config.section import DicomSide, WebSide

Kind = Literal["report", "page"]


class DicomDestination(DicomSide):
    """An archive that takes results by C-STORE."""

    kind: Literal["dicom"]
    name: str
    sends: tuple[Kind, ...] = ("report", "page")


class StowDestination(WebSide):
    """An archive that takes results by STOW-RS (PS3.18 10.5)."""

    kind: Literal["stow"]
    name: str
    sends: tuple[Kind, ...] = ("report", "page")


class WebhookDestination(WebSide):
    """Whoever wants the JSON answer, with the study's UID and accession number beside it."""

    kind: Literal["webhook"]
    name: str


Destination = Annotated[DicomDestination | StowDestination | WebhookDestination, Field(discriminator="kind")]
ARCHIVES = (DicomDestination, StowDestination)  # they take objects of DICOM

"""Where results go."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from service.gateway.config.section import DicomSide, WebSide

Kind = Literal["report", "page", "map"]


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


class FhirDestination(WebSide):
    """A FHIR server (R4) that takes the answer as a transaction; `url` is its base."""

    kind: Literal["fhir"]
    name: str
    patient_system: str = Field("", description="System of the Patient ID; without it results have no subject.")
    patient_by: Literal["identifier", "search"] = Field("identifier", description="How the patient is referred to.")
    accession_system: str = Field("", description="System of the accession number; without it results have no order.")


Destination = Annotated[DicomDestination | StowDestination | WebhookDestination | FhirDestination, Field(discriminator="kind")]
ARCHIVES = (DicomDestination, StowDestination)  # they take objects of DICOM

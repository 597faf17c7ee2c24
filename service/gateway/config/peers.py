"""Who can be asked for studies."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from service.gateway.config.section import DicomSide, Title, WebSide


class DicomPeer(DicomSide):
    """An archive that is asked by C-FIND, and sends by C-MOVE to this gateway's door, or over the same association by C-GET."""

    kind: Literal["dicom"]
    name: str
    retrieve: Literal["move", "get"] = "move"
    move_to: Title | None = Field(None, description="The title by which the archive knows this gateway's door; else the first of ours.")


class WebPeer(WebSide):
    """An archive that is asked by QIDO-RS and answers by WADO-RS (PS3.18 10.4 and 10.6)."""

    kind: Literal["web"]
    name: str
    ae_title: Title = Field("WADO-RS", description="The title that its instances have in routes.")


Peer = Annotated[DicomPeer | WebPeer, Field(discriminator="kind")]

"""What every table of the file is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from service.errors import ServiceError

Title = Annotated[str, StringConstraints(pattern=r"\A[\x21-\x5b\x5d-\x7e]([\x20-\x5b\x5d-\x7e]{0,14}[\x21-\x5b\x5d-\x7e])?\z")]  # AE, PS3.5


class GatewayConfigError(ServiceError):
    """The gateway's configuration cannot be used; the message says where and why."""

    code = "gateway_config"


class Section(BaseModel):
    """A table of the file: an unknown key is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Tls(Section):
    """TLS of one side of an association: its certificate and key, and who signs the other side's (PS3.15 B.9 and B.12)."""

    certificate: Path
    key: Path
    authorities: Path = Field(description="Certificates that the other side's must be signed by.")


class DicomSide(Section):
    """Somebody who is called over DIMSE."""

    ae_title: Title
    host: str
    port: int = Field(ge=1, le=65535)
    calling_ae_title: Title = "CHIASM"
    tls: Tls | None = None


class WebSide(Section):
    """Somebody who is asked over HTTP."""

    url: str
    headers: dict[str, str] = Field({}, description="For instance Authorization; ${NAME} is read from the environment.")
    authorities: Path | None = Field(None, description="Certificates that the server's must be signed by; else those of the system.")
    certificate: Path | None = Field(None, description="Ours, where the server asks who calls; with `key`.")
    key: Path | None = None

    @model_validator(mode="after")
    def _a_certificate_has_a_key(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("a certificate needs its key, and a key its certificate")
        return self

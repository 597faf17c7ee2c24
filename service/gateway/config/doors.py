"""Who may send, over what, and how much."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from service.gateway.config.section import Section, Title, Tls

Uid = Annotated[str, StringConstraints(pattern=r"\A[0-9]+(\.[0-9]+)*\z", max_length=64)]


class Caller(Section):
    """Who may send: an AE title, the address it must come from, and under TLS the certificate it must show, where these are given."""

    ae_title: Title
    address: str = ""
    certificate: str = Field("", description='Its own, under TLS: "sha256:<fingerprint>", or its subject, such as "CN=ct-1,O=Clinic".')


class Receive(Section):
    """The door: where it listens and what it accepts."""

    host: str = "127.0.0.1"
    port: int = Field(11112, ge=0, le=65535)
    ae_titles: tuple[Title, ...] = Field(("CHIASM",), min_length=1, description="Titles that this gateway answers to.")
    callers: tuple[Caller, ...] = Field((), description="Who may send; with any_caller = true, everybody.")
    any_caller: bool = False
    tls: Tls | None = None
    storage_classes: tuple[Uid, ...] = Field((), max_length=32, description="Vendors' private SOP classes, taken too.")
    max_associations: int = Field(32, ge=1)
    quiet_s: float = Field(20.0, gt=0, description="A study is complete when nothing has come for so long.")
    min_free_bytes: int = Field(1 << 30, ge=0, description="With less free space on the spool, what is sent is refused (0xA700).")
    max_object_bytes: int = Field(512 << 20, ge=1)
    max_bytes_in_flight: int = Field(1 << 30, ge=1, description="Objects in memory together; what comes beyond is refused (0xA700).")

    @model_validator(mode="after")
    def _somebody_may_send(self) -> Self:
        if not self.callers and not self.any_caller:
            raise ValueError("name the callers, or set any_caller = true")
        return self


class Web(Section):
    """The door for STOW-RS (PS3.18 10.5): the callers, the watermark and the largest object are those of the other door."""

    host: str = "127.0.0.1"
    port: int = Field(8104, ge=0, le=65535)
    bases: dict[str, Title] = Field({}, description='Path -> the title that it stands for in routes; "/dicom-web" for the first title.')
    tls: Tls | None = None
    token_env: str = Field("", description="Environment variable that holds the bearer token which a request must carry.")
    token_file: Path | None = Field(None, description="The same, in a file.")
    max_requests: int = Field(8, ge=1, description="Requests at once; who comes beyond is asked to come later.")
    max_body_bytes: int = Field(8 << 30, ge=1)
    max_parts: int = Field(10_000, ge=1)
    receive_timeout_s: float = Field(600.0, gt=0, description="For a whole request to come.")

    @model_validator(mode="after")
    def _says_what_it_means(self) -> Self:
        if self.token_env and self.token_file:
            raise ValueError("name token_env or token_file, not both")
        if bad := [path for path in self.bases if not path.startswith("/") or path.endswith("/")]:
            raise ValueError(f"bases: {bad[0]} has to begin with a slash, and not to end with one")
        return self

    @property
    def has_token(self) -> bool:
        """Whether a request must carry one."""
        return bool(self.token_env or self.token_file)

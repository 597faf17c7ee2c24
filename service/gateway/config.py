"""The gateway's configuration: one TOML file that a person reads, checked when it is loaded.

``docs/gateway.md`` explains it; ``python -m service gateway check FILE`` says what is wrong with one.
"""

from __future__ import annotations

import tomllib
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from models import SPECS
from service.errors import ServiceError

Title = Annotated[str, StringConstraints(pattern=r"\A[\x21-\x5b\x5d-\x7e]([\x20-\x5b\x5d-\x7e]{0,14}[\x21-\x5b\x5d-\x7e])?\z")]  # AE, PS3.5
Priority = Literal["stat", "routine", "batch"]
Kind = Literal["report", "page"]


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


class Caller(Section):
    """Who may send: an AE title, and the address it must come from where one is given."""

    ae_title: Title
    address: str = ""


class Receive(Section):
    """The door: where it listens and what it accepts."""

    host: str = "127.0.0.1"
    port: int = Field(11112, ge=0, le=65535)
    ae_titles: tuple[Title, ...] = Field(("CHIASM",), min_length=1, description="Titles that this gateway answers to.")
    callers: tuple[Caller, ...] = Field((), description="Who may send; with any_caller = true, everybody.")
    any_caller: bool = False
    tls: Tls | None = None
    max_associations: int = Field(32, ge=1)
    quiet_s: float = Field(20.0, gt=0, description="A study is complete when nothing has come for so long.")
    min_free_bytes: int = Field(1 << 30, ge=0, description="With less free space on the spool, what is sent is refused (0xA700).")
    max_object_bytes: int = Field(512 << 20, ge=1)

    @model_validator(mode="after")
    def _somebody_may_send(self) -> Self:
        if not self.callers and not self.any_caller:
            raise ValueError("name the callers, or set any_caller = true")
        return self


class Route(Section):
    """Which instances of a study go to which model, and where its results go."""

    name: str
    model: str
    match: dict[str, tuple[str, ...]] = Field({}, description="DICOM keyword -> patterns, with * and ?; one must fit, in any case.")
    called: tuple[Title, ...] = Field((), description="Only what was sent to one of these titles.")
    callers: tuple[Title, ...] = Field((), description="Only what one of these titles sent.")
    priority: Priority = "routine"
    destinations: tuple[str, ...] = Field(min_length=1)
    metadata: dict[str, Any] = Field({}, description="Metadata that holds for every study of this route.")

    def misses(self, instance: dict[str, str], called: str, calling: str) -> str:
        """Why an instance does not fit, in plain words; empty where it does. `instance` holds DICOM keywords and their text."""
        if self.called and called not in self.called:
            return f"it was sent to {called}, not to {' or '.join(self.called)}"
        if self.callers and calling not in self.callers:
            return f"{calling} sent it, not {' or '.join(self.callers)}"
        for keyword, patterns in self.match.items():
            value = instance.get(keyword, "").upper()
            if not any(fnmatchcase(value, pattern.upper()) for pattern in patterns):
                return f"{keyword} is not {' or '.join(patterns)}"
        return ""


class DicomDestination(Section):
    """An archive that takes results by C-STORE."""

    kind: Literal["dicom"]
    name: str
    ae_title: Title
    host: str
    port: int = Field(ge=1, le=65535)
    calling_ae_title: Title = "CHIASM"
    tls: Tls | None = None
    sends: tuple[Kind, ...] = ("report", "page")


class StowDestination(Section):
    """An archive that takes results by STOW-RS (PS3.18 10.5)."""

    kind: Literal["stow"]
    name: str
    url: str
    headers: dict[str, str] = Field({}, description="For instance Authorization; ${NAME} is read from the environment.")
    sends: tuple[Kind, ...] = ("report", "page")


class WebhookDestination(Section):
    """Whoever wants the JSON answer, with the study's UID and accession number beside it."""

    kind: Literal["webhook"]
    name: str
    url: str
    headers: dict[str, str] = {}


Destination = Annotated[DicomDestination | StowDestination | WebhookDestination, Field(discriminator="kind")]


class Retry(Section):
    """How often, and how soon, what failed for a passing reason is tried again: the wait doubles each time."""

    first_s: float = Field(5.0, gt=0)
    longest_s: float = Field(900.0, gt=0)
    attempts: int = Field(30, ge=1, description="After so many it lies with the dead letters, until a person sends it again.")

    def wait_s(self, attempts: int) -> float:
        """Seconds to wait after so many attempts."""
        return float(min(self.longest_s, self.first_s * 2.0 ** min(attempts - 1, 30)))


class GatewayConfig(Section):
    """The whole file."""

    spool: Path = Field(description="Folder of received and made objects, and of the ledger; on a disk that survives.")
    service: str = Field("http://127.0.0.1:8000", description="Where the service answers.")
    sidecars: Path | None = Field(None, description="Folder of <accession number>.json with metadata that headers do not hold.")
    keep_days: float = Field(7.0, gt=0, description="Days that a study is kept after all of its results were delivered.")
    workers: int = Field(2, ge=1, description="Studies evaluated side by side.")
    metrics_port: int = Field(0, ge=0, le=65535, description="Port of /metrics and /health; 0 for none.")
    receive: Receive
    retry: Retry = Retry()
    routes: tuple[Route, ...] = Field(min_length=1)
    destinations: tuple[Destination, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        known = [destination.name for destination in self.destinations]
        for names in (known, [route.name for route in self.routes]):
            if len(set(names)) < len(names):
                raise ValueError("two routes or two destinations have one name")
        for route in self.routes:
            if missing := sorted(set(route.destinations) - set(known)):
                raise ValueError(f"route {route.name}: no destination is named {', '.join(missing)}")
            if route.model not in SPECS:
                raise ValueError(f"route {route.name}: no model is named {route.model}; the models are {', '.join(SPECS)}")
        return self

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file.

        Raises
        ------
        GatewayConfigError
            It cannot be read, is no TOML, or says something that cannot be; one line for each mistake.
        """
        try:
            return cls.model_validate(tomllib.loads(path.read_text()))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise GatewayConfigError(f"{path.name}: {error}") from None
        except ValidationError as error:
            lines = [f"{'.'.join(map(str, fault['loc'])) or path.name}: {fault['msg']}" for fault in error.errors()]
            raise GatewayConfigError("\n".join(lines)) from None

"""The file as a whole."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError, model_validator

from models import SPECS
from service.gateway.config.destinations import Destination
from service.gateway.config.doors import Receive, Web
from service.gateway.config.metadata import FhirSource
from service.gateway.config.peers import Peer
from service.gateway.config.routes import Join, Route
from service.gateway.config.section import GatewayConfigError, Section


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
    ledger: str = Field("", description="URL of a PostgreSQL database that several gateways share; else a file in the spool.")
    service: str = Field("http://127.0.0.1:8000", description="Where the service answers.")
    sidecars: Path | None = Field(None, description="Folder of <accession number>.json with metadata that headers do not hold.")
    fhir: FhirSource | None = Field(None, description="A FHIR server that is asked for metadata.")
    keep_days: float = Field(7.0, gt=0, description="Days that a study is kept after all of its results were delivered.")
    workers: int = Field(2, ge=1, description="Studies evaluated side by side.")
    lease_s: float = Field(120.0, gt=0, description="A study or result whose taker has not been heard of for so long is taken by another.")
    metrics_port: int = Field(0, ge=0, le=65535, description="Port of /metrics and /health; 0 for none.")
    receive: Receive
    web: Web | None = Field(None, description="The door for STOW-RS; without it there is none.")
    retry: Retry = Retry()
    routes: tuple[Route, ...] = Field(min_length=1)
    joins: tuple[Join, ...] = Field((), description="Studies of one patient that are evaluated together; without it, none are.")
    destinations: tuple[Destination, ...] = Field(min_length=1)
    peers: tuple[Peer, ...] = Field((), description="Who can be asked for studies.")

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        known = [destination.name for destination in self.destinations]
        for names in (known, [route.name for route in self.routes], [peer.name for peer in self.peers]):
            if len(set(names)) < len(names):
                raise ValueError("two routes, destinations or peers have one name")
        for route in self.routes:
            if missing := sorted(set(route.destinations) - set(known)):
                raise ValueError(f"route {route.name}: no destination is named {', '.join(missing)}")
            if route.model not in SPECS:
                raise ValueError(f"route {route.name}: no model is named {route.model}; the models are {', '.join(SPECS)}")
        return self

    @model_validator(mode="after")
    def _joins_fit(self) -> Self:
        models = [join.model for join in self.joins]
        if len(set(models)) < len(models):
            raise ValueError("joins: a model has two rules")
        if unfit := [model for model in models if model not in SPECS or len(SPECS[model].images) < 2]:
            raise ValueError(f"joins: {unfit[0]} is no model that reads more than one image")
        return self

    @model_validator(mode="after")
    def _certificates_can_be_shown(self) -> Self:
        tls = self.receive.tls or (self.web and self.web.tls)
        for caller in self.receive.callers:
            if caller.certificate and tls is None:
                raise ValueError(f"receive.callers: {caller.ae_title} must show a certificate, and no door has tls")
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

"""Studies on request: found at a peer, and taken in by the same intake as those that are sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from service.gateway.config import DicomPeer, GatewayConfig, GatewayConfigError, Peer
from service.gateway.errors import DeliveryError, PermanentError
from service.gateway.intake import Intake
from service.gateway.pull_dimse import DicomSource
from service.gateway.pull_web import WebSource
from service.gateway.studies import Found, Pulled, Wanted


class Source(Protocol):
    """A peer that studies can be had from. Both raise TransientError and PermanentError."""

    def find(self, wanted: Wanted) -> list[Found]:
        """The studies that fit."""

    def fetch(self, study: Found) -> Pulled:
        """Take in all of a study."""


@dataclass(frozen=True)
class Puller:
    """Finds studies, and earlier ones of the same patients where they are asked for, and takes them in."""

    source: Source

    def run(self, wanted: Wanted, priors: int) -> Iterator[tuple[Found, Pulled | DeliveryError]]:
        """Each study that was wanted, and what became of it.

        Raises PermanentError where there is none, TransientError where nobody answers.
        """
        found = self.source.find(wanted)
        if not found:
            raise PermanentError("no study fits")
        for study in [*found, *self._priors(found, priors)]:
            try:
                yield study, self.source.fetch(study)
            except DeliveryError as error:  # the next one may come
                yield study, error

    def _priors(self, found: list[Found], count: int) -> Iterator[Found]:
        """The newest of each patient that are older than what was found, and share a modality with it."""
        known = {study.study_uid for study in found}
        for patient in {study.patient_id: study for study in found}.values():
            if count and patient.patient_id:
                others = self.source.find(Wanted(patient=patient.patient_id))
                older = [each for each in others if each.study_uid not in known and patient.follows(each)]
                yield from sorted(older, key=lambda each: each.date, reverse=True)[:count]


def source_of(config: GatewayConfig, name: str, intake: Intake) -> Source:
    """The peer of that name. Raises GatewayConfigError where the configuration has none."""
    peer: Peer | None = next((each for each in config.peers if each.name == name), None)
    if peer is None:
        raise GatewayConfigError(f"no peer is named {name}; the peers are {', '.join(each.name for each in config.peers) or 'none'}")
    if isinstance(peer, DicomPeer):
        return DicomSource(peer, config.receive, intake)
    return WebSource(peer, config.receive.ae_titles[0], intake)

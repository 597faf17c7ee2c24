"""What a model is asked of a study: its files, and metadata from wherever they are.

Of two sources the first of these counts: what was left beside the accession number, the header where it states a height or a weight, the
patient's record, and what the route says of all of its studies. Age, sex and side are never a matter of rank: where the sources differ
about them, the study is not evaluated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from models import SPECS
from models.errors import MetadataConflictError
from models.spec import Field
from service.gateway.config import GatewayConfig, Route
from service.gateway.errors import DeliveryError
from service.gateway.headers import Whose, whose
from service.gateway.ledger import Job
from service.gateway.record import Learned, Record
from service.gateway.service import NotYetError, Question, Refused
from service.gateway.sidecars import Sidecars
from service.telemetry import log

AGAIN_S = 60.0  # until a server that did not answer is asked again


@dataclass(frozen=True)
class Gathered:
    """A question, what is to be said with its answer, and the answer where the sources give it already: a refusal."""

    question: Question
    notes: tuple[str, ...] = ()
    refused: Refused | None = None


class Gathering:
    """Looks everywhere that the configuration names."""

    def __init__(self, config: GatewayConfig, clock: Callable[[], float]) -> None:
        self._sidecars, self._source, self._clock = Sidecars(config.sidecars), config.fhir, clock
        self._record = Record(config.fhir) if config.fhir else None

    def of(self, job: Job, route: Route, files: Sequence[bytes]) -> Gathered:
        """Everything for one question. Raises LaterError where something is there and cannot be read, or may still come."""
        study, spec = whose(files[0]), SPECS[route.model]
        beside = self._sidecars.of(study.accession)
        learned = self._learned(job, route, study)
        fields = {each.name: each for each in spec.table.fields}
        known = {name: value for name, value in learned.values.items() if not _is_stated(fields[name], study)}
        question = Question(route.model, files, beside.genotypes, route.metadata | known | beside.metadata, route.priority)
        differing = [name for name in known.keys() & beside.metadata.keys() if _differs(fields[name], known[name], beside.metadata[name])]
        if differing:
            detail = f"the metadata beside the study contradict the patient's record in: {', '.join(sorted(differing))}"
            return Gathered(question, learned.notes, Refused(MetadataConflictError.code, detail))
        return Gathered(question, learned.notes)

    def _learned(self, job: Job, route: Route, study: Whose) -> Learned:
        if self._record is None or self._source is None:
            return Learned()
        try:
            return self._record.of(SPECS[route.model], study)
        except DeliveryError as error:
            left = job.since + self._source.wait_s - self._clock()
            if left > 0:
                raise NotYetError(f"waits for the FHIR server: {error}", min(left, AGAIN_S)) from None
            log.warning("went on without the FHIR server: %s", error)
            return Learned(notes=("The FHIR server did not answer: nothing of the patient's record was used.",))


def _is_stated(field: Field, study: Whose) -> bool:
    """Whether the header says it, and is nearer to the images than the record: not where the two have to agree."""
    return field.header_tolerance is None and field.header is not None and getattr(study.patient, field.header, None) is not None


def _differs(field: Field, one: Any, other: Any) -> bool:  # noqa: ANN401  values of a field
    if field.header_tolerance is None:
        return False
    if isinstance(one, float) and isinstance(other, int | float):
        return abs(one - other) > field.header_tolerance
    return bool(one != other)

"""From a question to what is delivered: the answer, or a result that says why there is none, in the form that each destination takes."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain, repeat

import pydicom

from models.errors import StudyError
from service.errors import ServiceError
from service.formats.dicom import render_abstention
from service.formats.dicom.noted import noted
from service.formats.fhir import Address, addressed, render_fhir_abstention
from service.gateway.config import ARCHIVES, FhirDestination, GatewayConfig, Route
from service.gateway.gathering import Gathered
from service.gateway.headers import Whose, whose
from service.gateway.ledger import Made
from service.gateway.service import LaterError, Refused, Service
from service.gateway.spool import Spool


class Results:
    """Asks the service, and keeps what it answers for the destinations of a route."""

    def __init__(self, config: GatewayConfig, spool: Spool, service: Service) -> None:
        self._spool, self._service = spool, service
        self._destinations = {destination.name: destination for destination in config.destinations}

    def of(self, route: Route, gathered: Gathered) -> Iterator[Made]:
        """Each result, written. Raises LaterError as the service does, ValueError where there is nothing to say a refusal in."""
        answer = gathered.refused or self._service.evaluate(gathered.question, maps=self._wants_maps(route))
        report, *others = (self._refusal(route, gathered, answer),) if isinstance(answer, Refused) else answer
        report = noted(report, gathered.notes)
        kinds = chain(("report", "page"), repeat("map"))  # as the service answers; a refusal is a report alone
        for kind, data in zip(kinds, (report, *others), strict=False):
            for name in route.destinations:
                destination = self._destinations[name]
                if isinstance(destination, ARCHIVES) and kind in destination.sends:
                    yield Made(name, _sop_uid(data), self._spool.write([data]))
        refused = answer if isinstance(answer, Refused) else None
        yield from self._others(route, gathered, refused, _sop_uid(report))

    def _wants_maps(self, route: Route) -> bool:
        archives = [each for name in route.destinations if isinstance(each := self._destinations[name], ARCHIVES)]
        return any("map" in archive.sends for archive in archives)

    def _others(self, route: Route, gathered: Gathered, refused: Refused | None, uid: str) -> Iterator[Made]:
        """For those who take no DICOM, named as the report is."""
        study = whose(gathered.question.files[0])
        for name in route.destinations:
            destination = self._destinations[name]
            if isinstance(destination, FhirDestination):
                yield Made(name, uid, self._spool.write([self._bundle(destination, gathered, refused, study)]))
            elif not isinstance(destination, ARCHIVES):
                yield Made(name, uid, self._spool.write([self._json(gathered, refused, study, uid)]))

    def _bundle(self, destination: FhirDestination, gathered: Gathered, refused: Refused | None, study: Whose) -> bytes:
        asked = gathered.question
        bundle = refused or self._service.bundle(asked)
        if isinstance(bundle, Refused):
            served = self._service.served(asked.model)
            bundle = render_fhir_abstention(served, asked.files, study.study_uid, bundle.code, bundle.detail)
        systems = {"patient_system": destination.patient_system, "accession_system": destination.accession_system}
        address = Address(**systems, patient_id=study.patient_id, accession=study.accession, by=destination.patient_by)
        return addressed(bundle, address, gathered.notes)

    def _json(self, gathered: Gathered, refused: Refused | None, study: Whose, uid: str) -> bytes:
        answer = refused or self._service.answer(gathered.question)
        told = {"refused": vars(answer)} if isinstance(answer, Refused) else {"answer": json.loads(answer)}
        about = {"study_instance_uid": study.study_uid, "accession_number": study.accession, "notes": gathered.notes}
        return json.dumps({"model": gathered.question.model, "report_sop_instance_uid": uid, **about, **told}).encode()

    def _refusal(self, route: Route, gathered: Gathered, refused: Refused) -> bytes:
        files = gathered.question.files
        try:
            return render_abstention(self._service.served(route.model), files, refused.code, refused.detail, datetime.now(UTC))
        except LaterError:
            raise
        except (StudyError, ServiceError) as error:
            raise ValueError(f"refused ({refused.code}), and no header to say so in") from error


def _sop_uid(data: bytes) -> str:
    """Of an object that the service or this gateway made."""
    return str(pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True, specific_tags=["SOPInstanceUID"]).SOPInstanceUID)

"""Studies by QIDO-RS and WADO-RS (PS3.18 10.6 and 10.4): each instance goes to the disk as it comes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from service.errors import RequestError
from service.gateway.config import WebPeer
from service.gateway.errors import TransientError
from service.gateway.identity import is_uid
from service.gateway.intake import Intake, Sent
from service.gateway.storing import Storing, boundary_of
from service.gateway.studies import Found, Pulled, Wanted
from service.gateway.web import Asked, ask, refuse, streamed

ANY_SYNTAX = 'multipart/related; type="application/dicom"; transfer-syntax=*'
NO_CONTENT = 204
TIMEOUT_S = 60.0
MOST_INSTANCES = 100_000
STUDY_UID, PATIENT_ID, DATE, MODALITIES, INSTANCES = "0020000D", "00100020", "00080020", "00080061", "00201208"


@dataclass(frozen=True)
class WebSource:
    """A peer with DICOMweb; its instances are taken in as sent to `called`."""

    peer: WebPeer
    called: str
    intake: Intake

    def find(self, wanted: Wanted) -> list[Found]:
        """By a search for studies."""
        query = wanted.keys | {"includefield": ",".join((PATIENT_ID, DATE, MODALITIES, INSTANCES))}
        answer = ask(self.peer, Asked("GET", "/studies", {"Accept": "application/dicom+json"}, query), TIMEOUT_S)
        if answer.status == NO_CONTENT:
            return []
        if not answer.is_success:
            answer.refuse()
        try:
            return [_found(item) for item in json.loads(answer.content)]
        except (ValueError, RecursionError, TypeError, KeyError, AttributeError):
            raise TransientError("the answer to the search is no list of studies") from None

    def fetch(self, study: Found) -> Pulled:
        """All instances of a study, in whatever transfer syntax they are stored in."""
        asked = Asked("GET", f"/studies/{study.study_uid}", {"Accept": ANY_SYNTAX})
        sent = Sent(self.called, self.peer.ae_title, study.study_uid, study.instances)
        with streamed(self.peer, asked, TIMEOUT_S) as response:
            if not response.is_success:
                refuse(response)
            try:
                storing = Storing(self.intake, sent, boundary_of(response.headers.get("content-type", "")), MOST_INSTANCES)
                outcome = storing.run(response.iter_bytes())
            except RequestError as error:
                raise TransientError(f"the answer cannot be read: {error}") from None
        return Pulled(len(outcome.stored), len(outcome.failed))


def _found(item: Any) -> Found:  # noqa: ANN401  whatever JSON is there
    """One study in the DICOM JSON model (PS3.18 F.2). Raises where it is none."""
    values = {tag: item.get(tag, {}).get("Value") or [""] for tag in (STUDY_UID, PATIENT_ID, DATE, MODALITIES, INSTANCES)}
    study_uid = str(values[STUDY_UID][0])
    if not is_uid(study_uid):
        raise ValueError("no UID")
    modalities = tuple(str(each) for each in values[MODALITIES] if each)
    return Found(study_uid, str(values[PATIENT_ID][0]), str(values[DATE][0]), modalities, int(values[INSTANCES][0] or 0))

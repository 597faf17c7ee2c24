"""Studies by C-FIND, and C-MOVE to this gateway's own door or C-GET over one association (PS3.4 annex C)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pynetdicom import build_role, evt
from pynetdicom.presentation import PresentationContext, build_context

from service.gateway.associating import associated
from service.gateway.config import DicomPeer, Receive
from service.gateway.conformance import FIND, GET, MOVE, TRANSFER_SYNTAXES, read_classes
from service.gateway.errors import PermanentError, TransientError
from service.gateway.identity import is_uid
from service.gateway.intake import Intake, Sent
from service.gateway.receiver import kept
from service.gateway.studies import Found, Pulled, Wanted
from service.gateway.upper_layer import Bounds, InFlight, keep_quiet

PENDING, SOME_FAILED = frozenset({0xFF00, 0xFF01}), 0xB000
REASONS = {0xA801: "it does not know the title that it should send to", 0xA701: "out of resources", 0xA702: "out of resources"}
TIMEOUT_S = 60.0
MOVED_S = 3600.0  # a C-MOVE answers when it has sent, and some archives say nothing in between


@dataclass(frozen=True)
class DicomSource:
    """A peer with Query/Retrieve, Study Root."""

    peer: DicomPeer
    receive: Receive
    intake: Intake

    def find(self, wanted: Wanted) -> list[Found]:
        """By C-FIND at the level of studies."""
        keep_quiet()
        query = _identifier(PatientID="", StudyDate="", ModalitiesInStudy="", NumberOfStudyRelatedInstances="", StudyInstanceUID="")
        for keyword, value in wanted.keys.items():
            setattr(query, keyword, value)
        with associated(self.peer, [build_context(FIND)], TIMEOUT_S) as association:
            return [each for each in map(_found, _matches(association.send_c_find(query, FIND))) if is_uid(each.study_uid)]

    def fetch(self, study: Found) -> Pulled:
        """By C-MOVE, which needs a gateway that runs and that the peer knows; or by C-GET."""
        keep_quiet()
        return self._get(study) if self.peer.retrieve == "get" else self._move(study)

    def _move(self, study: Found) -> Pulled:
        title = self.peer.move_to or self.receive.ae_titles[0]
        with associated(self.peer, [build_context(MOVE)], MOVED_S) as association:
            return _counted(association.send_c_move(_identifier(StudyInstanceUID=study.study_uid), title, MOVE))

    def _get(self, study: Found) -> Pulled:
        classes = read_classes()
        contexts: list[PresentationContext] = [build_context(uid, list(TRANSFER_SYNTAXES)) for uid in classes]
        sent = Sent(self.receive.ae_titles[0], self.peer.ae_title, study.study_uid, study.instances)
        bounds = Bounds(self.receive.max_object_bytes, InFlight(self.receive.max_bytes_in_flight))
        handlers = [(evt.EVT_CONN_OPEN, bounds.at_opening), (evt.EVT_C_STORE, lambda event: kept(self.intake, sent, event))]
        roles = [build_role(uid, scp_role=True) for uid in classes]
        with associated(self.peer, [build_context(GET), *contexts], TIMEOUT_S, handlers, roles) as association:
            return _counted(association.send_c_get(_identifier(StudyInstanceUID=study.study_uid), GET))


def _identifier(**elements: str) -> Dataset:
    dataset = Dataset()
    dataset.QueryRetrieveLevel = "STUDY"
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def _matches(answers: Iterator[tuple[Dataset, Dataset | None]]) -> Iterator[Dataset]:
    for status, identifier in answers:
        if "Status" not in status:
            raise TransientError("no answer to the C-FIND, or the association was lost")
        if status.Status in PENDING and identifier is not None:
            yield identifier
        elif status.Status not in {0x0000, *PENDING}:
            raise PermanentError(f"the C-FIND failed, status 0x{status.Status:04X}")


def _found(match: Dataset) -> Found:
    text = {keyword: match.get(keyword) for keyword in ("StudyInstanceUID", "PatientID", "StudyDate", "NumberOfStudyRelatedInstances")}
    modalities = match.get("ModalitiesInStudy") or []
    many = [modalities] if isinstance(modalities, str) else [str(each) for each in modalities]
    uid, patient, date, count = ("" if value is None else str(value) for value in text.values())
    return Found(uid, patient, date, tuple(many), int(count) if count.isdecimal() else 0)


def _counted(answers: Iterator[tuple[Dataset, Dataset | None]]) -> Pulled:
    """The last answer says how it went."""
    for status, _ in answers:
        if "Status" not in status:
            raise TransientError("no answer to the retrieval, or the association was lost")
        if status.Status in PENDING:
            continue
        if status.Status not in {0x0000, SOME_FAILED}:
            raise PermanentError(f"the retrieval failed, status 0x{status.Status:04X}: {REASONS.get(status.Status, 'failure')}")
        stored = status.get("NumberOfCompletedSuboperations", 0) + status.get("NumberOfWarningSuboperations", 0)
        return Pulled(int(stored), int(status.get("NumberOfFailedSuboperations", 0)))
    raise TransientError("the retrieval did not end")

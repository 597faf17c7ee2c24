"""Results by C-STORE (PS3.4 annex B): one association for each, never used again, and the status is read."""

from __future__ import annotations

from io import BytesIO

from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.presentation import PresentationContext, build_context

from service.gateway.associating import associated
from service.gateway.config import DicomDestination
from service.gateway.documents import classes, of_class
from service.gateway.errors import PermanentError, TransientError
from service.gateway.statuses import judge
from service.telemetry import log

PLAIN = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)


def send(destination: DicomDestination, _: str, data: bytes, timeout_s: float) -> None:
    """Store an object there, as the SOP class and in the transfer syntax that it takes; return when it has said that it is stored."""
    try:
        result = dcmread(BytesIO(data))
    except InvalidDicomError:
        raise PermanentError("what lies in the spool is no DICOM file") from None
    offers = [(sop_class, syntax) for sop_class in classes(result) for syntax in _syntaxes(result)]
    with associated(destination, [build_context(*offer) for offer in offers], timeout_s) as association:
        sop_class, syntax = _first(offers, association.accepted_contexts)
        if sop_class != result.SOPClassUID:
            log.info("%s takes a report as %s", destination.name, sop_class.name)
        answer = association.send_c_store(_encoded(of_class(result, sop_class), syntax))
        if "Status" not in answer:
            raise TransientError(f"no answer to the C-STORE: it took longer than {timeout_s:g} s, or the association was lost")
    judge(answer.Status)


def _syntaxes(result: Dataset) -> tuple[UID, ...]:
    """Its own first; then, where it is not compressed, the other of the two that differ in nothing but how they are written (PS3.5 A.1)."""
    own = UID(result.file_meta.TransferSyntaxUID)
    return (own, *(each for each in PLAIN if own in PLAIN and each != own))


def _first(offers: list[tuple[UID, UID]], accepted: list[PresentationContext]) -> tuple[UID, UID]:
    taken = {(each.abstract_syntax, each.transfer_syntax[0]) for each in accepted}
    for offer in offers:
        if offer in taken:
            return offer
    raise TransientError("the presentation contexts that were accepted are none of those that were proposed")


def _encoded(result: Dataset, syntax: UID) -> Dataset:
    """In a transfer syntax; re-encoded here, as pynetdicom logs what it cannot encode."""
    if result.file_meta.TransferSyntaxUID == syntax:
        return result
    target = BytesIO()
    result.file_meta.TransferSyntaxUID = syntax
    dcmwrite(target, result, implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian, enforce_file_format=True)
    return dcmread(BytesIO(target.getvalue()))

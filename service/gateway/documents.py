"""The same document under an older SOP class, for archives that do not know the newer one, where its content is allowed there.

A UID names one object for ever (PS3.5 section 9), and an object of another class is another object. So the copy has a SOP Instance UID of
its own, a digest of the document's and of the class: sent again, it is stored once. It names the document that it repeats among its
Predecessor Documents (PS3.3 C.17.2.3, content "wholly or partially included in this document"), by which the two are found again.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy

from pydicom.dataset import Dataset
from pydicom.uid import UID, Comprehensive3DSRStorage, ComprehensiveSRStorage, EnhancedSRStorage

from service.formats.dicom.identity import uid

OLDER = {
    Comprehensive3DSRStorage: (ComprehensiveSRStorage, EnhancedSRStorage),
    ComprehensiveSRStorage: (EnhancedSRStorage,),
}
_SAID = {"TEXT", "CODE", "NUM", "DATETIME", "DATE", "TIME", "UIDREF", "PNAME"}
_SHOWN = {"SCOORD", "TCOORD", "COMPOSITE", "IMAGE", "WAVEFORM"}
_WHAT = {"TEXT", "CODE", "NUM"}
_Rows = dict[str, tuple[set[str], set[str]]]  # relationship -> values of its source, values of its target

ENHANCED: _Rows = {  # PS3.3 table A.35.2-2
    "CONTAINS": ({"CONTAINER"}, _SAID | _SHOWN | {"CONTAINER"}),
    "HAS OBS CONTEXT": ({"CONTAINER"}, _SAID | {"COMPOSITE"}),
    "HAS ACQ CONTEXT": ({"CONTAINER", "IMAGE", "WAVEFORM", "COMPOSITE"}, _SAID),
    "HAS CONCEPT MOD": (_SAID | _SHOWN | {"CONTAINER"}, {"TEXT", "CODE"}),
    "HAS PROPERTIES": (_WHAT, _SAID | _SHOWN),
    "INFERRED FROM": (_WHAT, _SAID | _SHOWN),
    "SELECTED FROM": ({"SCOORD", "TCOORD"}, {"IMAGE", "SCOORD", "WAVEFORM"}),
}
COMPREHENSIVE: _Rows = ENHANCED | {  # PS3.3 table A.35.3-2
    "HAS OBS CONTEXT": ({"CONTAINER"} | _WHAT, _SAID | {"COMPOSITE"}),
    "HAS ACQ CONTEXT": ({"CONTAINER", "IMAGE", "WAVEFORM", "COMPOSITE"}, _SAID | {"CONTAINER"}),
    "HAS PROPERTIES": (_WHAT, _SAID | _SHOWN | {"CONTAINER"}),
    "INFERRED FROM": (_WHAT, _SAID | _SHOWN | {"CONTAINER"}),
}
ALLOWED = {ComprehensiveSRStorage: COMPREHENSIVE, EnhancedSRStorage: ENHANCED}


def classes(document: Dataset) -> tuple[UID, ...]:
    """SOP classes that an object may be sent as, its own first."""
    own = UID(document.SOPClassUID)
    return (own, *(each for each in OLDER.get(own, ()) if _fits(document, ALLOWED[each])))


def of_class(document: Dataset, sop_class: UID) -> Dataset:
    """The object itself where that is its class, a copy of that class otherwise."""
    if document.SOPClassUID == sop_class:
        return document
    copy = deepcopy(document)
    copy.PredecessorDocumentsSequence = [*document.get("PredecessorDocumentsSequence", []), _reference(document)]
    copy.SOPClassUID = copy.file_meta.MediaStorageSOPClassUID = sop_class
    copy.SOPInstanceUID = copy.file_meta.MediaStorageSOPInstanceUID = UID(uid("instance", "as", sop_class, document.SOPInstanceUID))
    return copy


def _fits(document: Dataset, rows: _Rows) -> bool:
    """Whether every content item may stand where it stands; a reference to another item (by-reference) is in none of the rows."""
    return all(_may(rows, *each) for each in _relations(document))


def _may(rows: _Rows, source: str, relation: str, target: str) -> bool:
    sources, targets = rows.get(relation, (set(), set()))
    return source in sources and target in targets and (source, target) != ("SCOORD", "SCOORD")


def _relations(item: Dataset) -> Iterator[tuple[str, str, str]]:
    for child in item.get("ContentSequence", []):
        yield item.ValueType, child.RelationshipType, child.get("ValueType", "")
        yield from _relations(child)


def _reference(document: Dataset) -> Dataset:
    """Hierarchical SOP Instance Reference (PS3.3 C.17.2.1)."""
    instance, series, study = Dataset(), Dataset(), Dataset()
    instance.ReferencedSOPClassUID, instance.ReferencedSOPInstanceUID = document.SOPClassUID, document.SOPInstanceUID
    series.SeriesInstanceUID, series.ReferencedSOPSequence = document.SeriesInstanceUID, [instance]
    study.StudyInstanceUID, study.ReferencedSeriesSequence = document.StudyInstanceUID, [series]
    return study

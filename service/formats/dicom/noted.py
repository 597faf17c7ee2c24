"""A report with something added that whoever made it did not know: another object, for a UID names one content for ever (PS3.5 9)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BytesIO

from highdicom import sr
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import UID

from service.formats import terms
from service.formats.dicom.groups import coded
from service.formats.dicom.identity import uid

MEASUREMENT_GROUP = "125007"  # DCM, the root of TID 1501, which leaves room for comments (it is extensible)


def noted(report: bytes, notes: Sequence[str]) -> bytes:
    """The report with comments in its first group, and a SOP Instance UID that follows from it and from them; itself without any."""
    if not notes:
        return report
    document = dcmread(BytesIO(report))
    group = next(_groups(document))
    for note in notes:
        group.ContentSequence.append(sr.TextContentItem(coded(terms.COMMENT), note, sr.RelationshipTypeValues.CONTAINS))
    document.SOPInstanceUID = UID(uid("instance", "noted", document.SOPInstanceUID, *notes))
    document.file_meta.MediaStorageSOPInstanceUID = document.SOPInstanceUID
    target = BytesIO()
    document.save_as(target, enforce_file_format=True)
    return target.getvalue()


def _groups(item: Dataset) -> Iterator[Dataset]:
    for child in item.get("ContentSequence", []):
        concept = child.get("ConceptNameCodeSequence")
        if concept and concept[0].CodeValue == MEASUREMENT_GROUP:
            yield child
        yield from _groups(child)

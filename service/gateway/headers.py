"""What routing rules can look at: an instance's header as text, read with the bounded reader that decoding uses."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydicom.datadict import dictionary_VR, keyword_dict

from models.decode import Limits, Patient
from models.decode.part10 import open_dataset
from models.decode.patient import patient_of
from models.errors import StudyError

ROUTED = (
    "SOPClassUID", "Modality", "BodyPartExamined", "ViewPosition", "ImageLaterality", "Laterality", "StudyDescription", "SeriesDescription",
    "ProtocolName", "ImageType", "PresentationIntentType", "Manufacturer", "ManufacturerModelName", "StationName", "InstitutionName",
    "PatientSex", "AccessionNumber", "StudyInstanceUID", "SeriesInstanceUID",
)  # fmt: skip


def keywords_of(data: bytes) -> dict[str, str]:
    """DICOM keyword -> text as it stands; nothing where the header cannot be read."""
    try:
        _, dataset = open_dataset(data, Limits())
    except StudyError:
        return {}
    raws = {keyword: dataset.raw(keyword_dict[keyword]) for keyword in ROUTED if dictionary_VR(keyword) != "SQ"}
    return {keyword: raw.decode("utf-8", "replace") for keyword, raw in raws.items() if raw}


@dataclass(frozen=True)
class Whose:
    """The names of a study and what its header says of the patient; never logged, never in a rule."""

    patient_id: str = ""
    accession: str = ""
    study_uid: str = ""
    study_date: str = ""  # DA
    patient: Patient = field(default_factory=Patient)


def whose(data: bytes) -> Whose:
    """Read an instance; nothing where its header cannot be read."""
    try:
        _, dataset = open_dataset(data, Limits(), pixels=False)
    except StudyError:
        return Whose()
    names = ("PatientID", "AccessionNumber", "StudyInstanceUID", "StudyDate")
    patient_id, accession, study_uid, study_date = (dataset.raw(keyword_dict[name]).decode("utf-8", "replace") for name in names)
    return Whose(patient_id, accession, study_uid, study_date, patient_of(dataset))

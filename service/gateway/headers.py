"""What routing rules can look at: an instance's header as text, read with the bounded reader that decoding uses."""

from __future__ import annotations

from pydicom.datadict import dictionary_VR, keyword_dict

from models.decode import Limits
from models.decode.part10 import open_dataset
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

"""What a result repeats of the files it was made from: the patient, the study, and which instances they are.

Nothing of this is in a Prediction, so that no rendering, log or metric can leak it. It is read again here, from the bytes, with the
bounded reader that decoding uses; text is decoded from its own character set and written in UTF-8 (ISO_IR 192, PS3.3 C.12.1.1.2).
Values that a library would warn about, with the value in its message, are carried as they stand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydicom.charset import convert_encodings, decode_bytes, python_encoding
from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.valuerep import PN_DELIMS, TEXT_VR_DELIMS

from models.decode import Limits
from models.decode.dataset import DECIMAL, DataSet
from models.decode.part10 import is_dicom, open_dataset
from models.decode.tags import Tag
from models.prediction import Reading
from models.study import Study
from service.errors import NotAcceptableError

# PS3.3 C.7.1.1, C.7.2.1 and C.7.2.2, without sequences; the first ones are type 2: present even where nobody knows them.
REQUIRED = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex",
    "StudyDate", "StudyTime", "ReferringPhysicianName", "StudyID", "AccessionNumber",
)  # fmt: skip
OPTIONAL = ("IssuerOfPatientID", "StudyDescription", "PatientAge", "PatientSize", "PatientWeight", "TimezoneOffsetFromUTC")
UID = re.compile(r"[0-9]+(\.[0-9]+)*\Z", re.ASCII)  # PS3.5 section 9.1, with the leading zeros that real ones have
CHARACTERS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})  # PS3.5 6.1.2.3: what the Specific Character Set is about
NO_HEADER = "Send the image as a DICOM file: a result in DICOM belongs to a patient and a study, which only its header names."


@dataclass(frozen=True)
class Instance:
    """One file that the answer was made from."""

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    modality: str

    def evidence(self) -> Dataset:
        """What highdicom asks of an instance that a document refers to; the patient is filled in afterwards, by `Source.fill`."""
        dataset = Dataset()
        dataset.SOPClassUID, dataset.SOPInstanceUID = self.sop_class_uid, self.sop_instance_uid
        dataset.SeriesInstanceUID, dataset.StudyInstanceUID = self.series_instance_uid, self.study_instance_uid
        dataset.Modality = self.modality
        for keyword in REQUIRED:
            setattr(dataset, keyword, "")
        return dataset


@dataclass(frozen=True)
class Source:
    """The files that an answer was made from, by image input, and the patient and study of the first of them."""

    instances: dict[str, tuple[Instance, ...]]
    headers: dict[str, DataSet]  # of the first file of each input
    elements: tuple[DataElement, ...]
    timezone: str  # "+0100", or empty where the file does not say

    @property
    def all(self) -> tuple[Instance, ...]:
        """Every instance; those of the study that the result belongs to come first."""
        everything = [each for some in self.instances.values() for each in some]
        study = everything[0].study_instance_uid
        return tuple(sorted(everything, key=lambda each: each.study_instance_uid != study))

    def fill(self, result: Dataset) -> None:
        """Write patient and study into a result, and the character set that they are then written in."""
        for element in self.elements:
            result.add(element)
        result.SpecificCharacterSet = "ISO_IR 192"


def source_of(study: Study, reading: Reading, limits: Limits) -> Source:
    """Find the files that were read, by their SOP Instance UIDs.

    Raises
    ------
    NotAcceptableError
        None of them is a DICOM file that names its study: there is nothing for a DICOM result to belong to.
    """
    wanted = {uid: image.input for image in reading.images for uid in image.instance_uids if uid}
    found: dict[str, list[DataSet]] = {image.input: [] for image in reading.images}
    for part in study.parts:
        data = part.data
        dataset = open_dataset(data, limits)[1] if is_dicom(data) else None
        name = wanted.get(dataset.text(Tag.SOP_INSTANCE_UID)) if dataset else None
        if dataset is not None and name is not None:
            found[name].append(dataset)
    return _source({name: some for name, some in found.items() if some})


def source_of_files(files: Sequence[bytes], limits: Limits) -> Source:
    """The same of files that were not read, for a result that says so. Raises NotAcceptableError as `source_of` does."""
    return _source({"": [open_dataset(data, limits)[1] for data in files]})


def is_uid(text: str) -> bool:
    """Whether it can be written as a UID."""
    return len(text) <= 64 and UID.match(text) is not None


def _source(found: dict[str, list[DataSet]]) -> Source:
    first = next((dataset for some in found.values() for dataset in some), None)
    if first is None:
        raise NotAcceptableError("the images have no header that a result in DICOM could belong to", hint=NO_HEADER)
    instances = {name: tuple(dict.fromkeys(map(_instance, some))) for name, some in found.items()}
    headers = {name: some[0] for name, some in found.items()}
    return Source(instances, headers, tuple(_elements(first)), _timezone(first))


def _instance(dataset: DataSet) -> Instance:
    uids = [
        dataset.text(tag) for tag in (Tag.SOP_CLASS_UID, Tag.SOP_INSTANCE_UID, Tag.SERIES_INSTANCE_UID, Tag.STUDY_INSTANCE_UID)
    ]  # fmt: skip
    if not all(map(is_uid, uids)):
        raise NotAcceptableError("a file does not name its study, series and instance", hint=NO_HEADER)
    return Instance(uids[0], uids[1], uids[2], uids[3], dataset.text(Tag.MODALITY))


def _elements(dataset: DataSet) -> Iterator[DataElement]:
    encodings = _encodings(dataset)
    for keyword in (*REQUIRED, *OPTIONAL):
        element = carried(dataset, keyword, encodings)
        if element.value or keyword in REQUIRED:
            yield element


def carried(dataset: DataSet, keyword: str, encodings: Sequence[str] = ()) -> DataElement:
    """An attribute of a file as it stands, without a look at its values; empty where it is absent, or text where a number has to be."""
    tag, vr = tag_for_keyword(keyword) or 0, dictionary_VR(keyword)
    text = _text(dataset.raw(tag), vr, encodings)
    if vr == "DS" and not all(DECIMAL.match(part.strip()) for part in text.split("\\")):
        text = ""
    return DataElement(tag, vr, text, validation_mode=IGNORE)


def _text(raw: bytes, vr: str, encodings: Sequence[str]) -> str:
    if vr not in CHARACTERS:
        return raw.decode("ascii", "replace")
    return decode_bytes(raw, encodings, PN_DELIMS if vr == "PN" else TEXT_VR_DELIMS)


def _encodings(dataset: DataSet) -> list[str]:
    """Python's names of the Specific Character Set; Latin-1, which every byte can be read as, where a term is not known."""
    terms = dataset.strings(Tag.SPECIFIC_CHARACTER_SET) or ("",)
    return list(convert_encodings(list(terms))) if all(term in python_encoding for term in terms) else ["iso8859"]


def _timezone(dataset: DataSet) -> str:
    stated = dataset.text(Tag.TIMEZONE_OFFSET_FROM_UTC)
    return stated if re.fullmatch(r"[+-](0\d|1[0-4])[0-5]\d", stated, re.ASCII) else ""

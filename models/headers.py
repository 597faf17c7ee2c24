"""The headers of the files that may be one image input. A file that cannot be read costs only itself, where there are others."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from models.decode import Header, Limits, read_header
from models.decode.nifti import is_nifti
from models.errors import Detail, MetadataConflictError, StudyError
from models.spec import ImageInput

NIFTI = Header("nifti", 0, 0)  # says nothing of a patient; its sizes are checked when the volume is read


@dataclass(frozen=True)
class Rejected:
    """Files that are not read, by their index among those that came, and why, in plain words."""

    files: tuple[int, ...]
    reason: str


def read_headers(image: ImageInput, files: Sequence[bytes], limits: Limits) -> tuple[Header | StudyError, ...]:
    """What each file says of itself, or why it cannot be read; StudyError where that holds for every one."""
    headers = tuple(_header(image, data, limits) for data in files)
    errors = [header for header in headers if isinstance(header, StudyError)]
    if len(errors) == len(headers):
        details = tuple(Detail(f"/images/{image.name}/{index}", str(error)) for index, error in enumerate(errors))
        raise type(errors[0])(str(errors[0]), hint=errors[0].hint, details=details if len(details) > 1 else errors[0].details)
    return headers


def check_one_patient(headers: Sequence[Header], years: float = 1.0) -> None:
    """MetadataConflictError where headers name more than one patient, another sex, or ages more than some years apart."""
    if len({header.patient_digest for header in headers} - {""}) > 1:
        raise MetadataConflictError("The images belong to more than one patient.")
    ages = [header.patient.age_years for header in headers if header.patient.age_years is not None]
    if len({header.patient.sex for header in headers} - {None}) > 1 or (ages and max(ages) - min(ages) > years):
        raise MetadataConflictError("The headers of the images contradict each other in sex or age.")


def check_one_study(headers: Sequence[Header]) -> None:
    """MetadataConflictError where headers name more than one study."""
    if len({header.study_instance_uid for header in headers} - {""}) > 1:
        raise MetadataConflictError("The images belong to more than one study.")


def name_of(header: Header) -> str:
    """What kind of file it is, as people write it."""
    return {"dicom": "DICOM file", "nifti": "NIfTI file"}.get(header.format, header.format.upper())


def digest_of(digests: Sequence[str]) -> str:
    """The SHA-256 of one file, or that of the digests of several, in their order."""
    return digests[0] if len(digests) == 1 else hashlib.sha256(b"".join(map(bytes.fromhex, digests))).hexdigest()


def _header(image: ImageInput, data: bytes, limits: Limits) -> Header | StudyError:
    try:
        return NIFTI if image.plane and is_nifti(data) else read_header(data, limits)
    except StudyError as error:
        return error

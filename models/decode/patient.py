"""What a DICOM header says of the patient and of what was examined. Names, and text in any character set, are never read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING

from models.decode.image import Patient, Side
from models.decode.tags import Tag

if TYPE_CHECKING:
    from models.decode.dataset import DataSet

AGE = re.compile(r"(\d{1,3})([DWMY])\Z", re.ASCII)  # AS, PS3.5 table 6.2-1
UNITS_PER_YEAR = {"D": 365.25, "W": 365.25 / 7, "M": 12.0, "Y": 1.0}
OLDEST_YEARS = 130.0  # nobody has reached it; 999Y is how some systems write "unknown"

# PS3.16 CID 4031 in SNOMED CT, the codes it had before 2020, and the SRT codes before those -> Body Part Examined (PS3.16 annex L).
BODY_PARTS = {
    "24136001": "HIP", "29836001": "HIP", "T-15710": "HIP", "T-D2500": "HIP",
    "816092008": "PELVIS", "12921003": "PELVIS", "T-D6000": "PELVIS",
    "816094009": "CHEST", "51185008": "CHEST", "T-D3000": "CHEST",
    "76752008": "BREAST", "T-04000": "BREAST",
    "69536005": "HEAD", "T-D1100": "HEAD",
}  # fmt: skip
# PS3.16 CID 4010 in SNOMED CT and SRT -> View Position (PS3.3 C.8.7.1.1.6).
VIEWS = {"399348003": "AP", "R-10206": "AP", "272479007": "PA", "R-10214": "PA"}
OTHER = "OTHER"  # stated, and none of those above: no reason to treat it as not stated
SNOMED_DESIGNATORS = frozenset({"SCT", "SRT", "SNM3", "99SDM"})  # PS3.16 section 8.1 and its retired names


def patient_of(dataset: DataSet) -> Patient:
    """Sex, age, height and weight (PS3.3 C.7.1.1 and C.7.2.2); None for whatever is absent or cannot be true."""
    size, weight = dataset.decimal(Tag.PATIENT_SIZE), dataset.decimal(Tag.PATIENT_WEIGHT)
    sex, stated = dataset.text(Tag.PATIENT_SEX), _stated_age(dataset.text(Tag.PATIENT_AGE))
    return Patient(
        sex="male" if sex == "M" else "female" if sex == "F" else None,
        age_years=_age_from_dates(dataset) if stated is None else stated,
        height_cm=round(size * 100, 3) if size and size > 0 else None,  # rounded: 1.62 m is 162 cm, not 162.00000000000003
        weight_kg=weight if weight and weight > 0 else None,
    )


def patient_digest_of(dataset: DataSet) -> str:
    """Tells two patients apart without holding who they are; empty without a Patient ID."""
    patient_id = dataset.raw(Tag.PATIENT_ID)
    issuer = dataset.raw(Tag.ISSUER_OF_PATIENT_ID)
    return hashlib.sha256(patient_id + b"\0" + issuer).hexdigest() if patient_id else ""


def laterality_of(dataset: DataSet) -> Side | None:
    """Image Laterality of this image, else Laterality of its series; None for unpaired, both, or nothing."""
    letter = _laterality(dataset)
    return "left" if letter == "L" else "right" if letter == "R" else None


def shows_both_sides(dataset: DataSet) -> bool:
    """Whether the laterality is B (PS3.3 C.8.11.1.1.2)."""
    return _laterality(dataset) == "B"


def view_of(dataset: DataSet) -> str:
    """View Position, else what the View Code Sequence says; a view that is coded but not known here is OTHER, not absent."""
    stated = dataset.text(Tag.VIEW_POSITION).upper()
    return stated or _coded(dataset, Tag.VIEW_CODE_SEQUENCE, VIEWS)


def body_part_of(dataset: DataSet) -> str:
    """Body Part Examined, else what the Anatomic Region Sequence says; OTHER for a region that is not known here."""
    stated = dataset.text(Tag.BODY_PART_EXAMINED).upper()
    return stated or _coded(dataset, Tag.ANATOMIC_REGION_SEQUENCE, BODY_PARTS)


def _laterality(dataset: DataSet) -> str:
    return dataset.text(Tag.IMAGE_LATERALITY) or dataset.text(Tag.LATERALITY)


def _coded(dataset: DataSet, sequence: Tag, known: Mapping[str, str]) -> str:
    """What the one item of a code sequence means; OTHER for any other content, empty where there is none."""
    items = dataset.items(sequence)
    if not items:
        return ""
    value, scheme = items[0].text(Tag.CODE_VALUE), items[0].text(Tag.CODING_SCHEME_DESIGNATOR)
    return known.get(value, OTHER) if len(items) == 1 and scheme in SNOMED_DESIGNATORS else OTHER


def _stated_age(text: str) -> float | None:
    match = AGE.match(text)
    return _plausible(int(match[1]) / UNITS_PER_YEAR[match[2]]) if match else None


def _age_from_dates(dataset: DataSet) -> float | None:
    born = _day(dataset.text(Tag.PATIENT_BIRTH_DATE))
    seen = _day(dataset.text(Tag.STUDY_DATE)) or _day(dataset.text(Tag.ACQUISITION_DATE))
    return _plausible(round((seen - born).days / 365.25, 2)) if born and seen else None


def _plausible(years: float) -> float | None:
    return years if 0 <= years <= OLDEST_YEARS else None


def _day(text: str) -> date | None:
    """DA, PS3.5 table 6.2-1: YYYYMMDD."""
    if not re.fullmatch(r"\d{8}", text, re.ASCII):
        return None
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return None

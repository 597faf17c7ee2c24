"""What the tables of a cohort of phantoms say: rows in the columns of ADNI's own downloads.

Codes are ADNI's: PTGENDER 1 male, 2 female; diagnoses 1 normal, 2 MCI, 3 dementia, in the column that the phase of the study used; -4
where nothing was entered.
"""

from __future__ import annotations

import datetime

from training.phantoms.alzheimer.patient import Phantom, stream
from training.phantoms.alzheimer.person import CLASSES

Record = dict[str, str | float | int]

PHASES = ("ADNI1", "ADNIGO", "ADNI2", "ADNI3")
DEMOGRAPHY, DIAGNOSES, COGNITION, IMAGES = "PTDEMOG.csv", "DXSUM_PDXCONV_ADNIALL.csv", "ADSP_PHC_COGN.csv", "images.csv"
COLUMNS: dict[str, tuple[str, ...]] = {
    DEMOGRAPHY: ("Phase", "ID", "RID", "SITEID", "VISCODE", "VISCODE2", "USERDATE", "PTGENDER", "PTDOBMM", "PTDOBYY", "PTHAND", "PTEDUCAT"),
    DIAGNOSES: ("Phase", "ID", "RID", "PTID", "SITEID", "VISCODE", "VISCODE2", "EXAMDATE", "DXCHANGE", "DXCURREN", "DIAGNOSIS"),
    COGNITION: ("RID", "SUBJECT_KEY", "PHASE", "VISCODE", "VISCODE2", "EXAMDATE", "AGE", "DX", "PHC_MEM", "PHC_EXF", "PHC_LAN", "PHC_VSP"),
    IMAGES: (
        "Image Data ID", "Subject", "Group", "Sex", "Age", "Visit", "Modality", "Description", "Type", "Acq Date", "Format", "Downloaded",
    ),
}  # fmt: skip
GROUPS = {"cn": "CN", "mci": "MCI", "ad": "AD"}
DESCRIPTIONS = {"mri": "Synthetic T1 phantom", "pet": "Synthetic FDG phantom"}
MODALITIES = {"mri": "MRI", "pet": "PET"}
CHANGE = {"cn": "1", "mci": "2", "ad": "3"}  # of DXCHANGE: stable; 4 to 9 are conversions and reversions
FIRST_DAY = datetime.date(2012, 1, 1)


def day_of(phantom: Phantom, what: str = "visit") -> datetime.date:
    """When somebody was seen; both scans follow within weeks."""
    rng = stream(phantom.seed, phantom.index, 7)
    visit = FIRST_DAY + datetime.timedelta(days=int(rng.integers(0, 2500)))
    return visit + datetime.timedelta(days={"visit": 0, "mri": int(rng.integers(0, 40)), "pet": int(rng.integers(0, 60))}[what])


def image_id(phantom: Phantom, name: str) -> str:
    """As the Image and Data Archive numbers its images."""
    return f"I{1_000_000 * (9 + phantom.seed % 100) + 2 * phantom.index + (name == 'pet')}"


def records(phantom: Phantom, formats: dict[str, str]) -> dict[str, list[Record]]:
    """The lines of every table about one phantom; `formats` are those of its images, NiFTI or DCM."""
    who, known, rid = phantom.person, phantom.fields, phantom.index + 1
    phase, visit = PHASES[phantom.index % len(PHASES)], day_of(phantom)
    common: Record = {"RID": rid, "VISCODE": "bl", "VISCODE2": "bl"}
    shared: Record = {**common, "Phase": phase, "ID": rid, "SITEID": phantom.patient_id[:3]}
    demography: Record = {
        **shared, "USERDATE": visit.isoformat(), "PTGENDER": 1 if who.sex == "male" else 2, "PTDOBMM": 1,
        "PTDOBYY": visit.year - int(who.age_years), "PTHAND": 1, "PTEDUCAT": int(float(known.get("education_years", -4))),
    }  # fmt: skip
    diagnosis: Record = {**shared, "PTID": phantom.patient_id, "EXAMDATE": visit.isoformat(), **_coded(phase, who.diagnosis)}
    scores: Record = {f"PHC_{name.upper()}": known.get(f"phc_{name}", "") for name in ("mem", "exf", "lan", "vsp")}
    cognition: Record = {
        **common, "PHASE": phase, "SUBJECT_KEY": f"ADNI_{phantom.patient_id}", "EXAMDATE": visit.isoformat(), "AGE": who.age_years,
        "DX": CLASSES.index(who.diagnosis) + 1, **scores,
    }  # fmt: skip
    images = [_image(phantom, name, formats[name]) for name in ("mri", "pet")]
    return {DEMOGRAPHY: [demography], DIAGNOSES: [diagnosis], COGNITION: [cognition], IMAGES: images}


def _coded(phase: str, diagnosis: str) -> Record:
    """The diagnosis in the column that its phase used."""
    step = str(CLASSES.index(diagnosis) + 1)
    if phase == "ADNI1":
        return {"DXCURREN": step}
    return {"DIAGNOSIS": step} if phase == "ADNI3" else {"DXCHANGE": CHANGE[diagnosis]}


def _image(phantom: Phantom, name: str, form: str) -> Record:
    who, day = phantom.person, day_of(phantom, name)
    return {
        "Image Data ID": image_id(phantom, name), "Subject": phantom.patient_id, "Group": GROUPS[who.diagnosis],
        "Sex": "M" if who.sex == "male" else "F", "Age": who.age_years, "Visit": "bl", "Modality": MODALITIES[name],
        "Description": DESCRIPTIONS[name], "Type": "Original", "Acq Date": f"{day.month}/{day.day:02d}/{day.year}", "Format": form,
        "Downloaded": f"{day.month}/{day.day:02d}/{day.year}",
    }  # fmt: skip

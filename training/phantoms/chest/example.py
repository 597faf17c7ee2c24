"""The example study of the repository: one made chest as a DICOM, as a PNG, and the metadata that its header states."""

from __future__ import annotations

import itertools
import json
import uuid
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ComputedRadiographyImageStorage, ExplicitVRLittleEndian

from training.phantoms.chest.anatomy import Floats
from training.phantoms.chest.film import film
from training.phantoms.chest.patient import Patient, draw

SIDE, PNG_SIDE = 512, 384
NAMESPACE = uuid.UUID("5b2f7f0e-6d0a-5c3b-9c55-1f6f0f5f7a11")  # of all UIDs of these phantoms; any fixed value will do


def write_example(folder: Path, seed: int) -> None:
    """Write image.dcm, image.png and metadata.json."""
    folder.mkdir(parents=True, exist_ok=True)
    patient = _suitable(seed)
    picture = film(patient, SIDE)[0]
    (folder / "image.dcm").write_bytes(encode(patient, picture))
    small = PillowImage.fromarray((255 * picture).round().astype(np.uint8)).resize((PNG_SIDE, PNG_SIDE), PillowImage.Resampling.LANCZOS)
    small.save(folder / "image.png", optimize=True)
    stated = {"age_years": float(patient.age_years), "sex": "female" if patient.female else "male"}
    (folder / "metadata.json").write_text(json.dumps(stated, indent=2) + "\n")


def encode(patient: Patient, picture: Floats) -> bytes:
    """A film in [0, 1] as Computed Radiography (PS3.3 A.2), 12 bits, already for presentation."""
    dataset = Dataset()
    dataset.SOPClassUID, dataset.Modality = ComputedRadiographyImageStorage, "CR"
    for role in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(dataset, role, f"2.25.{uuid.uuid5(NAMESPACE, f'{patient.seed}/{patient.index}/{role}').int}")
    dataset.PatientName = dataset.PatientID = f"PHANTOM{patient.index:06d}"
    dataset.PatientSex, dataset.PatientAge = "F" if patient.female else "M", f"{patient.age_years:03d}Y"
    dataset.PatientBirthDate = dataset.StudyTime = dataset.AccessionNumber = dataset.ReferringPhysicianName = ""
    dataset.StudyDate, dataset.StudyID, dataset.SeriesNumber, dataset.InstanceNumber = "20240101", "1", 1, 1
    dataset.StudyDescription = "Synthetic chest radiograph with planted findings"
    dataset.BodyPartExamined, dataset.ViewPosition = "CHEST", "AP" if patient.build.ap else "PA"
    dataset.PatientOrientation, dataset.ImageType, dataset.BurnedInAnnotation = ["L", "F"], ["DERIVED", "PRIMARY"], "NO"
    dataset.SamplesPerPixel, dataset.PixelRepresentation, dataset.PhotometricInterpretation = 1, 0, "MONOCHROME1"
    dataset.Rows, dataset.Columns = picture.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.WindowCenter, dataset.WindowWidth = "2048", "4096"
    dataset.PixelData = (4095 - np.round(picture * 4095)).astype("<u2").tobytes()
    dataset["PixelData"].VR = "OW"
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(f"2.25.{uuid.uuid5(NAMESPACE, 'implementation').int}")
    dataset.file_meta = meta
    out = BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


def _suitable(seed: int) -> Patient:
    """The first patient of the seed with a plain effusion and few other findings."""
    for index in itertools.count():
        patient = draw(seed, index)
        if patient.planted.get("pleural_effusion", 0) > 0.6 and "cardiomegaly" in patient.planted and len(patient.planted) < 4:
            return patient
    raise AssertionError  # the count has no end: this is never reached

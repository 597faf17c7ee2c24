"""Small studies made on the spot: a hip that is plainly left-right and up-down asymmetric, as DICOM and as PNG."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

METADATA = {
    "age_at_xray_years": 71.0, "height_cm": 162.0, "weight_kg": 61.0, "sex": "female", "smoking_status": "never", "laterality": "left",
}
CANARY = "ZZCANARY^PATIENT"
CANARY_ID = "CANARY-4711"


def pixels(size: int = 256) -> np.ndarray:
    """(size, size) uint16, 12 bit: a bright shaft on the left, a bright head above, noise with a fixed seed."""
    rows, columns = np.mgrid[0:size, 0:size] / size
    shaft = np.exp(-(((columns - 0.35) / 0.08) ** 2)) * (rows > 0.3)
    head = np.exp(-(((rows - 0.25) / 0.12) ** 2 + ((columns - 0.55) / 0.12) ** 2))
    noise = np.random.default_rng(0).normal(0, 0.01, rows.shape)
    return (4095 * (0.1 + 0.7 * np.maximum(shaft, head) + noise).clip(0, 1)).astype(np.uint16)


def hip_png(size: int = 256) -> bytes:
    """The hip as a 16-bit PNG."""
    target = io.BytesIO()
    Image.fromarray(pixels(size) * 16).save(target, "PNG")
    return target.getvalue()


def hip_dicom(**changed: Any) -> bytes:
    """The hip as a DX For Presentation instance; keywords change or, with None, remove elements."""
    stored = pixels()
    dataset = Dataset()
    elements = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.1.1", "SOPInstanceUID": generate_uid(), "StudyInstanceUID": generate_uid(),
        "SeriesInstanceUID": generate_uid(), "Modality": "DX", "PresentationIntentType": "FOR PRESENTATION",
        "ImageType": ["DERIVED", "PRIMARY"],
        "BodyPartExamined": "HIP", "ViewPosition": "AP", "ImageLaterality": "L", "PatientName": CANARY, "PatientID": CANARY_ID,
        "PatientSex": "F", "PatientAge": "071Y", "StudyDate": "20240102", "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2",
        "Rows": stored.shape[0], "Columns": stored.shape[1], "BitsAllocated": 16, "BitsStored": 12, "HighBit": 11, "PixelRepresentation": 0,
        "PresentationLUTShape": "IDENTITY", "PixelData": stored.tobytes(),
    }
    for keyword, value in (elements | changed).items():
        if value is not None:
            setattr(dataset, keyword, value)
    if "PixelData" in dataset:
        dataset["PixelData"].VR = "OW"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    target = io.BytesIO()
    dataset.save_as(target, enforce_file_format=True)
    return target.getvalue()

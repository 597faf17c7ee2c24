"""A crop and its mask as CBIS-DDSM stores them: Secondary Capture objects of modality MG (PS3.3 A.8), 16 and 8 bits."""

from __future__ import annotations

import uuid
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from training.phantoms.breast.lesion import Lesion
from training.phantoms.breast.tissue import Floats

NAMESPACE = uuid.UUID("0c1de2b4-3f57-5b0e-8d5c-9a7e61f4d2a8")  # of all UIDs of these phantoms; any fixed value will do


def crop(lesion: Lesion, picture: Floats) -> bytes:
    """A picture in [0, 1] as 16 bits."""
    return _encoded(lesion, np.round(picture * 65535).astype("<u2"), "cropped images")


def mask(lesion: Lesion, covered: NDArray[np.bool_]) -> bytes:
    """0 and 255."""
    return _encoded(lesion, covered.astype(np.uint8) * np.uint8(255), "ROI mask images")


def _encoded(lesion: Lesion, pixels: NDArray[np.unsignedinteger], description: str) -> bytes:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.Modality = SecondaryCaptureImageStorage, "MG"
    dataset.SOPInstanceUID, dataset.StudyInstanceUID = _uid(lesion, description), _uid(lesion, "study")
    dataset.SeriesInstanceUID = _uid(lesion, f"series {description}")
    dataset.PatientName = dataset.PatientID = lesion.patient_id
    dataset.PatientBirthDate = dataset.PatientSex = dataset.StudyDate = dataset.StudyTime = dataset.AccessionNumber = ""
    dataset.ReferringPhysicianName, dataset.StudyID, dataset.SeriesNumber, dataset.InstanceNumber = "", "1", 1, 1
    dataset.SeriesDescription, dataset.BodyPartExamined, dataset.PatientOrientation = description, "BREAST", ""
    dataset.Laterality = "L" if lesion.index % 2 else "R"
    dataset.ConversionType = "WSD"
    dataset.SamplesPerPixel, dataset.PixelRepresentation, dataset.PhotometricInterpretation = 1, 0, "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape
    bits = 8 * pixels.itemsize
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, bits, bits - 1
    dataset.PixelData = pixels.tobytes()
    dataset["PixelData"].VR = "OW"
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(f"2.25.{uuid.uuid5(NAMESPACE, 'implementation').int}")
    dataset.file_meta = meta
    stream = BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def _uid(lesion: Lesion, role: str) -> str:
    return f"2.25.{uuid.uuid5(NAMESPACE, f'{lesion.seed}/{lesion.index}/{role}').int}"

"""A scan as a DICOM series: MR Image Storage (PS3.3 A.4) in sagittal slices, or PET Image Storage (A.21) in axial ones."""

from __future__ import annotations

import datetime
import uuid
from io import BytesIO

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage, PositronEmissionTomographyImageStorage

from training.phantoms.alzheimer.patient import Phantom
from training.phantoms.alzheimer.scan import Scan

NAMESPACE = uuid.UUID("0f3d2a1c-7a1e-5b52-8d2f-3a1f0c9be7d4")  # of all UIDs of phantoms; any fixed value will do
IMPLEMENTATION = UID(f"2.25.{uuid.uuid5(NAMESPACE, 'implementation').int}")
INJECTED_BQ = "185000000"


def series(phantom: Phantom, name: str, scan: Scan, day: datetime.date) -> list[bytes]:
    """The instances of one scan, in the order of their slices; the same bytes for the same phantom."""
    cut = _sagittal(scan) if name == "mri" else _axial(scan)
    return [_instance(phantom, name, each, index, len(cut), day) for index, each in enumerate(cut)]


class _Slice:
    """Stored values (rows, columns), their slope, and where they lie."""

    def __init__(self, stored: np.ndarray, slope: float, corner: np.ndarray, along_row: np.ndarray, along_column: np.ndarray) -> None:
        self.stored, self.slope, self.corner = stored, slope, corner
        self.along_row, self.along_column = along_row, along_column


def _sagittal(scan: Scan) -> list[_Slice]:
    """Rows from the head down, columns to the back."""
    edges, top = scan.affine[:, :3], scan.voxels.shape[2] - 1
    return [
        _Slice(scan.voxels[index].T[::-1], scan.slope, scan.affine @ [index, 0, top, 1], edges[:, 1], -edges[:, 2])
        for index in range(scan.voxels.shape[0])
    ]


def _axial(scan: Scan) -> list[_Slice]:
    """Rows to the back, columns to the left; each slice scaled to its own largest value, as PET is stored."""
    edges, cut = scan.affine[:, :3], []
    for index in range(scan.voxels.shape[2]):
        values = scan.voxels[:, :, index].T.astype(np.float64) * scan.slope
        slope = max(float(values.max()), 1.0) / 32000
        stored = np.round(values / slope).astype(np.int16)
        cut.append(_Slice(stored, slope, scan.affine @ [0, 0, index, 1], edges[:, 0], edges[:, 1]))
    return cut


def _instance(phantom: Phantom, name: str, cut: _Slice, index: int, count: int, day: datetime.date) -> bytes:
    dataset = Dataset()
    _identity(dataset, phantom, name, index, day)
    _plane(dataset, cut)
    _pixels(dataset, cut)
    if name == "mri":
        _mr(dataset)
    else:
        _pt(dataset, cut, index, count)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID, meta.ImplementationVersionName = IMPLEMENTATION, "CHIASM_PHANTOM"
    dataset.file_meta = meta
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _uid(phantom: Phantom, role: str) -> str:
    return f"2.25.{uuid.uuid5(NAMESPACE, f'{phantom.seed}/{phantom.index}/{role}').int}"


def _identity(dataset: Dataset, phantom: Phantom, name: str, index: int, day: datetime.date) -> None:
    """Patient, Patient Study, General Study, Series and Equipment, Frame of Reference (PS3.3 C.7.1-C.7.5)."""
    who = phantom.person
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.PatientName, dataset.PatientID = f"PHANTOM^{phantom.index:05d}", phantom.patient_id
    dataset.PatientBirthDate, dataset.PatientSex = "", "F" if who.sex == "female" else "M"
    dataset.PatientAge = f"{int(who.age_years):03d}Y"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = _uid(phantom, f"{name}/study"), _uid(phantom, f"{name}/series")
    dataset.FrameOfReferenceUID, dataset.SOPInstanceUID = _uid(phantom, f"{name}/frame"), _uid(phantom, f"{name}/{index}")
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = day.strftime("%Y%m%d")
    dataset.StudyTime = dataset.SeriesTime = dataset.AcquisitionTime = dataset.ContentTime = "120000"
    dataset.StudyID, dataset.SeriesNumber, dataset.InstanceNumber = "1", 1, index + 1
    dataset.AccessionNumber = dataset.ReferringPhysicianName = dataset.PositionReferenceIndicator = ""
    dataset.SeriesDescription = f"Synthetic {name.upper()} phantom"
    dataset.Manufacturer, dataset.ManufacturerModelName, dataset.SoftwareVersions = "Chiasm", "Phantom head", "1"
    dataset.InstitutionName, dataset.PatientPosition = "Synthetic data", "HFS"


def _plane(dataset: Dataset, cut: _Slice) -> None:
    """Image Plane (PS3.3 C.7.6.2)."""
    spacing = [float(np.linalg.norm(edge)) for edge in (cut.along_column, cut.along_row)]
    directions = [*(cut.along_row / spacing[1]), *(cut.along_column / spacing[0])]
    dataset.ImagePositionPatient = [f"{value:.6f}" for value in cut.corner]
    dataset.ImageOrientationPatient = [f"{value:.9f}" for value in directions]
    dataset.PixelSpacing = [f"{value:.6f}" for value in spacing]


def _pixels(dataset: Dataset, cut: _Slice) -> None:
    """Image Pixel (PS3.3 C.7.6.3): 16 bits, signed."""
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PixelRepresentation = 1, "MONOCHROME2", 1
    dataset.Rows, dataset.Columns = cut.stored.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelData = cut.stored.astype("<i2").tobytes()
    dataset["PixelData"].VR = "OW"


def _mr(dataset: Dataset) -> None:
    """MR Image (PS3.3 C.8.3.1)."""
    dataset.SOPClassUID, dataset.Modality, dataset.BodyPartExamined = MRImageStorage, "MR", "HEAD"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M"]
    dataset.ScanningSequence, dataset.SequenceVariant, dataset.ScanOptions, dataset.MRAcquisitionType = ["GR", "IR"], "MP", "", "3D"
    dataset.RepetitionTime, dataset.EchoTime, dataset.InversionTime, dataset.EchoTrainLength = "2300", "2.98", "900", "1"
    dataset.MagneticFieldStrength, dataset.SliceThickness = "3", "1.2"


def _pt(dataset: Dataset, cut: _Slice, index: int, count: int) -> None:
    """PET Series, Isotope and Image (PS3.3 C.8.9.1, C.8.9.2, C.8.9.4)."""
    dataset.SOPClassUID, dataset.Modality, dataset.BodyPartExamined = PositronEmissionTomographyImageStorage, "PT", "BRAIN"
    dataset.SeriesType, dataset.Units, dataset.CountsSource = ["STATIC", "IMAGE"], "BQML", "EMISSION"
    dataset.NumberOfSlices, dataset.ImageIndex, dataset.SliceThickness = count, index + 1, "2.4"
    dataset.CorrectedImage, dataset.DecayCorrection = ["DECY", "ATTN", "SCAT", "DTIM", "RAN", "NORM"], "START"
    dataset.CollimatorType, dataset.FrameReferenceTime, dataset.ActualFrameDuration = "NONE", "0", "1800000"
    dataset.RescaleIntercept, dataset.RescaleSlope = "0", f"{cut.slope:.9g}"
    agent = Dataset()
    agent.Radiopharmaceutical, agent.RadionuclideTotalDose, agent.RadionuclideHalfLife = "Fluorodeoxyglucose", INJECTED_BQ, "6588"
    agent.RadiopharmaceuticalStartTime = "113000"
    dataset.RadiopharmaceuticalInformationSequence = [agent]

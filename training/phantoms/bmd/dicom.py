"""A phantom as a DICOM object: Digital X-Ray Image Storage - For Presentation (PS3.3 A.26), or Computed Radiography (A.2)."""

from __future__ import annotations

import datetime
import uuid
from io import BytesIO

import jpeg_ls
from openjpeg.utils import encode_array
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)
from rle.utils import encode_pixel_data as encode_rle

from training.phantoms.bmd.patient import Phantom, stream

NAMESPACE = uuid.UUID("6b1f2a52-59c1-5d0a-9a4e-7d2f5c1f0b3e")  # of all UIDs of phantoms; any fixed value will do
SYNTAXES = (ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless)
IMPLEMENTATION = UID(f"2.25.{uuid.uuid5(NAMESPACE, 'implementation').int}")


def encode(phantom: Phantom) -> bytes:
    """The phantom as a DICOM Part 10 file; the same bytes for the same phantom."""
    rng = stream(phantom.seed, phantom.index, 6)
    computed = bool(rng.random() < 0.15)
    syntax: str = SYNTAXES[int(rng.integers(len(SYNTAXES)))]
    dataset = Dataset()
    _identity(dataset, phantom, datetime.date(2024, 1, 1) + datetime.timedelta(days=int(rng.integers(0, 700))))
    _acquisition(dataset, phantom)
    _image(dataset, phantom)
    _pixels(dataset, phantom, syntax)
    if computed:
        dataset.SOPClassUID, dataset.Modality = ComputedRadiographyImageStorage, "CR"
    else:
        _digital(dataset, phantom)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    meta.TransferSyntaxUID = UID(syntax)
    meta.ImplementationClassUID, meta.ImplementationVersionName = IMPLEMENTATION, "CHIASM_PHANTOM"
    dataset.file_meta = meta
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def uid(phantom: Phantom, role: str) -> str:
    """A UID under 2.25 (PS3.5 B.2) from a name-based UUID, so that the same phantom always bears the same one."""
    return f"2.25.{uuid.uuid5(NAMESPACE, f'{phantom.seed}/{phantom.index}/{role}').int}"


def _identity(dataset: Dataset, phantom: Phantom, day: datetime.date) -> None:
    """Patient, Patient Study, General Study, General Series, General Equipment and SOP Common (PS3.3 C.7.1-C.7.5, C.12.1)."""
    person, known = phantom.person, phantom.fields
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.PatientName = f"PHANTOM^{phantom.index:06d}"
    dataset.PatientID = phantom.patient_id
    dataset.PatientBirthDate = (day - datetime.timedelta(days=round(person.age_at_xray_years * 365.25))).strftime("%Y%m%d")
    dataset.PatientSex = "F" if person.sex == "female" else "M"
    dataset.PatientAge = f"{int(person.age_at_xray_years):03d}Y"
    if "height_cm" in known:
        dataset.PatientSize = f"{person.height_cm / 100:.3f}"
    if "weight_kg" in known:
        dataset.PatientWeight = f"{person.weight_kg:.1f}"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = uid(phantom, "study"), uid(phantom, "series")
    dataset.SOPInstanceUID = uid(phantom, "instance")
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = day.strftime("%Y%m%d")
    dataset.StudyTime = dataset.SeriesTime = dataset.AcquisitionTime = dataset.ContentTime = "120000"
    dataset.StudyID, dataset.SeriesNumber, dataset.InstanceNumber = "1", 1, 1
    dataset.AccessionNumber = dataset.ReferringPhysicianName = ""
    dataset.StudyDescription = "Synthetic hip radiograph with planted bone density"
    dataset.Manufacturer, dataset.ManufacturerModelName = "Chiasm", "Phantom hip"
    dataset.InstitutionName, dataset.DeviceSerialNumber, dataset.SoftwareVersions = "Synthetic data", str(phantom.seed), "1"


def _acquisition(dataset: Dataset, phantom: Phantom) -> None:
    """How the film was taken (PS3.3 C.8.1.1, C.8.7.2, C.8.11)."""
    view = phantom.view
    dataset.BodyPartExamined = "PELVIS" if view.two_sided else "HIP"
    dataset.ViewPosition = "AP"
    dataset.PatientOrientation = ["L", "F"]
    dataset.ImageLaterality = "B" if view.two_sided else phantom.person.side[0].upper()
    dataset.KVP = f"{view.kvp}"
    dataset.DistanceSourceToDetector = "1150"
    dataset.DistanceSourceToPatient = f"{1150 / view.magnification:.0f}"
    dataset.ImagerPixelSpacing = [f"{view.spacing:.6f}"] * 2


def _image(dataset: Dataset, phantom: Phantom) -> None:
    """Image Pixel, VOI LUT and DX Image (PS3.3 C.7.6.3, C.11.2, C.8.11.3): 12 bits, one window, values already for presentation."""
    film = phantom.film
    inverted = film.photometric_interpretation == "MONOCHROME1"
    dataset.ImageType = ["DERIVED", "PRIMARY"]
    dataset.SamplesPerPixel, dataset.PixelRepresentation = 1, 0
    dataset.PhotometricInterpretation = film.photometric_interpretation
    dataset.Rows, dataset.Columns = film.pixels.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = "0", "1", "US"
    dataset.PresentationLUTShape = "INVERSE" if inverted else "IDENTITY"
    dataset.WindowCenter, dataset.WindowWidth = f"{film.window_center:.0f}", f"{film.window_width:.0f}"
    dataset.LossyImageCompression, dataset.BurnedInAnnotation = "00", "NO"
    dataset.DerivationDescription = "Rendered from a parametric hip"


def _pixels(dataset: Dataset, phantom: Phantom, syntax: str) -> None:
    """Pixel Data (PS3.5 A.4): native, or one losslessly compressed frame."""
    rows, columns = phantom.film.pixels.shape
    native = phantom.film.pixels.astype("<u2").tobytes()
    layout = {"rows": rows, "columns": columns, "samples_per_pixel": 1, "bits_allocated": 16, "bits_stored": 12, "number_of_frames": 1}
    frame = b""
    if syntax == JPEG2000Lossless:
        frame = encode_array(phantom.film.pixels, bits_stored=12, photometric_interpretation=2)
    elif syntax == JPEGLSLossless:
        frame = bytes(jpeg_ls.encode_pixel_data(native, **layout))
    elif syntax == RLELossless:
        frame = encode_rle(native, byteorder="<", **layout)
    dataset.PixelData = encapsulate([frame]) if frame else native
    dataset["PixelData"].VR = "OB" if frame else "OW"


def _digital(dataset: Dataset, phantom: Phantom) -> None:
    """What only a DX object has: Presentation Intent, Anatomic Region, View Code, Detector (PS3.3 C.8.11.1-C.8.11.5)."""
    two_sided = phantom.view.two_sided
    dataset.SOPClassUID, dataset.Modality = DigitalXRayImageStorageForPresentation, "DX"
    dataset.PresentationIntentType = "FOR PRESENTATION"
    dataset.DetectorType = "SCINTILLATOR"
    dataset.DetectorConfiguration = "AREA"
    dataset.AnatomicRegionSequence = [_code("12921003", "Pelvis") if two_sided else _code("29836001", "Hip")]
    view = _code("399348003", "antero-posterior")
    view.ViewModifierCodeSequence = []
    dataset.ViewCodeSequence = [view]
    dataset.PositionerType = "NONE"
    dataset.AcquisitionContextSequence = []
    dataset.PixelIntensityRelationship = "LOG"
    dataset.PixelIntensityRelationshipSign = 1 if phantom.film.photometric_interpretation == "MONOCHROME1" else -1


def _code(value: str, meaning: str) -> Dataset:
    """One item of a code sequence, SNOMED CT (PS3.3 section 8)."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning
    return item

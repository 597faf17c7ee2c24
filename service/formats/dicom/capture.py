"""The answer as a page that any viewer shows: a Secondary Capture image (PS3.3 A.8.1) of the PNG's content."""

from __future__ import annotations

import numpy as np
from highdicom.sc import SCImage
from pydicom.uid import ExplicitVRLittleEndian

from models.prediction import Prediction
from service.formats.dicom.result import Result
from service.formats.overlay import draw

SERIES_NUMBER = 9001


def secondary_capture(result: Result, prediction: Prediction) -> bytes:
    """The page as a file: image, overlay, numbers and intended use, in colour and without loss."""
    frame = result.arguments("secondary capture", SERIES_NUMBER)
    page = SCImage.from_ref_dataset(
        result.source.all[0].evidence(), np.asarray(draw(result.algorithm.spec, prediction)), "RGB", 8, "PATIENT",
        patient_orientation=("L", "F"), transfer_syntax_uid=ExplicitVRLittleEndian, **frame,
    )  # fmt: skip
    page.add_new("PatientOrientation", "CS", None)  # type 2C, and a page has none,
    page.add_new("Laterality", "CS", None)  # nor a side
    page.BurnedInAnnotation = "NO"  # it names no patient
    page.DateOfSecondaryCapture, page.TimeOfSecondaryCapture = frame["content_date"], frame["content_time"]
    return result.finished(page)

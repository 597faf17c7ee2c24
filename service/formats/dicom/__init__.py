"""Prediction -> DICOM objects that an archive keeps: a structured report, and a page for viewers that show none."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from models.decode import Limits
from models.prediction import Prediction
from models.study import Study
from service.formats.algorithm import Algorithm
from service.formats.dicom.capture import secondary_capture
from service.formats.dicom.identity import Names
from service.formats.dicom.report import abstention, structured_report
from service.formats.dicom.result import Result
from service.formats.dicom.source import source_of, source_of_files


def render_dicom(algorithm: Algorithm, study: Study, prediction: Prediction, at: datetime) -> tuple[bytes, bytes]:
    """The structured report and the page, as files (PS3.10), in the study that the images belong to.

    `at` is when the study was evaluated. Raises NotAcceptableError where no image came as a DICOM file.
    """
    source = source_of(study, prediction.reading, Limits())
    result = Result(algorithm, source, Names.of(algorithm, prediction), at)
    return structured_report(result, prediction), secondary_capture(result, prediction)


def render_abstention(algorithm: Algorithm, files: Sequence[bytes], code: str, detail: str, at: datetime) -> bytes:
    """A structured report that says that a study was not evaluated: `code` is stable, `detail` a sentence without patient data.

    Raises NotAcceptableError where no file is a DICOM file that names its study.
    """
    source = source_of_files(files, Limits())
    return abstention(Result(algorithm, source, Names.of_refused(algorithm, files, code), at), code, detail)

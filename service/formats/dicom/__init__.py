"""Prediction -> DICOM objects that an archive keeps: a structured report, a page for viewers that show none, and maps of attention."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Literal

from models.decode import Limits
from models.prediction import Prediction
from models.study import Study
from service.formats.algorithm import Algorithm
from service.formats.dicom.capture import secondary_capture
from service.formats.dicom.identity import Names
from service.formats.dicom.parametric_map import parametric_maps
from service.formats.dicom.report import abstention, structured_report
from service.formats.dicom.result import Result
from service.formats.dicom.source import source_of, source_of_files

Kind = Literal["report", "page", "map"]
REPORT_AND_PAGE: tuple[Kind, ...] = ("report", "page")
OBJECTS: dict[Kind, Callable[[Result, Prediction], Iterable[bytes]]] = {
    "report": lambda result, prediction: [structured_report(result, prediction)],
    "page": lambda result, prediction: [secondary_capture(result, prediction)],
    "map": parametric_maps,
}


def render_dicom(
    algorithm: Algorithm, study: Study, prediction: Prediction, at: datetime, kinds: Sequence[Kind] = REPORT_AND_PAGE
) -> tuple[bytes, ...]:
    """The objects of these kinds, in their order, as files (PS3.10), in the study that the images belong to.

    There are as many maps as images with attention that came as DICOM. `at` is when the study was evaluated. Raises NotAcceptableError
    where no image came as a DICOM file.
    """
    source = source_of(study, prediction.reading, Limits())
    result = Result(algorithm, source, Names.of(algorithm, prediction), at)
    return tuple(made for kind in kinds for made in OBJECTS[kind](result, prediction))


def render_abstention(algorithm: Algorithm, files: Sequence[bytes], code: str, detail: str, at: datetime) -> bytes:
    """A structured report that says that a study was not evaluated: `code` is stable, `detail` a sentence without patient data.

    Raises NotAcceptableError where no file is a DICOM file that names its study.
    """
    source = source_of_files(files, Limits())
    return abstention(Result(algorithm, source, Names.of_refused(algorithm, files, code), at), code, detail)

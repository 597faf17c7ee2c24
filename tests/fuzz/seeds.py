"""Where the fuzzer begins: a tiny valid file of every syntax and of every step of the greyscale pipeline, all made here."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tests.models.decode.synthetic import (
    BASELINE,
    BIG,
    EXPLICIT,
    EXTENDED,
    IMPLICIT,
    J2K,
    J2K_LOSSY,
    LOSSLESS,
    LOSSLESS_SV1,
    LS,
    LS_NEAR,
    RLE,
    compressed,
    dicom,
    instance,
    jpeg,
    png,
    radiograph,
    written,
)
from tests.models.decode.test_htj2k import CODESTREAM, SYNTAXES, pixels

DEFLATED = "1.2.840.10008.1.2.1.99"
ROWS, COLUMNS = 36, 40  # OpenJPEG wants 32 for its six resolutions
HIP = {
    "Modality": "DX", "BodyPartExamined": "HIP", "ViewPosition": "AP", "ImageLaterality": "L", "PatientSex": "F", "PatientAge": "071Y",
    "PatientID": "4711", "PresentationIntentType": "FOR PRESENTATION", "ImageType": ["ORIGINAL", "PRIMARY"],
}  # fmt: skip


def _table(entries: int, bits: int, first: int = 0) -> Sequence:
    item = Dataset()
    item.add_new(0x00283002, "US", [entries, first, bits])
    item.add_new(0x00283006, "OW", np.linspace(0, (1 << bits) - 1, entries).astype("<u2").tobytes())
    return Sequence([item])


def _region() -> Sequence:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "24136001", "SCT", "Hip"
    return Sequence([item])


def _native() -> dict[str, bytes]:
    grey = {bits: radiograph(ROWS, COLUMNS, bits) for bits in (8, 12, 16)}
    signed = grey[12].astype("<i2") - 2048
    files = {f"native_{syntax}_{bits}": dicom(grey[bits], bits=bits, syntax=syntax, **HIP)
             for syntax in (IMPLICIT, EXPLICIT, BIG) for bits in (8, 16)}  # fmt: skip
    steps: dict[str, dict[str, object]] = {
        "window": {"WindowCenter": ["2000", "50"], "WindowWidth": ["3000", "10"]},
        "sigmoid": {"WindowCenter": 2000, "WindowWidth": 3000, "VOILUTFunction": "SIGMOID"},
        "exact": {"WindowCenter": 2000, "WindowWidth": 3000, "VOILUTFunction": "LINEAR_EXACT", "PresentationLUTShape": "INVERSE"},
        "slope": {"RescaleSlope": "-1.5", "RescaleIntercept": "4095", "PhotometricInterpretation": "MONOCHROME1"},
        "modality_table": {"ModalityLUTSequence": _table(4096, 12)},
        "voi_table": {"VOILUTSequence": _table(256, 8, 1000)},
        "region": {"AnatomicRegionSequence": _region(), "PatientSize": "1.62", "PatientWeight": "61", "PatientOrientation": ["L", "F"]},
        "palette": {"PhotometricInterpretation": "PALETTE COLOR"},
        "dates": {"PatientBirthDate": "19500203", "StudyDate": "20240102"},
    }
    for name, attributes in steps.items():
        files[name] = dicom(grey[12], **(HIP | attributes))
    files["signed"] = dicom(signed, **HIP)
    files["odd_high_bit"] = dicom(grey[12] << 3, HighBit=14, **HIP)
    files["deflated"] = written(instance(grey[12], **HIP), DEFLATED)
    files["without_preamble"] = files[f"native_{IMPLICIT}_16"][132:]
    return files


def _compressed() -> dict[str, bytes]:
    files = {}
    for syntax in (RLE, LOSSLESS, LOSSLESS_SV1, LS, LS_NEAR, J2K, J2K_LOSSY):
        for bits in (8, 12, 16):
            files[f"{syntax}_{bits}"] = compressed(radiograph(ROWS, COLUMNS, bits), syntax, bits=bits, **HIP)
    for syntax, bits in ((BASELINE, 8), (EXTENDED, 12)):
        files[f"{syntax}_{bits}"] = compressed(radiograph(ROWS, COLUMNS, bits), syntax, bits=bits, **HIP)
    for syntax in SYNTAXES:
        files[syntax] = compressed(pixels(), syntax, bits=16, frames=[CODESTREAM], **HIP)
    return files


def _pictures() -> dict[str, bytes]:
    grey = {bits: radiograph(ROWS, COLUMNS, bits) for bits in (8, 16)}
    return {
        "png8": png(grey[8]), "png16": png(grey[16]), "jpeg": jpeg(grey[8]), "jpeg_progressive": jpeg(grey[8], progressive=True),
        "jpeg_restart": jpeg(grey[8], restart_marker_blocks=2),
    }  # fmt: skip


def seeds() -> dict[str, bytes]:
    """Name -> file. Every one of them is read without complaint, or refused for what it is (colour)."""
    return _native() | _compressed() | _pictures()

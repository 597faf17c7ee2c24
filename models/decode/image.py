"""The nouns of decoding: what a file's header says, what limits hold, and the decoded Image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.decode.reduction import FULL, Grid
from models.decode.tone import Grey, values_of

Format = Literal["dicom", "png", "jpeg", "nifti"]
Side = Literal["left", "right"]


@dataclass(frozen=True)
class Limits:
    """What a file may claim before memory is spent on it. All are checked against headers, not against results."""

    max_pixels: int = 60_000_000  # a 4096 x 3328 mammogram has 13.6 million, a scanned film up to 40
    max_frames: int = 1
    max_elements: int = 20_000  # data elements in one DICOM data set, nested ones included
    max_depth: int = 16  # nesting of sequences
    refused_syntaxes: frozenset[str] = frozenset()  # transfer syntaxes that this machine's decoders were seen to get wrong
    max_inflation: int = 100  # bytes out for each byte of a deflated data set; radiographs reach 10, bombs 1000
    threads: int = 1  # that one decoder may start, where it can: cores that nothing else needs
    thumbnails: bool = True  # which the gate looks at; without a gate nobody does


@dataclass(frozen=True)
class Patient:
    """What a DICOM header says of the patient, as far as a model may need it. None where it says nothing usable."""

    sex: Literal["female", "male"] | None = None
    age_years: float | None = None
    height_cm: float | None = None
    weight_kg: float | None = None


@dataclass(frozen=True)
class Header:
    """What a file says of itself, read without decoding a pixel. PNG, JPEG and NIfTI fill only the first five."""

    format: Format
    rows: int
    columns: int
    frames: int = 1
    photometric_interpretation: str = ""
    transfer_syntax: str = ""
    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    series_instance_uid: str = ""
    study_instance_uid: str = ""
    modality: str = ""
    body_part: str = ""
    view_position: str = ""
    image_type: tuple[str, ...] = ()
    presentation_intent: str = ""
    orientation: tuple[str, ...] = ()  # Patient Orientation: where rows and columns run to
    laterality: Side | None = None
    burned_in: bool = False  # Burned In Annotation is YES: text may lie over the picture
    pixel_aspect: float = 1.0  # height of a pixel over its width
    two_sided: bool = False  # Image Laterality says that both sides are shown
    patient: Patient = Patient()
    patient_digest: str = ""  # tells two patients apart without holding who they are


@dataclass(frozen=True)
class Image:
    """A decoded picture: (H, W) in [0, 1], bright = dense, as float32 or as what makes float32 of any part of it.

    `decoder` names what decoded it, `grid` says where its samples lie, `lut` what made grey values out of stored ones.
    """

    grey: Grey
    header: Header
    decoder: str
    grid: Grid = FULL
    lut: str = ""

    @property
    def pixels(self) -> NDArray[np.float32]:
        """All of it as float32: two to four times what the file stores."""
        return values_of(self.grey)

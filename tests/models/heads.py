"""Small scans of a made-up head, as series, multi-frame objects and NIfTI, and the model that reads two of them."""

import numpy as np

from models.alzheimer import SPEC
from tests.models.decode.synthetic_volume import AXIAL, ENHANCED_PET, PET, enhanced, grid, nifti, slices

IMAGES_ONLY = SPEC.model_copy(update={"genotypes": None})
METADATA = {"age_years": 71.5, "sex": "female", "education_years": 16, "phc_mem": 0.4, "phc_exf": -0.1}
SCORES = {"phc_mem": 0.4, "phc_exf": -0.1}
SHAPE, SPACING, STEP = (56, 60, 64), (2.5, 2.5), 3.0
PERSON = {"PatientSex": "F", "PatientAge": "071Y", "BodyPartExamined": "HEAD"}


def head(points):
    """An egg with a bright nose in front and a dark neck below: asymmetric in every direction but left and right."""
    x, y, z = points
    egg = 900 * ((x / 60) ** 2 + (y / 75) ** 2 + ((z - 10) / 65) ** 2 < 1)
    nose = 600 * ((x / 8) ** 2 + ((y + 60) / 12) ** 2 + (z / 10) ** 2 < 1)
    neck = 300 * ((x / 30) ** 2 + ((y - 20) / 30) ** 2 < 1) * (z < -50)
    grain = 20 * np.sin(x / 3) * np.cos(y / 5) * np.sin(z / 7 + y / 11)
    return np.round((egg + nose + neck + grain + 30).clip(0, None)).astype("<i2")


def mri(orientation=AXIAL, shape=SHAPE, spacing=SPACING, step=STEP, scan=head, **attributes):
    """The files of an MR series."""
    return series(orientation, shape, spacing, step, scan, PERSON | attributes)


def pet(orientation=AXIAL, shape=(40, 48, 52), spacing=(3.4, 3.4), step=4.0, scan=lambda points: head(points) // 3, **attributes):
    """The files of a PET series of the same patient, of another study, each slice with a slope of its own."""
    common = {
        "SOPClassUID": PET, "Modality": "PT", "SeriesInstanceUID": "2.25.21", "StudyInstanceUID": "2.25.31",
        "FrameOfReferenceUID": "2.25.41", "NumberOfSlices": shape[0], "RescaleSlope": "2", "RescaleIntercept": "0", "Units": "BQML",
    }  # fmt: skip
    return series(orientation, shape, spacing, step, scan, PERSON | common | attributes)


def series(orientation, shape, spacing, step, scan, attributes):
    """Slices that all have the same attributes, and UIDs that belong to their series."""
    prefix = attributes.pop("uids", attributes.get("SeriesInstanceUID", "2.25.20"))
    own = {index: {"SOPInstanceUID": f"{prefix}.{index + 1}", **attributes} for index in range(shape[0])}
    return slices(orientation, scan=scan, attributes=own, shape=shape, spacing=spacing, step=step)


def pet_object():
    """The PET as one enhanced multi-frame object."""
    shape, spacing = (40, 48, 52), (3.4, 3.4)
    positions, affine = grid(AXIAL, spacing, 4.0, shape)
    stored = head(affine[:3, :3] @ np.indices(shape).reshape(3, -1) + affine[:3, 3:]).reshape(shape)
    return enhanced(stored, positions, AXIAL, spacing, SOPClassUID=ENHANCED_PET, **{
        **PERSON, "Modality": "PT", "BodyPartExamined": "BRAIN", "ImageType": ["ORIGINAL", "PRIMARY"],
    })  # fmt: skip


def volume_file(axes="RAS", *, zoom=2.5, compressed=True):
    """A NIfTI file of the head whose array axes run along the given directions of the patient."""
    letters = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}
    affine, sides = np.eye(4), [0, 0, 0]
    affine[:3, :3] = 0
    for axis, letter in enumerate(axes):
        world, sign = letters[letter]
        affine[world, axis], sides[axis] = sign * zoom, (64, 72, 66)[world]
    affine[:3, 3] = -affine[:3, :3] @ (np.array(sides) - 1) / 2
    points = affine[:3, :3] @ np.indices(sides).reshape(3, -1) + affine[:3, 3:]
    points[:2] *= -1  # NIfTI's x and y run against DICOM's
    return nifti(head(points).reshape(sides), affine[:3], compressed=compressed)

"""Series, multi-frame objects and NIfTI files made in memory: a ball in a patient, scanned from any side."""

import gzip
import struct

import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, encapsulate_extended

from tests.models.decode.synthetic import EXPLICIT, codestream, instance, written

MR, PET, CT = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.128", "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_MR, ENHANCED_PET = "1.2.840.10008.5.1.4.1.1.4.1", "1.2.840.10008.5.1.4.1.1.130"
AXIAL, CORONAL, SAGITTAL = [1, 0, 0, 0, 1, 0], [1, 0, 0, 0, 0, -1], [0, 1, 0, 0, 0, -1]
OBLIQUE = [0.9659258, 0.2588190, 0, -0.2588190 * 0.8660254, 0.9659258 * 0.8660254, 0.5]
CENTRE, RADIUS = np.array([7.0, -11.0, 4.0]), 9.0
LEVEL, SOFT = 3000.0, 2.0


def ball(points):
    """A soft ball off the centre of the patient: (3, ...) mm -> values."""
    distance = np.linalg.norm(points - CENTRE.reshape(3, *[1] * (points.ndim - 1)), axis=0)
    return np.round(LEVEL * ((RADIUS - distance) / SOFT + 0.5).clip(0, 1)).astype("<i2")


def centroid(values, affine):
    """Where the values lie, in mm."""
    points = np.indices(values.shape).reshape(3, -1)
    weights = values.reshape(-1).astype(np.float64)
    return affine[:3, :3] @ (points * weights).sum(axis=1) / weights.sum() + affine[:3, 3]


def grid(orientation, spacing=(1.5, 1.25), step=2.0, shape=(30, 40, 44), *, descending=False):
    """Image positions of a stack around the origin, and its affine from (slice, row, column)."""
    along_row, along_column = np.array(orientation, float).reshape(2, 3)
    normal = np.cross(along_row, along_column)
    edges = np.column_stack([normal * step, along_column * spacing[0], along_row * spacing[1]])
    origin = -edges @ (np.array(shape) - 1) / 2
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = edges, origin
    positions = [origin + normal * step * index for index in range(shape[0])]
    return (positions[::-1] if descending else positions), affine


def slices(orientation=AXIAL, syntax=EXPLICIT, scan=ball, attributes=None, **options):
    """The files of a series; `attributes` maps the index of a slice to what is different about it."""
    shape = options.get("shape", (30, 40, 44))
    positions, affine = grid(orientation, **options)
    files = []
    for index, position in enumerate(positions):
        rows, columns = np.indices(shape[1:])
        points = position[:, None, None] + affine[:3, 1, None, None] * rows + affine[:3, 2, None, None] * columns
        extra = (attributes or {}).get(index, {})
        files.append(mr_slice(scan(points), position, orientation, options.get("spacing", (1.5, 1.25)), index, syntax, **extra))
    return files


def mr_slice(pixels, position, orientation, spacing, index, syntax=EXPLICIT, **extra):
    """One classic MR slice; None takes an attribute away."""
    attributes = {
        "SOPClassUID": MR, "Modality": "MR", "SOPInstanceUID": f"2.25.{1000 + index}", "SeriesInstanceUID": "2.25.20",
        "StudyInstanceUID": "2.25.30", "FrameOfReferenceUID": "2.25.40", "PatientID": "A", "SliceThickness": "2",
        "ImagePositionPatient": [f"{each:.6f}" for each in position], "ImageOrientationPatient": [f"{each:.8f}" for each in orientation],
        "PixelSpacing": list(spacing), "InstanceNumber": 7 * index % 30, "ImageType": ["ORIGINAL", "PRIMARY", "M"],
    } | extra  # fmt: skip
    present = {keyword: value for keyword, value in attributes.items() if value is not None}
    if syntax == EXPLICIT:
        return written(instance(pixels, bits=16, **present), syntax)
    dataset = instance(pixels, bits=16, **present)
    dataset.PixelData = encapsulate([codestream(pixels, syntax, 16)])
    dataset["PixelData"].is_undefined_length = True
    dataset["PixelData"].VR = "OB"
    return written(dataset, syntax)


def item(**attributes):
    """A sequence item."""
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def enhanced(stored, positions, orientation=AXIAL, spacing=(1.5, 1.25), *, syntax=EXPLICIT, table="basic", slopes=None, own=None, **extra):
    """An enhanced multi-frame object: stored (frames, rows, columns), 16 bits; `own` adds macros to frames."""
    attributes = {
        "SOPClassUID": ENHANCED_MR, "Modality": "MR", "SeriesInstanceUID": "2.25.20", "StudyInstanceUID": "2.25.30",
        "FrameOfReferenceUID": "2.25.40", "PatientID": "A", "NumberOfFrames": len(stored),
    } | extra  # fmt: skip
    dataset = instance(stored[0], bits=stored.itemsize * 8, **attributes)
    shared = item(
        PlaneOrientationSequence=[item(ImageOrientationPatient=list(orientation))],
        PixelMeasuresSequence=[item(PixelSpacing=list(spacing), SliceThickness="2")],
    )
    dataset.SharedFunctionalGroupsSequence = [shared]
    groups = []
    for index, position in enumerate(positions):
        macros = {"PlanePositionSequence": [item(ImagePositionPatient=[f"{each:.6f}" for each in position])]}
        if slopes is not None:
            transformation = item(RescaleSlope=slopes[index], RescaleIntercept="-5", RescaleType="BQML")
            macros["PixelValueTransformationSequence"] = [transformation]
        groups.append(item(**macros, **(own or {}).get(index, {})))
    dataset.PerFrameFunctionalGroupsSequence = groups
    return written(_with_pixels(dataset, stored, syntax, table), syntax)


def _with_pixels(dataset, stored, syntax, table):
    if syntax.startswith("1.2.840.10008.1.2.4") or syntax.endswith(".2.5"):
        frames = [codestream(frame, syntax, stored.itemsize * 8) for frame in stored]
        if table == "extended":
            dataset.PixelData, dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths = encapsulate_extended(frames)
        else:
            fragments = 2 if table == "fragments" else 1
            dataset.PixelData = encapsulate(frames, fragments_per_frame=fragments, has_bot=table == "basic")
        dataset["PixelData"].is_undefined_length, dataset["PixelData"].VR = True, "OB"
    else:
        order = ">" if syntax.endswith(".2.2") else "<"
        dataset.PixelData = stored.astype(stored.dtype.newbyteorder(order)).tobytes()
    return dataset


def nifti(voxels, affine, *, compressed=False, order="<", **fields):
    """A NIfTI-1 file by hand: voxels (i, j, k), sform (4, 4) in the standard's own coordinates."""
    codes = {"u1": 2, "i2": 4, "i4": 8, "f4": 16, "f8": 64, "i1": 256, "u2": 512, "u4": 768, "i8": 1024, "u8": 1280}
    header = bytearray(352)
    values = {
        "sizeof_hdr": (0, "i", 348), "dim": (40, "8h", (voxels.ndim, *voxels.shape, *[1] * (7 - voxels.ndim))),
        "datatype": (70, "h", codes[voxels.dtype.str[1:]]), "bitpix": (72, "h", 8 * voxels.itemsize),
        "pixdim": (76, "8f", (1, 1, 1, 1, 1, 1, 1, 1)), "vox_offset": (108, "f", 352), "scl_slope": (112, "f", 0),
        "scl_inter": (116, "f", 0),
        "xyzt_units": (123, "b", 2), "qform_code": (252, "h", 0), "sform_code": (254, "h", 1),
        "quatern": (256, "6f", (0, 0, 0, 0, 0, 0)), "srow": (280, "12f", tuple(np.ravel(affine)[:12])), "magic": (344, "4s", b"n+1\0"),
    }  # fmt: skip
    for name, (offset, form, value) in values.items():
        chosen = fields.get(name, value)
        struct.pack_into(order + form, header, offset, *(chosen if isinstance(chosen, tuple) else (chosen,)))
    data = bytes(header) + voxels.astype(voxels.dtype.newbyteorder(order)).tobytes(order="F")
    return gzip.compress(data) if compressed else data

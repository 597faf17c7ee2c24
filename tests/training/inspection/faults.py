"""Faults that make sense in every cohort, planted in files; each says how it is to be found: kind, words, and where."""

import gzip
from dataclasses import dataclass

import nibabel
import numpy as np

from tests.training.inspection.cohort import Cohort, clipped, dicom, with_pixels


@dataclass(frozen=True)
class Found:
    """The one finding that a fault must lead to."""

    kind: str
    words: str
    place: str = ""
    level: str = "fix"


def missing(cohort: Cohort, index: int = 3) -> None:
    cohort.file(index).unlink()


def truncated(cohort: Cohort) -> Found:
    path = cohort.file(4)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    return Found("unreadable", "1 row would be refused", path.name)


def constant(cohort: Cohort) -> Found:
    path = cohort.file(5)
    with_pixels(path, lambda pixels: np.full_like(pixels, 7))
    return Found("blank", "constant", path.name)


def saturated(cohort: Cohort, index: int = 6) -> Found:
    path = cohort.file(index)
    with_pixels(path, clipped)
    return Found("blank", "1 picture is saturated: more than 30%", path.name, "look")


def too_small(cohort: Cohort) -> Found:
    path = cohort.file(7)
    if path.name.endswith(".nii.gz"):
        volume = nibabel.load(path)
        middle = tuple(slice(size // 2 - size // 8, size // 2 + size // 8) for size in volume.shape)
        path.write_bytes(gzip.compress(volume.slicer[middle].to_bytes()))
        return Found("unsuitable", "shorter", path.name)
    with_pixels(path, lambda pixels: np.ascontiguousarray(pixels[::4, ::4]))
    return Found("unsuitable", "the shorter side has fewer than", path.name)


def same_file(cohort: Cohort, one: int, other: int) -> Found:
    cohort.file(other).write_bytes(cohort.file(one).read_bytes())
    return Found("duplicate", "byte for byte, under different patients", f"{cohort.rows[one].place} = {cohort.rows[other].place}")


def same_pixels(cohort: Cohort, one: int, other: int) -> Found:
    """The same picture in a file of other bytes."""
    found, path = same_file(cohort, one, other), cohort.file(other)
    data = path.read_bytes()
    if path.name.endswith(".nii.gz"):
        path.write_bytes(gzip.compress(gzip.decompress(data), 9))
    elif path.suffix == ".jpg":
        path.write_bytes(data[:2] + b"\xff\xfe\x00\x06copy" + data[2:])
    else:
        with dicom(path) as dataset:
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"{dataset.SOPInstanceUID[:50]}.1"
    return Found(found.kind, "pixel for pixel, under different patients", found.place)

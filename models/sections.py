"""Image inputs that are a plane of a volume: the scan is chosen by its headers, the plane found by geometry and cut out of it.

Its pixels become square, in mm, so that a head keeps its shape whatever the slices were; from there on it is a picture like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from models.chosen import Chosen, Picture
from models.decode import Header, Image, Limits, Side, Volume
from models.decode.frames import Frames
from models.decode.planes import Section, mid_sagittal
from models.errors import UnsuitableImageError
from models.headers import digest_of
from models.pictures import decode_picture
from models.prediction import Plane, Quality
from models.scans import Scan, choose_scan, volume_limits
from models.select import objections_to_shape
from models.spec import ImageInput

CHECK = "plane"
PLANE = "mid_sagittal"
SHORTEST_MM = 100.0  # of either side of the plane: less is no whole head
ALONG = 0.9  # cosine within which an edge of a single slice must run along its axis of the patient, 26 degrees
ROUNDING = 1e-5  # of a value: what interpolation in 32 bits may change
UNSPECIFIED = "US"  # Rescale Type, PS3.3 C.11.1.1.2
WHOLE_SERIES = "Send the whole series, or a NIfTI file: the mid-sagittal plane is then found by geometry."


def choose_section(image: ImageInput, files: Sequence[bytes], limits: Limits) -> Chosen:
    """Choose the scan that the plane is cut out of, or the single picture that is read as it is.

    Errors are those of `choose_scan`; UnsuitableImageError for a single slice that its header says is not sagittal.
    """
    limits = volume_limits(limits)
    choice = choose_scan(image, files, limits)
    scan = choice.scan
    if choice.volume is None:
        data, header = files[scan.files[0]], scan.headers[0]
        make, check = partial(decode_picture, image, data, header, limits), _single(image, data, header, limits)
    else:
        header = _header(scan)
        make, check = partial(cut, image, choice.volume, header), _whole()
    return Chosen(image, header, choice.headers, scan.files, choice.reason, choice.rejected, make, (check,))


def cut(image: ImageInput, volume: Volume, header: Header, _: Side | None) -> Picture:
    """The mid-sagittal plane of a volume as a picture: superior up, anterior at the left, pixels square.

    Raises the errors of `mid_sagittal`; UnsuitableImageError for a plane that is too small for a head, or of too few pixels.
    """
    section = mid_sagittal(volume)
    sides_mm = np.array(section.values.shape) * section.spacing_mm
    if sides_mm.min() < SHORTEST_MM:
        raise UnsuitableImageError(f"No image fits the input {image.name}: a side of its plane is shorter than {SHORTEST_MM:g} mm.")
    shape_header = replace(header, rows=section.values.shape[0], columns=section.values.shape[1])
    for objection in objections_to_shape(image, shape_header):
        raise UnsuitableImageError(f"No image fits the input {image.name}: {objection}.")
    pixels, spacing = square(section)
    seen = replace(header, rows=pixels.shape[0], columns=pixels.shape[1])
    origin = tuple(float(each) for each in _first_centre(section, spacing))
    plane = Plane(PLANE, (origin[0], origin[1], origin[2]), spacing, volume.shape)
    units = f" in {volume.header.units}" if volume.header.units not in {"", UNSPECIFIED} else ""
    decoded = Image(_scaled(pixels), seen, section.decoder, lut=f"modality values{units}")
    uids = tuple(dict.fromkeys(file.sop_instance_uid for file in volume.files))
    return Picture(decoded, digest_of([file.sha256 for file in volume.files]), len(volume.files), plane, uids)


def square(section: Section) -> tuple[NDArray[np.float32], float]:
    """The pixels of a section at the smaller of its two spacings, and that spacing in mm."""
    spacing = min(section.spacing_mm)
    rows, columns = (max(1, round(count * each / spacing)) for count, each in zip(section.values.shape, section.spacing_mm, strict=True))
    if (rows, columns) == section.values.shape:
        return section.values, spacing
    picture = PillowImage.fromarray(section.values).resize((columns, rows), PillowImage.Resampling.BILINEAR)
    return np.asarray(picture, np.float32), spacing


def _first_centre(section: Section, spacing: float) -> NDArray[np.float64]:
    """The centre of the first square pixel: the outer edges of the section stay where they are."""
    down, right = ((spacing / each - 1) / 2 for each in section.spacing_mm)
    centre: NDArray[np.float64] = (section.affine @ np.array([0.0, down, right, 1.0]))[:3]
    return centre


def _scaled(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Values in any unit -> [0, 1]; a constant picture stays one, though interpolation has left it differences in the last places."""
    low, high = float(values.min()), float(values.max())
    constant = high - low <= ROUNDING * max(abs(low), abs(high))
    scaled: NDArray[np.float32] = (values - np.float32(low)) * np.float32(0 if constant else 1 / (high - low))
    return scaled


def _header(scan: Scan) -> Header:
    """What the files of a volume say of it together; the plane is one frame, and of several instances none."""
    first = min(scan.headers, key=lambda header: header.sop_instance_uid)
    uid = first.sop_instance_uid if len(scan.files) == 1 else ""
    return replace(first, sop_instance_uid=uid, frames=1, pixel_aspect=1.0, burned_in=any(header.burned_in for header in scan.headers))


def _whole() -> Quality:
    return Quality(CHECK, passed=True, detail="mid-sagittal, by geometry: through the centre of the volume")


def _single(image: ImageInput, data: bytes, header: Header, limits: Limits) -> Quality:
    """A reservation about a slice that came alone; a refusal where its header says that it is another plane, or turned."""
    for objection in objections_to_shape(image, header):
        raise UnsuitableImageError(f"No image fits the input {image.name}: {objection}.", hint=WHOLE_SERIES)
    directions = _directions(data, limits) if header.format == "dicom" else None
    if directions is None:
        return Quality(CHECK, passed=False, detail="a single picture was read as it is: nothing shows which plane it is")
    along_row, along_column = directions
    if abs(np.cross(along_row, along_column)[0]) < ALONG:
        raise UnsuitableImageError(f"The single slice for the input {image.name} is not sagittal.", hint=WHOLE_SERIES)
    if along_row[1] < ALONG or along_column[2] > -ALONG:
        raise UnsuitableImageError(f"The single slice for the input {image.name} is turned or mirrored.", hint=WHOLE_SERIES)
    return Quality(CHECK, passed=False, detail="a single sagittal slice was read as it is: nothing shows that it is the middle one")


def _directions(data: bytes, limits: Limits) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Where rows and columns of a DICOM slice run to in the patient; None where it does not say."""
    frames = Frames(data, limits)
    try:
        plane = frames.groups[0].plane
    except UnsuitableImageError:
        return None
    return plane.along_row, plane.along_column

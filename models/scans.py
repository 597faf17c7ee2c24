"""Which files of a study belong together, and which of these scans a model cuts its plane out of. Decides by headers alone.

A scan is one NIfTI file, one multi-frame object, the instances of one series, or a single picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

from models.decode import VOLUME_LIMITS, Header, Limits, Volume, read_volume
from models.errors import Detail, StudyError, UnsuitableImageError
from models.headers import Rejected, check_one_patient, check_one_study, name_of, read_headers
from models.select import ONE_PICTURE, fit, kind_objections, view_objections
from models.spec import ImageInput

BETTER = "fits too, but another fits better"


@dataclass(frozen=True)
class Scan:
    """Files that belong together, by their index, and their headers in the same order."""

    files: tuple[int, ...]
    headers: tuple[Header, ...]

    @property
    def is_volume(self) -> bool:
        """Whether there is more of it than one slice."""
        return len(self.files) > 1 or self.headers[0].frames > 1 or self.headers[0].format == "nifti"

    @property
    def stated(self) -> bool:
        """Whether a header tells what it shows."""
        return self.headers[0].format == "dicom"

    @property
    def name(self) -> str:
        """What it is, in words."""
        first = self.headers[0]
        if not self.stated:
            return f"a {name_of(first)}"
        many = f"a series of {len(self.files)} instances" if len(self.files) > 1 else f"one instance of {first.frames} frames"
        return many if self.is_volume else "a single slice"


@dataclass(frozen=True, eq=False)
class ScanChoice:
    """The scan that is read, its volume unless it is a single picture, why, and what became of the other files."""

    scan: Scan
    volume: Volume | None
    reason: str
    rejected: tuple[Rejected, ...]
    headers: tuple[Header, ...]  # of every file that can be read


def volume_limits(limits: Limits) -> Limits:
    """The limits of a volume, with what the machine and its operator refuse."""
    return replace(VOLUME_LIMITS, refused_syntaxes=limits.refused_syntaxes, max_inflation=limits.max_inflation)


def choose_scan(image: ImageInput, files: Sequence[bytes], limits: Limits) -> ScanChoice:
    """Choose the scan that fits an image input, within `volume_limits`; no voxel is decoded.

    Of several that fit: a header before none, a volume before a single slice, original before derived, more voxels, then the
    smaller Series Instance UID. One whose slices make no regular volume gives way to the next, but never to a single slice.

    Raises
    ------
    MetadataConflictError
        More than one patient; or scans of more than one study that fit.
    UnsuitableImageError
        Nothing fits, or several without a header could each be it. The details give one reason for each scan.
    StudyError
        Whatever is wrong with the only scan that fits.
    """
    found = read_headers(image, files, limits)
    headers = tuple(header for header in found if isinstance(header, Header))
    check_one_patient(headers)
    rejected = [Rejected((index,), str(error)) for index, error in enumerate(found) if isinstance(error, StudyError)]
    readable = {index: header for index, header in enumerate(found) if isinstance(header, Header)}
    objected = {index: reason for index, header in readable.items() if (reason := _objection(image, header))}
    rejected += _gathered(readable, objected)
    scans = sorted(_scans({index: header for index, header in readable.items() if index not in objected}), key=_rank)
    if not scans:
        raise _refusal(image, rejected)
    check_one_study([header for scan in scans for header in scan.headers])
    if sum(not scan.stated for scan in scans) > 1 and not scans[0].stated:
        raise UnsuitableImageError(f"Several files without a header were sent for the input {image.name}.", hint=ONE_PICTURE)
    scan, volume, broken = _first_readable(scans, files, limits)
    rejected += broken
    rejected += [Rejected(other.files, BETTER) for other in scans[len(broken) + 1 :]]
    return ScanChoice(scan, volume, _reason(scan, len(scans) - len(broken)), tuple(rejected), headers)


def _objection(image: ImageInput, header: Header) -> str:
    """What speaks against an instance, the most telling first; empty for nothing, and where no header can say anything."""
    if header.format != "dicom":
        return ""
    return next(chain(kind_objections(image, header), view_objections(image, header)), "")


def _scans(readable: dict[int, Header]) -> list[Scan]:
    """Instances of one series belong together; a multi-frame object, and what has no header, is a scan by itself."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for index, header in readable.items():
        alone = header.format != "dicom" or header.frames > 1
        key = (str(index),) if alone else (header.study_instance_uid, header.series_instance_uid)
        groups.setdefault(key, []).append(index)
    return [Scan(tuple(files), tuple(readable[index] for index in files)) for files in groups.values()]


def _rank(scan: Scan) -> tuple[bool, bool, bool, int, str, str]:
    first = min(scan.headers, key=lambda header: header.sop_instance_uid)
    original = first.image_type[:1] == ("ORIGINAL",)
    voxels = sum(header.frames * header.rows * header.columns for header in scan.headers)
    return (not scan.stated, not scan.is_volume, not original, -voxels, first.series_instance_uid, first.sop_instance_uid)


def _first_readable(scans: Sequence[Scan], files: Sequence[bytes], limits: Limits) -> tuple[Scan, Volume | None, list[Rejected]]:
    """The first scan whose slices make a volume, and why those before it do not."""
    if not scans[0].is_volume:
        return scans[0], None, []
    broken: list[Rejected] = []
    errors: list[StudyError] = []
    for scan in scans:
        if scan.is_volume and scan.stated == scans[0].stated:
            try:
                return scan, read_volume([files[index] for index in scan.files], limits), broken
            except StudyError as error:
                errors.append(error)
                broken.append(Rejected(scan.files, str(error)))
    raise errors[0]


def _gathered(readable: dict[int, Header], objected: dict[int, str]) -> list[Rejected]:
    """One entry for all files of a series that share a reason: nobody reads the same line four hundred times."""
    groups: dict[tuple[str, str], list[int]] = {}
    for index, reason in objected.items():
        groups.setdefault((readable[index].series_instance_uid or str(index), reason), []).append(index)
    return [Rejected(tuple(files), reason) for (_, reason), files in groups.items()]


def _refusal(image: ImageInput, rejected: Sequence[Rejected]) -> UnsuitableImageError:
    details = tuple(Detail(f"/images/{image.name}/{each.files[0]}", each.reason) for each in rejected)
    told = f": {details[0].detail}" if len(details) == 1 else ""
    return UnsuitableImageError(f"No image fits the input {image.name}{told}.", details=details)


def _reason(scan: Scan, fitting: int) -> str:
    words = f"{scan.name}; {fit(scan.headers[0])}" if scan.stated else f"{scan.name} has no header to check"
    return words if fitting == 1 else f"{words}; the best of {fitting} that fit"

"""Where the pixels of a file lie, as far as its header says so: what lets a viewer lay another picture over them."""

from __future__ import annotations

from dataclasses import dataclass

from models.decode.dataset import DataSet
from models.decode.functional_groups import functional_groups
from models.decode.geometry import SPACINGS_MM, Plane, plane
from models.decode.tags import Tag
from models.errors import StudyError
from models.prediction import UsedImage
from service.formats.dicom.identity import uid
from service.formats.dicom.source import Instance, is_uid

SAGITTAL = (0, 1, 0, 0, 0, -1)  # of a plane that was cut out of a volume: see models.prediction.Plane


@dataclass(frozen=True, eq=False)
class Space:
    """What a coarser or equal matrix over the same field of view has in common with the pixels of a file.

    `plane` is None for a projection, and where the header says nothing of the patient's coordinates; `spacing_mm` (from row to row,
    from column to column) is then at the detector unless it was calibrated, or None where nothing is said of it either.
    """

    frame_of_reference_uid: str
    rows: int
    columns: int
    spacing_mm: tuple[float, float] | None
    plane: Plane | None

    def of_matrix(self, rows: int, columns: int) -> Space:
        """The space of a matrix of this size that has the same outer edges."""
        if self.spacing_mm is None:
            return Space(self.frame_of_reference_uid, rows, columns, None, None)
        down, right = self.rows / rows, self.columns / columns  # pixels of the file in one of the matrix
        spacing = (self.spacing_mm[0] * down, self.spacing_mm[1] * right)
        return Space(self.frame_of_reference_uid, rows, columns, spacing, self._plane(down, right, spacing))

    def _plane(self, down: float, right: float, spacing: tuple[float, float]) -> Plane | None:
        """The first pixel is larger, so that its centre lies further in."""
        if self.plane is None:
            return None
        along_row, along_column = self.plane.along_row, self.plane.along_column
        inwards = along_column * self.plane.row_spacing * (down - 1) / 2 + along_row * self.plane.column_spacing * (right - 1) / 2
        return Plane(self.plane.position + inwards, along_row, along_column, *spacing)


def space_of(image: UsedImage, header: DataSet, instance: Instance) -> Space:
    """The space of an image that was read: of the file's pixels, or of the plane that was cut out of a volume.

    A file without a frame of reference gets one that nothing else is in (PS3.3 C.7.4.1 wants one of every map).
    """
    cut, stated = image.plane, header.text(Tag.FRAME_OF_REFERENCE_UID)
    alone = uid("frame of reference", instance.series_instance_uid if cut else instance.sop_instance_uid)
    frame_of_reference = stated if is_uid(stated) else alone
    lies = plane(cut.origin_mm, SAGITTAL, (cut.spacing_mm, cut.spacing_mm)) if cut else _stated(header)
    spacing = (lies.row_spacing, lies.column_spacing) if lies else _spacing(header)
    return Space(frame_of_reference, image.rows, image.columns, spacing, lies)


def _stated(header: DataSet) -> Plane | None:
    try:
        return functional_groups(header, 1)[0].plane
    except StudyError:
        return None


def _spacing(header: DataSet) -> tuple[float, float] | None:
    """Pixel Spacing, else Imager Pixel Spacing (PS3.3 10.7)."""
    for tag in (Tag.PIXEL_SPACING, Tag.IMAGER_PIXEL_SPACING):
        match header.decimals(tag):
            case (float(down), float(right)) if SPACINGS_MM[0] <= min(down, right) <= max(down, right) <= SPACINGS_MM[1]:
                return down, right
    return None

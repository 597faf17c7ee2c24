"""Real films for the gate, where they are at hand: a folder laid out as docs/cohorts/gate.md says. Nothing of them is ever written."""

from __future__ import annotations

import csv
import hashlib
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pydicom
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, binary_erosion, binary_fill_holes, find_objects, gaussian_filter, label

from models.decode import VOLUME_LIMITS, Limits, Volume, decode, read_header, read_volume
from models.decode.planes import View, section
from models.errors import StudyError
from models.gate import Part
from models.sections import square
from training.gate.pictures import Picture

Use = Literal["train", "validation", "test"]
LIMITS = Limits()
HELD_OUT = frozenset({"mni"})  # one of the two heads; the hash would train on both
SLICES = 40  # of a volume, in each of three directions
LEAST = 0.15  # of a plane must be more than air
VIEWS: tuple[tuple[View, int], ...] = (("sagittal", 0), ("coronal", 1), ("axial", 2))
PIECES = 24  # cut out of each mammogram


@dataclass(frozen=True)
class Film:
    """One real picture in [0, 1], what it shows, by how many degrees it is turned, and whose it is."""

    picture: Picture
    part: Part
    subject: str
    turned: int = 0

    @property
    def use(self) -> Use:
        """All pictures of one subject go the same way: six tenths train, two choose thresholds, two are kept for figures."""
        if self.subject in HELD_OUT:
            return "test"
        tenth = _number(self.subject) % 10
        return "train" if tenth < 6 else "validation" if tenth < 8 else "test"


def _number(subject: str) -> int:
    return int(hashlib.sha256(subject.encode()).hexdigest(), 16)


def films(root: Path) -> Iterator[Film]:
    """Every real film that is there."""
    yield from _chests(root / "chest_xray")
    yield from _breasts(root / "mammography")
    yield from _heads(root / "alzheimer")
    yield from _hips(root / "hip" / "ddh_pelvis_dicom")
    yield from _others(root)


def readable(path: Path, side: int = 200) -> Picture | None:
    """The picture in a file, its shorter side `side` pixels or more where the file has them; None where the decoder refuses it."""
    data = path.read_bytes()
    try:
        header = read_header(data, LIMITS)
        level = max(0, (min(header.rows, header.columns) // side).bit_length() - 1)
        return decode(data, header, LIMITS, apply_voi=True, level=level).pixels
    except StudyError:
        return None


def _chests(root: Path) -> Iterator[Film]:
    patients = {}
    if (root / "nih_labels.csv").exists():
        with (root / "nih_labels.csv").open(newline="") as table:
            patients = {Path(row["file"]).name: row["patient_id"] for row in csv.DictReader(table)}
    for folder, turned in (("nih_512", 0), ("nih_512_rotated90", 90), ("hannover_512", 0), ("covid_ccby_512", 0), ("dicom", 0)):
        for path in sorted((root / folder).glob("*")):
            picture = readable(path)
            if picture is not None:
                yield Film(picture, "chest", f"{folder[:3]} {patients.get(path.name, path.stem.split('_')[0])}", turned)


def _breasts(root: Path) -> Iterator[Film]:
    whose = {
        path: "cesm " + next(word for word in path.stem.split("_") if word[:1] == "P" and word[1:].isdigit())
        for path in sorted((root / "cdd_cesm" / "images").glob("*.jpg"))
    }
    whose.update({path: f"mg {path.stem}" for path in sorted((root / "dicom").glob("*.dcm"))})
    for path, subject in whose.items():
        picture, fine = readable(path), readable(path, 800)
        if picture is not None and fine is not None:
            yield Film(picture, "breast", subject)
            yield from (Film(piece, "crop", subject) for piece in _pieces(fine, np.random.default_rng(_number(subject))))


def _pieces(picture: Picture, rng: np.random.Generator) -> Iterator[Picture]:
    """Squares of a twelfth to a third of the longer side, with no air in them: as the crop of a lesion is cut."""
    least = 0.1 * float(np.quantile(picture, 0.99))
    for _ in range(PIECES):
        for _ in range(50):
            side = int(np.exp(rng.uniform(np.log(1 / 12), np.log(1 / 3))) * max(picture.shape))
            side = min(side, *picture.shape)
            row, column = (int(rng.integers(0, extent - side + 1)) for extent in picture.shape)
            piece = picture[row : row + side, column : column + side]
            if np.quantile(piece, 0.02) > least:
                yield piece.copy()
                break


def _hips(root: Path) -> Iterator[Film]:
    """Pelvises of infants: no patients of a model here, but the only real films in which the gate can see what a pelvis looks like.

    They are grey pictures stored as RGB, which the decoder refuses; so they are read by pydicom.
    """
    for path in sorted(root.glob("*.dcm")):
        pixels = pydicom.dcmread(path).pixel_array.astype(np.float32)
        grey: Picture = np.asarray(pixels[..., 1] if pixels.ndim == 3 else pixels, np.float32) / np.float32(255)
        yield Film(grey, "hip", f"ddh {path.stem}")


def _heads(root: Path) -> Iterator[Film]:
    series = root / "t1_dicom_series_studyforrest.tar.xz"
    if series.exists():
        with tarfile.open(series) as archive:
            parts = [extracted.read() for member in archive if member.isfile() and (extracted := archive.extractfile(member))]
        whole = _in_memory(read_volume([part for part in parts if part[128:132] == b"DICM"], VOLUME_LIMITS))
        yield from _planes(whole, "studyforrest")
        brain = brain_alone(whole.voxels())
        yield from _planes(replace(whole, shape=brain.shape, read=brain.__getitem__), "studyforrest")
    template = root / "mni_icbm152_t1.nii.gz"
    if template.exists():
        yield from _planes(_in_memory(read_volume([template.read_bytes()], VOLUME_LIMITS)), "mni")


def _in_memory(volume: Volume) -> Volume:
    return replace(volume, read=volume.voxels().__getitem__)


def brain_alone(voxels: NDArray[np.float32]) -> NDArray[np.float32]:
    """A head without scalp and skull, roughly, cut to what is left: what holds together behind the dark rim of skull and fluid."""
    coarse = gaussian_filter(voxels, 1)[::2, ::2, ::2]
    tissue = binary_erosion(coarse > 0.3 * np.quantile(coarse, 0.98), iterations=3)
    labels, _ = label(tissue)
    counts = np.bincount(labels.ravel())
    counts[0] = 0
    mask = binary_fill_holes(binary_dilation(labels == counts.argmax(), iterations=4))
    fine = mask.repeat(2, 0).repeat(2, 1).repeat(2, 2)[tuple(slice(0, extent) for extent in voxels.shape)]
    fine = np.pad(fine, [(0, extent - have) for extent, have in zip(voxels.shape, fine.shape, strict=True)])
    return np.ascontiguousarray((voxels * fine)[find_objects(fine.astype(int))[0]])


def _planes(volume: Volume, subject: str) -> Iterator[Film]:
    """Planes around the middle of a head in three directions, upright, cut as the service cuts the one that it reads."""
    for view, axis in VIEWS:
        ends = volume.affine @ np.array([[0, 0, 0, 1], [*(np.array(volume.shape) - 1), 1]]).T
        low, high = sorted(ends[axis])
        for share in np.linspace(0.3, 0.7, SLICES):
            picture, _ = square(section(volume, view, low + share * (high - low)))
            picture = picture - picture.min()
            if np.mean(picture > 0.1 * picture.max()) > LEAST:
                yield Film(picture / picture.max(), "head", subject)


def _others(root: Path) -> Iterator[Film]:
    """Whatever else lies there: other modalities, other body parts, test patterns, a dog."""
    for folder in ("dicom_conformance", "alzheimer/pet_dicom"):
        for path in sorted((root / folder).rglob("*")):
            picture = readable(path) if path.is_file() else None
            if picture is not None and min(picture.shape) >= 32 and picture.min() < picture.max():
                yield Film(picture, "none", f"{folder} {path.stem[:12]}")

"""Every study of a cohort, read once by exactly what serves it; of each is kept what the checks need, small enough for all rows."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from tqdm import tqdm

from models.decode import VOLUME_LIMITS, Header, Limits, read_header
from models.decode.part10 import is_dicom
from models.errors import StudyError
from models.metadata import validate
from models.prediction import Geometry, Quality, Reading
from models.preprocess import covered
from models.spec import ImageInput, ModelSpec, TabularInput
from models.study import read_study
from training.data import study_of
from training.sources import Row

TINY, PICTURE = 16, 112  # sides, in pixels, of what is compared and of what is shown
FEW = 64  # rows: before that many are read, other processes have barely begun
NEARLY = 5  # of 255: as dark, or as bright, as can be, but for what JPEG adds
NOTHING = Header("dicom", 0, 0)
Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class View:
    """What one file of a row, or one series, is as an input of the model; `content` and what follows only where it could be read."""

    sha256: str
    size: int  # bytes
    header: Header
    content: str = ""  # digest of what the network would get
    rows: int = 0
    columns: int = 0
    dark: float = 0.0  # share of the picture that is as dark as can be
    bright: float = 0.0
    tiny: Picture | None = None


@dataclass(frozen=True)
class Seen:
    """What was found in one row."""

    views: Mapping[str, View] = field(default_factory=dict)
    pictures: Mapping[str, Picture] = field(default_factory=dict)  # as the network sees them; only where asked for
    refusal: tuple[str, str] | None = None  # code and words of the error that the study is refused with
    reservations: tuple[Quality, ...] = ()
    bad_fields: Mapping[str, str] = field(default_factory=dict)  # field -> what is wrong with its value


def see_all(spec: ModelSpec, rows: Sequence[Row], shown: frozenset[int], workers: int | None, *, progress: bool) -> list[Seen]:
    """`see` of every row, with pictures of those that are `shown`, in this process or in several."""
    jobs = [(row, index in shown) for index, row in enumerate(rows)]
    return list(tqdm(_mapped(spec, jobs, workers), total=len(jobs), desc="read every file", unit="study", disable=not progress))


def see(spec: ModelSpec, job: tuple[Row, bool]) -> Seen:
    """Read one row as training and service read it, but for fields that are wrong by themselves: they are told apart."""
    row, shown = job
    bad = _bad_fields(spec.table, row.metadata)
    try:
        study = study_of(row)
    except OSError as error:
        return Seen(refusal=("unreadable_image", f"A file cannot be opened: {error.strerror}."), bad_fields=bad)
    views = {name: _view([part.data for part in study.parts if part.input == name]) for name in row.images}
    usable = replace(study, metadata={name: value for name, value in study.metadata.items() if name not in bad})
    try:
        reading = read_study(spec, usable, Limits())
    except StudyError as error:
        return Seen(views, refusal=(error.code, _words(error)), bad_fields=bad)
    pictures = {image.name: _shown(image, reading) for image in spec.images}
    views = {name: _read_view(view, name, reading, pictures.get(name)) for name, view in views.items()}
    kept = {name: _resized(picture, PICTURE) for name, picture in pictures.items()} if shown else {}
    return Seen(views, kept, None, reading.quality, bad)


def _mapped(spec: ModelSpec, jobs: Sequence[tuple[Row, bool]], workers: int | None) -> Iterator[Seen]:
    if workers == 1 or (workers is None and len(jobs) < FEW):
        yield from map(partial(see, spec), jobs)
        return
    context = multiprocessing.get_context("spawn")  # as in training.data: a fork of a process with threads may never wake up
    with ProcessPoolExecutor(workers or os.cpu_count(), mp_context=context) as pool:
        yield from pool.map(partial(see, spec), jobs, chunksize=8)


def _bad_fields(table: TabularInput, metadata: Mapping[str, object]) -> dict[str, str]:
    """Each field that the service would refuse whatever else is sent, and why."""
    found = {}
    for name, value in metadata.items():
        try:
            validate(table, {name: value})
        except StudyError as error:
            found[name] = error.details[0].detail if error.details else str(error)
    return found


def _words(error: StudyError) -> str:
    """Message and details of an error; what is a request to the service is a table here."""
    details = [detail.detail for detail in error.details if detail.detail not in str(error)]
    return ": ".join([str(error).replace("the request", "the table"), *details[:1]])


def _view(files: Sequence[bytes]) -> View:
    digests = [hashlib.sha256(data).digest() for data in files]
    sha256 = digests[0].hex() if len(digests) == 1 else hashlib.sha256(b"".join(digests)).hexdigest()
    return View(sha256, sum(map(len, files)), _header(files[0]) if files and is_dicom(files[0]) else NOTHING)


def _header(data: bytes) -> Header:
    try:
        return read_header(data, VOLUME_LIMITS)
    except StudyError:
        return NOTHING


def _read_view(view: View, name: str, reading: Reading, picture: Picture | None) -> View:
    """What could be read of an image, or of genotypes."""
    content = hashlib.sha256(reading.tensors[name].tobytes()).hexdigest() if name in reading.tensors else ""
    used = next((image for image in reading.images if image.input == name), None)
    if used is None or picture is None:
        return replace(view, content=content)
    inside = picture[_inside(used.geometry, picture.shape)]
    return replace(
        view, content=content, rows=used.rows, columns=used.columns, dark=float(np.mean(inside <= NEARLY)),
        bright=float(np.mean(inside >= 255 - NEARLY)), tiny=_resized(picture, TINY),
    )  # fmt: skip


def _inside(geometry: Geometry, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which pixels of the network's view the picture fills; the rest is padding."""
    cover = covered(geometry, *shape[:2])
    return np.asarray(cover == cover.max())


def _shown(image: ImageInput, reading: Reading) -> Picture:
    """The network's picture, its normalisation undone."""
    values = reading.tensors[image.name][0] * image.std[0] + image.mean[0]
    return np.asarray((255 * np.clip(values, 0, 1)).round(), np.uint8)


def _resized(picture: Picture, side: int) -> Picture:
    return np.asarray(PillowImage.fromarray(picture).resize((side, side), PillowImage.Resampling.BOX))

"""A cohort that faults are planted in: its tables as dictionaries, its files by row, and changes to DICOM, JPEG and NIfTI."""

import csv
import gzip
import importlib
import io
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import nibabel
import numpy as np
import pydicom
from PIL import Image

CASES, SEED = 24, 5
ROWS = {"bmd": 160, "breast": 64, "chest": 128, "alzheimer": 64}


@dataclass(frozen=True)
class Cohort:
    """`rows` are those of the clean cohort: their places and files do not move when something is planted."""

    model: str
    folder: Path

    @cached_property
    def rows(self):
        return importlib.import_module(f"training.sources.{self.model}").read(self.folder)

    def file(self, index):
        """The first file of a row."""
        return next(iter(self.rows[index].images.values()))

    @contextmanager
    def table(self, name):
        """The records of a table, to be changed; written back at the end."""
        path = self.folder / name
        with path.open(newline="") as stream:
            reader = csv.DictReader(stream)
            columns, records = list(reader.fieldnames), list(reader)
        yield records
        with path.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(records)


@contextmanager
def dicom(path):
    """The data set of a file, to be changed."""
    dataset = pydicom.dcmread(path)
    yield dataset
    dataset.save_as(path)


def set_pixels(dataset, pixels):
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.PixelData = np.ascontiguousarray(pixels).tobytes()


def with_pixels(path, change):
    """A picture's or a volume's values, changed by a function of them, in the file's own format."""
    if path.name.endswith(".nii.gz"):
        volume = nibabel.load(path)
        values = change(np.asarray(volume.dataobj))
        path.write_bytes(gzip.compress(nibabel.Nifti1Image(values.astype("<i2"), volume.affine).to_bytes()))
    elif path.suffix == ".dcm":
        with dicom(path) as dataset:
            if dataset.file_meta.TransferSyntaxUID.is_compressed:
                dataset.decompress(generate_instance_uid=False)
            set_pixels(dataset, change(dataset.pixel_array))
    else:
        write_jpeg(path, change(np.asarray(Image.open(path))))


def write_jpeg(path, pixels):
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=100)
    path.write_bytes(out.getvalue())


def clipped(pixels):
    """Everything above the median as bright as the brightest."""
    return np.where(pixels > np.median(pixels[pixels > pixels.min()]), pixels.max(), pixels).astype(pixels.dtype)

"""One phantom through the encoders of two other projects, dcmtk and GDCM: the stored values that a decoder of theirs gives, and ours.

Native files go to each tool and come back compressed; the tool that did not compress them decompresses them where it can. Both
must agree with the phantom where nothing is lost, and with each other within one grey level where something is.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
import pytest

from models.decode import read_header, stored_values
from tests.models.decode.synthetic import LIMITS, dicom, radiograph

TOOLS = ("dcmcjpeg", "dcmdjpeg", "dcmcjpls", "dcmdjpls", "dcmcrle", "dcmdrle", "dcmconv", "gdcmconv")
pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, TOOLS)), reason="the DICOM tools of dcmtk and GDCM (apt-get install dcmtk libgdcm-tools) are not here"
)


@dataclass(frozen=True)
class Phantom:
    """One way to store the picture: its bits, its sign, where they lie in their cells, and what is white."""

    bits: int
    signed: bool = False
    shift: int = 0  # of High Bit above Bits Stored - 1
    photometric: str = "MONOCHROME2"

    @property
    def name(self) -> str:
        """For the test's name."""
        return f"{'signed' if self.signed else 'unsigned'} {self.bits} bits, shifted {self.shift}, {self.photometric}"

    @property
    def values(self) -> np.ndarray:
        """The stored values, (70, 52)."""
        grey = radiograph(bits=self.bits).astype(np.int64)
        return grey - (1 << self.bits - 1) if self.signed else grey

    def file(self) -> bytes:
        """Its native file in explicit little endian."""
        kind = f"{'i' if self.signed else 'u'}{1 if self.bits <= 8 else 2}"
        cells = (self.values << self.shift).astype(kind)
        high = self.bits - 1 + self.shift
        return dicom(cells, bits=self.bits, HighBit=high, PhotometricInterpretation=self.photometric, StudyInstanceUID="2.25.9",
                     SeriesInstanceUID="2.25.8", Modality="DX", PatientName="A^B", PatientID="1")  # fmt: skip


FULL = [Phantom(8), Phantom(8, photometric="MONOCHROME1"), Phantom(10), Phantom(12), Phantom(12, photometric="MONOCHROME1"), Phantom(16)]
SIGNED = [Phantom(8, signed=True), Phantom(12, signed=True), Phantom(16, signed=True)]
ODD = [Phantom(12, shift=2), Phantom(12, shift=4, signed=True), Phantom(10, shift=5)]

NATIVE = {
    "1.2.840.10008.1.2": ["dcmconv", "+ti"], "1.2.840.10008.1.2.1": ["dcmconv", "+te"], "1.2.840.10008.1.2.2": ["dcmconv", "+tb"],
    "1.2.840.10008.1.2.1.99": ["dcmconv", "+td"],
}  # fmt: skip
LOSSLESS = {
    "1.2.840.10008.1.2.5 dcmtk": ["dcmcrle"],
    "1.2.840.10008.1.2.5 gdcm": ["gdcmconv", "--rle"],
    "1.2.840.10008.1.2.4.70 dcmtk": ["dcmcjpeg", "+e1"],
    "1.2.840.10008.1.2.4.70 gdcm": ["gdcmconv", "--jpeg"],
    **{f"1.2.840.10008.1.2.4.57 dcmtk, predictor {number}": ["dcmcjpeg", "+el", "+sv", str(number)] for number in range(1, 8)},
    "1.2.840.10008.1.2.4.80 dcmtk": ["dcmcjpls", "+el"],
    "1.2.840.10008.1.2.4.80 gdcm": ["gdcmconv", "--jpegls"],
    "1.2.840.10008.1.2.4.90 gdcm": ["gdcmconv", "--j2k"],
}
LOSSY = {
    "1.2.840.10008.1.2.4.50 dcmtk": ["dcmcjpeg", "+eb", "+q", "95"],
    "1.2.840.10008.1.2.4.51 dcmtk": ["dcmcjpeg", "+ee", "+q", "98"],
    "1.2.840.10008.1.2.4.81 dcmtk": ["dcmcjpls", "+en", "+md", "3"],
    "1.2.840.10008.1.2.4.81 gdcm": ["gdcmconv", "--jpegls", "--lossy", "-e", "2"],
    "1.2.840.10008.1.2.4.91 gdcm": ["gdcmconv", "--j2k", "--lossy", "--irreversible", "-r", "4"],
    "1.2.840.10008.1.2.4.91 gdcm, reversible": ["gdcmconv", "--j2k", "--lossy", "-r", "4"],
}
BACK = {"1.2.840.10008.1.2.5": "dcmdrle", "1.2.840.10008.1.2.4.8": "dcmdjpls", "1.2.840.10008.1.2.4.9": "gdcmconv --raw"}


def run(command: list[str], source: Path, target: Path) -> Path:
    """One tool's conversion of a file; a test that a tool cannot take part in says so by failing here."""
    done = subprocess.run([*command, str(source), str(target)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return target


def converted(phantom: Phantom, command: list[str], folder: Path) -> Path:
    native = folder / "native.dcm"
    native.write_bytes(phantom.file())
    return run(command, native, folder / "converted.dcm")


def ours(path: Path, syntax: str) -> np.ndarray:
    data = path.read_bytes()
    header = read_header(data, LIMITS)
    assert header.transfer_syntax == syntax.partition(" ")[0]
    return stored_values(data, header, LIMITS).astype(np.int64)


def theirs(path: Path, syntax: str) -> np.ndarray:
    """What the tools make of the file: native cells again, masked as PS3.5 8.1.1 says."""
    back = next((command for start, command in BACK.items() if syntax.startswith(start)), "dcmdjpeg")
    dataset = pydicom.dcmread(run(back.split(" "), path, path.with_name("back.dcm")))
    cells = np.frombuffer(dataset.PixelData, f"<u{dataset.BitsAllocated // 8}", dataset.Rows * dataset.Columns).astype(np.int64)
    values = (cells >> dataset.HighBit + 1 - dataset.BitsStored) & (1 << dataset.BitsStored) - 1
    sign = 1 << dataset.BitsStored - 1
    return ((values ^ sign) - sign if dataset.PixelRepresentation else values).reshape(dataset.Rows, dataset.Columns)


@pytest.mark.parametrize("phantom", [*FULL, *SIGNED, *ODD], ids=lambda phantom: phantom.name)
@pytest.mark.parametrize("syntax", NATIVE)
def test_native_values_are_those_of_the_phantom_in_every_encoding(tmp_path, phantom, syntax):
    np.testing.assert_array_equal(ours(converted(phantom, NATIVE[syntax], tmp_path), syntax), phantom.values)


@pytest.mark.parametrize("phantom", [*FULL, *SIGNED], ids=lambda phantom: phantom.name)
@pytest.mark.parametrize("syntax", LOSSLESS)
def test_lossless_values_are_those_of_the_phantom_and_of_another_decoder(tmp_path, phantom, syntax):
    path = converted(phantom, LOSSLESS[syntax], tmp_path)
    values = ours(path, syntax)
    np.testing.assert_array_equal(values, phantom.values)
    np.testing.assert_array_equal(values, theirs(path, syntax))


@pytest.mark.parametrize("bits", [8, 12])
@pytest.mark.parametrize("syntax", LOSSY)
def test_lossy_values_are_within_one_grey_level_of_another_decoder(tmp_path, bits, syntax):
    path = converted(Phantom(bits), LOSSY[syntax], tmp_path)
    values = ours(path, syntax)
    assert np.abs(values - theirs(path, syntax)).max() <= 1
    assert np.corrcoef(values.ravel(), Phantom(bits).values.ravel())[0, 1] > 0.998  # dcmcjpeg scales the values to its 8 or 12 bits

"""DICOM files made in memory: one honest radiograph, and whatever a test wants different about it."""

import io
import struct
import tempfile
from pathlib import Path

import gdcm
import jpeg_ls
import numpy as np
from imagecodecs import htj2k_encode, jpeg8_encode
from openjpeg.utils import encode_array
from PIL import Image as Picture
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.encoders.native import _encode_frame as encode_rle

from models.decode import Limits

LIMITS = Limits()
DX = "1.2.840.10008.5.1.4.1.1.1.1"
IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
RLE, BASELINE, EXTENDED = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"
LOSSLESS, LOSSLESS_SV1 = "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"
LS, LS_NEAR = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"
J2K, J2K_LOSSY = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"
HTJ2K, HTJ2K_RPCL = "1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202"

GDCM = {
    LOSSLESS: gdcm.TransferSyntax.JPEGLosslessProcess14,
    LOSSLESS_SV1: gdcm.TransferSyntax.JPEGLosslessProcess14_1,
}


def radiograph(rows=70, columns=52, bits=12):
    """Smooth structure with noise, asymmetric in every direction, over nearly the whole range."""
    y, x = np.mgrid[0:rows, 0:columns]
    noise = np.random.default_rng(7).normal(0, 0.01, (rows, columns))
    shape = (0.2 + 0.3 * y / rows + 0.25 * x / columns + 0.2 * np.sin(x / 9) * np.cos(y / 13) + noise).clip(0, 1)
    return np.round(shape * (2**bits - 1)).astype("u1" if bits <= 8 else "<u2")


def instance(pixels, *, bits=12, **attributes):
    """A DX image with explicit little-endian pixels; None takes an attribute away."""
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = DX, "2.25.1"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = pixels.itemsize * 8, bits, bits - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
    dataset["PixelData"].VR = "OB" if pixels.itemsize == 1 else "OW"
    for keyword, value in attributes.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    return dataset


def written(dataset, syntax=EXPLICIT):
    """The bytes of a DICOM file."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID", DX)
    dataset.file_meta.MediaStorageSOPInstanceUID = "2.25.1"
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


def dicom(pixels=None, *, bits=12, syntax=EXPLICIT, **attributes):
    """The bytes of an instance with native pixels."""
    pixels = radiograph() if pixels is None else pixels
    dataset = instance(pixels, bits=bits, **attributes)
    if syntax == BIG and pixels.itemsize == 2 and "PixelData" not in attributes:
        dataset.PixelData = pixels.astype(pixels.dtype.newbyteorder(">")).tobytes()
    return written(dataset, syntax)


def compressed(pixels, syntax, *, bits=12, frames=None, **attributes):
    """The bytes of an instance whose pixels are compressed, or whose fragments are given."""
    dataset = instance(pixels, bits=bits, **attributes)
    dataset.PixelData = encapsulate(frames or [codestream(pixels, syntax, bits)])
    dataset["PixelData"].is_undefined_length = True
    dataset["PixelData"].VR = "OB"
    return written(dataset, syntax)


def codestream(pixels, syntax, bits):
    """One frame, compressed by an encoder for its transfer syntax."""
    if syntax == RLE:
        return _rle(pixels)
    if syntax in {LS, LS_NEAR}:
        return bytes(jpeg_ls.encode_array(pixels))
    if syntax in {J2K, J2K_LOSSY}:
        return bytes(encode_array(pixels, bits_stored=bits, photometric_interpretation=2, use_mct=False))
    if syntax in {HTJ2K, HTJ2K_RPCL}:
        return bytes(htj2k_encode(pixels, reversible=True))
    if syntax in {BASELINE, EXTENDED}:  # GDCM writes Extended with sixteen bits, which it does not have (T.81 table B.2)
        return bytes(jpeg8_encode(pixels, level=100, bitspersample=bits))
    return _through_gdcm(pixels, syntax, bits)


def _rle(pixels):
    class Runner:
        transfer_syntax, rows, columns, samples_per_pixel, frame_length = RLE, *pixels.shape, 1, pixels.nbytes
        bits_allocated = pixels.itemsize * 8

        def get_option(self, _, default=None):
            return default

    return bytes(encode_rle(pixels.tobytes(), Runner()))


def _through_gdcm(pixels, syntax, bits):
    """GDCM encodes files, not arrays; this way Python owns nothing that it frees."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "native.dcm", Path(folder) / "compressed.dcm"
        source.write_bytes(dicom(pixels, bits=bits))
        reader = gdcm.ImageReader()
        reader.SetFileName(str(source))
        change = gdcm.ImageChangeTransferSyntax()
        change.SetTransferSyntax(gdcm.TransferSyntax(GDCM[syntax]))
        writer = gdcm.ImageWriter()
        writer.SetFileName(str(target))
        assert reader.Read()
        change.SetInput(reader.GetImage())
        assert change.Change()
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        assert writer.Write()
        return _only_fragment(target.read_bytes())


def _only_fragment(data):
    item = struct.pack("<HH", 0xFFFE, 0xE000)
    table = data.index(item, data.index(b"\xe0\x7f\x10\x00OB"))
    start = data.index(item, table + 4)
    (length,) = struct.unpack_from("<I", data, start + 4)
    return data[start + 8 : start + 8 + length]


def element(tag, vr, value, length=None):
    """One explicit little-endian data element, as wrong as asked for."""
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr
    length = len(value) if length is None else length
    is_long = vr in {b"OB", b"OW", b"SQ", b"UN", b"UT", b"UC"}
    return head + (struct.pack("<HI", 0, length) if is_long else struct.pack("<H", length)) + value


def part10(body, syntax=EXPLICIT):
    """A preamble and file meta information before a hand-made data set."""
    uid = syntax.encode() + b"\0" * (len(syntax) % 2)
    return bytes(128) + b"DICM" + element(0x00020010, b"UI", uid) + body


def png(pixels, **options):
    """The bytes of a PNG."""
    out = io.BytesIO()
    (pixels if isinstance(pixels, Picture.Image) else Picture.fromarray(pixels)).save(out, "PNG", **options)
    return out.getvalue()


def jpeg(pixels, **options):
    """The bytes of a JPEG."""
    out = io.BytesIO()
    (pixels if isinstance(pixels, Picture.Image) else Picture.fromarray(pixels)).save(out, "JPEG", **({"quality": 95} | options))
    return out.getvalue()

"""The hostile corpus: what may stand in a file, what is answered, and what the answer must name. Generated, never stored.

Numbers are those of the project's list of attacks on decoding, 23 to 47. Each case is a file sent as the one image of a study; its
outcome is the class of error, or None where the file is to be read in spite of what it holds.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image as Picture

from models.errors import (
    MetadataConflictError,
    NotEvaluableError,
    StudyError,
    TooLargeError,
    UnreadableImageError,
    UnsuitableImageError,
    UnsupportedFormatError,
)
from tests.models.decode.hostile_parts import (
    CLOSED,
    ITEM,
    OPEN,
    animation,
    before_pixels,
    big_name,
    body,
    chunk,
    damaged_png,
    declared,
    deflated,
    fragments,
    frame_of,
    grey,
    implicit,
    lines,
    lying_group_length,
    meta,
    of_process,
    packed,
    picture,
    raw_png,
    replaced,
    restart_markers,
    short_rle,
    table,
    with_scans,
    without_last_scans,
)
from tests.models.decode.synthetic import BASELINE, EXPLICIT, EXTENDED, IMPLICIT, J2K, LOSSLESS_SV1, LS, RLE, element, part10
from tests.service.studies import hip_dicom, pixels

Outcome = type[StudyError] | None
BIG = "1.2.840.10008.1.2.2"
FILM = 0x00081140


@dataclass(frozen=True)
class Case:
    """One hostile file: its number in the list, what is wrong with it, its bytes, and what is answered."""

    number: int
    name: str
    build: Callable[[], bytes]
    outcome: Outcome
    names: str = ""  # what stands in the message: the attribute that is wrong


def elements(count: int) -> bytes:
    """Private elements, as many as asked for."""
    return b"".join(element(0x00090000 + (block << 17) + number, b"LO", b"") for block in range(count // 0xE000 + 1)
                    for number in range(0x1000, 0x1000 + min(0xE000, count - block * 0xE000)))  # fmt: skip


def lut(**changed: object) -> Callable[[], bytes]:
    return lambda: hip_dicom(**changed)


def film(head: bytes) -> Callable[[], bytes]:
    return lambda: head + hip_dicom()[len(head) :]


def cut(syntax: str, bits: int, keep: float, end: bytes = b"") -> Callable[[], bytes]:
    """A codestream without its end; `end` forges the marker that would be there."""

    def build() -> bytes:
        frame = frame_of(syntax, bits)
        return packed(syntax, bits, frame[: int(len(frame) * keep)] + end)

    return build


def constant(value: int) -> Callable[[], bytes]:
    return lambda: hip_dicom(PixelData=np.full((256, 256), value, "<u2").tobytes())


DEFLATED = [
    Case(23, "deflated bomb", lambda: part10(deflated(256 << 20), "1.2.840.10008.1.2.1.99"), TooLargeError, "max_inflation"),
    *(Case(23, f"deflated in {uid}", lambda uid=uid: part10(deflated(16 << 20), uid), UnsupportedFormatError, "Deflated")
      for uid in ("1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205", "1.2.840.10008.1.2.8.1")),
]  # fmt: skip
HEADERS = [
    Case(24, "65535 x 65535", lut(Rows=65535, Columns=65535), TooLargeError, "max_pixels"),
    Case(24, "more rows than pixels", lut(Rows=300), UnreadableImageError, "Pixel Data (7FE0,0010)"),
    Case(24, "2^31 - 1 frames", lut(NumberOfFrames=2**31 - 1), TooLargeError, "max_frames"),
    Case(24, "64 bits", lut(BitsAllocated=64, BitsStored=64, HighBit=63), UnreadableImageError, "Bits Allocated (0028,0100)"),
    Case(25, "rows as UL", lambda: replaced(hip_dicom(), b"\x28\0\x10\0US\2\0\0\1", b"\x28\0\x10\0UL\4\0\0\1\0\0"),
         UnreadableImageError, "Rows (0028,0010)"),
    Case(25, "no rows", lut(Rows=None), UnreadableImageError, "Rows (0028,0010) is missing"),
    Case(25, "rows twice", lambda: replaced(hip_dicom(), b"\x28\0\x11\0US", b"\x28\0\x10\0US\2\0\0\1\x28\0\x11\0US"), UnreadableImageError,
         "twice"),
    Case(26, "palette", lut(PhotometricInterpretation="PALETTE COLOR"), UnsuitableImageError, "colour"),
    Case(26, "palette beyond its table", lambda: hip_dicom(PhotometricInterpretation="PALETTE COLOR",
         RedPaletteColorLookupTableDescriptor=[1, 0, 16], RedPaletteColorLookupTableData=b"\0\0"), UnsuitableImageError, "colour"),
    Case(26, "table of 0 entries that are 65536", lut(VOILUTSequence=table(3, 16, said=0)), UnreadableImageError, "LUT Data (0028,3006)"),
    Case(26, "index beyond a short table", lut(VOILUTSequence=table(2000, 16)), None),
]  # fmt: skip
FRAGMENTS = [
    Case(27, "table outside", lambda: fragments([struct.pack("<I", 1 << 24), frame_of(J2K)], syntax=J2K), UnreadableImageError,
         "Basic Offset Table"),
    Case(27, "no fragment", lambda: fragments([b""], syntax=J2K), UnreadableImageError, "no fragment"),
    Case(27, "a million fragments", lambda: fragments([b""] * 1_000_000, syntax=J2K), TooLargeError, "max_elements"),
    Case(27, "odd fragment", lambda: fragments([b"", frame_of(RLE)[:999]], syntax=RLE), UnreadableImageError, "fragments"),
    Case(27, "no delimiter", lambda: fragments([b"", frame_of(RLE)[:1000]], end=b"", syntax=RLE), UnreadableImageError, "truncated"),
    Case(28, "J2K of other rows", lambda: packed(J2K, Rows=255), UnreadableImageError, "rows and columns"),
    Case(28, "J2K that claims 12000 x 12000", lambda: packed(J2K, 12, frame_of(J2K)[:8] + struct.pack(">II", 12000, 12000)
         + frame_of(J2K)[16:140]), UnreadableImageError, "rows and columns"),
    Case(28, "JPEG of other columns", lambda: packed(LOSSLESS_SV1, Columns=128), UnreadableImageError, "rows and columns"),
    *(Case(29, f"cut {syntax} at {keep}", cut(syntax, bits, keep), UnreadableImageError)
      for syntax, bits in ((J2K, 12), (LS, 12), (LOSSLESS_SV1, 12), (EXTENDED, 12), (BASELINE, 8), (RLE, 12)) for keep in (0.1, 0.5, 0.97)),
    *(Case(29, f"cut {syntax} at {keep} with a forged end", cut(syntax, 12, keep, b"\xff\xd9"), UnreadableImageError)
      for syntax in (J2K, LS, LOSSLESS_SV1, EXTENDED) for keep in (0.5, 0.97, 0.999)),
    Case(29, "JPEG without its last scans", lambda: without_last_scans(picture("JPEG", progressive=True)), UnreadableImageError, "scans"),
    Case(29, "RLE segments beyond the frame", lambda: packed(RLE, 12, struct.pack("<16I", 2, 64, 4_000_000_000, *[0] * 13) + bytes(400)),
         UnreadableImageError, "RLE header"),
    Case(29, "RLE segments that end early", lambda: packed(RLE, 12, short_rle(0.5)), UnreadableImageError),
    Case(29, "65,000 restart markers behind the scan", lambda: restart_markers(65_000, within=False), None),
    Case(29, "65,000 restart markers within the scan", lambda: restart_markers(65_000, within=True), UnreadableImageError),
]  # fmt: skip
STRUCTURE = [
    Case(30, "no VR in the meta information", lambda: meta(element(0x00020012, b"ZZ", b"1.2 ")) + body(), UnreadableImageError,
         "value representation"),
    Case(30, "undefined length of a string", lambda: before_pixels(struct.pack("<HH", 0x0040, 0x0254) + b"UT\0\0\xff\xff\xff\xff"),
         UnreadableImageError, "undefined length"),
    Case(30, "undefined length everywhere", lambda: before_pixels(element(0x00400275, b"SQ", b"", 0xFFFFFFFF) * 3), UnreadableImageError),
    Case(31, "10,000 sequences deep", lambda: before_pixels(OPEN * 10_000), TooLargeError,
         "max_depth"),
    Case(31, "10,000 deep and closed", lambda: before_pixels(OPEN * 10_000 + CLOSED * 10_000),
         TooLargeError, "max_depth"),
    Case(31, "a million private elements", lambda: meta() + elements(1_000_000), TooLargeError, "max_elements"),
    *(Case(32, f"preamble {head[:4]!r}", film(head), UnsupportedFormatError, "preamble")
      for head in (b"MZ\x90\0", b"\x7fELF", b"#!/bin/sh", b"PK\3\4", b"%PDF-1.7", b"\xcf\xfa\xed\xfe")),
    Case(32, "preamble of a TIFF", film(b"II*\0"), None),
    Case(32, "no preamble", lambda: hip_dicom()[132:], None),
    Case(33, "DICOMDIR", lambda: part10(element(0x00041130, b"CS", b"SET ")
         + element(0x00041220, b"SQ", ITEM + struct.pack("<I", 20) + element(0x00041500, b"CS", b"..\\..\\passwd"))), UnreadableImageError,
         "pixel data"),
    Case(34, "escapes in a name", lambda: replaced(hip_dicom(SpecificCharacterSet="ISO_IR 100"), b"ISO_IR 100", b"ISO 2022\\\xff"), None),
    Case(34, "a name of a megabyte", big_name, None),
    Case(34, "a name of invalid bytes", lambda: replaced(hip_dicom(), b"ZZCANARY^PATIENT", b"\x1b$B\xff\xfe\x80CANARY^X\xc3\x28"), None),
]  # fmt: skip
MISLABELLED = [
    Case(35, "implicit declared explicit", lambda: declared(implicit(), IMPLICIT, EXPLICIT), UnreadableImageError, "value representation"),
    Case(35, "explicit declared implicit", lambda: declared(hip_dicom(), EXPLICIT, IMPLICIT), UnreadableImageError),
    Case(35, "little declared big endian", lambda: declared(hip_dicom(), EXPLICIT, BIG), UnreadableImageError),
    Case(35, "a group length that lies", lying_group_length, None),
    Case(36, "two frames", lambda: hip_dicom(NumberOfFrames=2, PixelData=pixels().tobytes() * 2), TooLargeError, "max_frames"),
    *(Case(36, f"video {uid}", lambda uid=uid: declared(hip_dicom(), EXPLICIT, uid), UnsupportedFormatError, "transfer syntax")
      for uid in ("1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.4.102", "1.2.840.10008.1.2.4.107")),
    *(Case(36, name, lambda uid=uid: hip_dicom(SOPClassUID=uid, PixelData=None, Rows=None, Columns=None), UnreadableImageError,
           "holds no pixel data")
      for name, uid in (("structured report", "1.2.840.10008.5.1.4.1.1.88.33"), ("PDF", "1.2.840.10008.5.1.4.1.1.104.1"),
                        ("CDA", "1.2.840.10008.5.1.4.1.1.104.2"), ("STL", "1.2.840.10008.5.1.4.1.1.104.3"))),
    Case(36, "segmentation", lut(SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4", Modality="SEG"), UnsuitableImageError, "modality"),
]  # fmt: skip
GREYSCALE = [
    Case(37, "slope 0", lut(RescaleSlope=0, RescaleIntercept=0), UnreadableImageError, "Rescale Slope (0028,1053)"),
    Case(37, "slope nan", lambda: replaced(hip_dicom(RescaleSlope="1.25", RescaleIntercept=0), b"1.25", b"nan "), UnreadableImageError,
         "Rescale Slope (0028,1053)"),
    Case(37, "width 0", lut(WindowCenter=1, WindowWidth=0), UnreadableImageError, "Window Width (0028,1051)"),
    Case(37, "unknown function", lut(WindowCenter=1, WindowWidth=9, VOILUTFunction="CUBIC"), UnreadableImageError, "(0028,1056)"),
    Case(37, "window beside the data", lut(WindowCenter=50000, WindowWidth=10), NotEvaluableError, "Window Center (0028,1050)"),
    Case(37, "high bit beyond the cell", lut(HighBit=16), UnreadableImageError, "High Bit (0028,0102)"),
    Case(37, "table of 4-bit entries", lut(VOILUTSequence=table(16, 4)), UnreadableImageError, "LUT Descriptor (0028,3002)"),
    Case(38, "turned", lut(PatientOrientation=["F", "R"]), UnsuitableImageError, "turned or mirrored"),
    Case(38, "mirrored", lut(PatientOrientation=["R", "F"]), UnsuitableImageError, "turned or mirrored"),
    Case(38, "the other side than the request states", lut(ImageLaterality="R"), MetadataConflictError, "side"),
    *(Case(39, name, lambda tag=tag, vr=vr: replaced(hip_dicom(), b"\xe0\x7f\x10\x00OW", struct.pack("<HH", 0x7FE0, tag) + vr),
           UnreadableImageError, "Float")
      for name, tag, vr in (("float pixels", 8, b"OF"), ("double pixels", 9, b"OD"))),
    Case(39, "one bit", lut(BitsAllocated=1, BitsStored=1, HighBit=0, PixelData=bytes(8192)), UnreadableImageError, "Bits Allocated"),
    Case(40, "an instance", lut(SOPInstanceUID="2.25.40"), None),
    Case(40, "the same instance with other pixels", lut(SOPInstanceUID="2.25.40", PixelData=np.flipud(pixels()).tobytes()), None),
    *(Case(41, name, lambda changed=changed: hip_dicom(**{"PatientAge": None, **changed}), None)
      for name, changed in (("age 999Y", {"PatientAge": "999Y"}), ("no date", {"StudyDate": None}), ("a study of the future", {
          "StudyDate": "29991231", "PatientBirthDate": "19500101"}), ("born after the study", {"PatientBirthDate": "20300101"}))),
    Case(41, "a date that is none", lambda: replaced(hip_dicom(PatientAge=None, PatientBirthDate="19500203"), b"19500203", b"19501399"),
         None),
]  # fmt: skip


PNGS = [
    Case(42, "PNG of 16000 x 10000", lambda: raw_png(10_000, 16_000, bytes(16_001 * 10_000)), TooLargeError, "max_pixels"),
    Case(43, "zTXt bomb", lambda: raw_png(256, 256, lines(), chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(80 << 20)))),
         UnreadableImageError),
    Case(43, "iCCP bomb", lambda: raw_png(256, 256, lines(), chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(80 << 20)))),
         UnreadableImageError),
    Case(43, "100,000 chunks", lambda: raw_png(256, 256, lines(), chunk(b"tIME", bytes(7)) * 100_000), None),
    Case(43, "bad checksum", damaged_png, UnreadableImageError, "checksum"),
    Case(43, "10,000 frames", lambda: raw_png(256, 256, lines(), *animation(10_000)), UnsuitableImageError, "animated"),
    Case(43, "1 bit", lambda: picture("PNG", Picture.fromarray(grey()).convert("1")), UnsuitableImageError, "colour"),
    Case(43, "16 bits and alpha", lambda: raw_png(256, 256, b"".join(b"\0" + bytes(1024) for _ in range(256)), depth=16, colour=4),
         UnsuitableImageError),
    Case(43, "interlaced and short", lambda: raw_png(256, 256, lines(), interlace=1)[:4000], UnreadableImageError),
]  # fmt: skip
JPEGS = [
    Case(44, "1,000 scans", lambda: with_scans(1000), UnreadableImageError, "scans"),
    Case(44, "CMYK", lambda: picture("JPEG", Picture.new("CMYK", (256, 256), (9, 200, 30, 40))), UnsuitableImageError, "colour"),
    Case(44, "arithmetic coding", lambda: of_process(0xC9), UnsupportedFormatError, "baseline or progressive"),
    Case(44, "lossless", lambda: frame_of(LOSSLESS_SV1), UnsupportedFormatError, "baseline or progressive"),
    Case(44, "12 bits", lambda: frame_of(EXTENDED), UnsupportedFormatError, "8-bit"),
    Case(
        44,
        "12 bits in baseline",
        lambda: packed(BASELINE, 12, frame_of(EXTENDED).replace(b"\xff\xc1", b"\xff\xc0", 1)),
        UnreadableImageError,
    ),
]
FORMATS = [
    Case(45, "PNG and HTML", lambda: picture("PNG") + b"<script>alert(1)</script>", None),
    Case(45, "PNG and ZIP", lambda: picture("PNG") + b"PK\5\6" + bytes(18), None),
    Case(45, "GIF and script", lambda: b"GIF89a/*" + bytes(10) + b"*/=1;alert(1)", UnsupportedFormatError, "neither"),
    *(Case(45, kind, lambda kind=kind: picture(kind), UnsupportedFormatError, "neither")
      for kind in ("TIFF", "WEBP", "AVIF", "ICO", "BMP", "GIF", "JPEG2000")),
    Case(45, "EPS", lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", UnsupportedFormatError, "neither"),
    Case(45, "PSD", lambda: b"8BPS\0\1" + bytes(100), UnsupportedFormatError, "neither"),
    Case(46, "SVG", lambda: b'<svg xmlns="http://www.w3.org/2000/svg"/>', UnsupportedFormatError, "neither"),
    Case(46, "XXE", lambda: b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "/etc/passwd">]><a>&b;</a>',
         UnsupportedFormatError, "neither"),
    Case(46, "a billion laughs", lambda: b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;">]><a>&c;</a>',
         UnsupportedFormatError, "neither"),
]  # fmt: skip
EMPTY = [
    Case(47, "1 x 1", lambda: picture("PNG", Picture.new("L", (1, 1), 9)), UnsuitableImageError, "shorter side"),
    Case(47, "1 x 5000", lambda: picture("PNG", Picture.new("L", (5000, 1), 9)), UnsuitableImageError, "shorter side"),
    *(Case(47, f"constant {value}", constant(value), NotEvaluableError, "constant") for value in (0, 7, 4095)),
    Case(47, "constant PNG", lambda: picture("PNG", Picture.new("L", (256, 256), 255)), NotEvaluableError, "constant"),
]
CASES = [*DEFLATED, *HEADERS, *FRAGMENTS, *STRUCTURE, *MISLABELLED, *GREYSCALE, *PNGS, *JPEGS, *FORMATS, *EMPTY]

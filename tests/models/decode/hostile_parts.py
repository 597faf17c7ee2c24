"""What the hostile corpus is made of: one honest hip with a name that must never be seen again, and ways to spoil it."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from PIL import Image as Picture
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tests.models.decode.synthetic import EXPLICIT, IMPLICIT, codestream, compressed, dicom, element
from tests.service.studies import CANARY, CANARY_ID, hip_dicom, pixels

HIP = {
    "Modality": "DX", "PresentationIntentType": "FOR PRESENTATION", "ImageType": ["DERIVED", "PRIMARY"], "BodyPartExamined": "HIP",
    "ViewPosition": "AP", "ImageLaterality": "L", "PatientName": CANARY, "PatientID": CANARY_ID, "PatientSex": "F", "PatientAge": "071Y",
}  # fmt: skip
ITEM, SEQUENCE_END = struct.pack("<HH", 0xFFFE, 0xE000), struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
OPEN = struct.pack("<HH", 0x0040, 0x0275) + b"SQ\0\0\xff\xff\xff\xff" + ITEM + b"\xff\xff\xff\xff"
CLOSED = struct.pack("<HHI", 0xFFFE, 0xE00D, 0) + SEQUENCE_END


def grey(bits: int = 8) -> np.ndarray:
    """The hip, (256, 256), in so many bits."""
    return (pixels() >> 12 - bits).astype(np.uint8) if bits <= 8 else pixels() << bits - 12


def packed(syntax: str, bits: int = 12, frame: bytes | None = None, **changed: Any) -> bytes:
    """The hip in a compressed transfer syntax, or any frame in its place."""
    return compressed(grey(bits), syntax, bits=bits, frames=None if frame is None else [frame], **(HIP | changed))


def frame_of(syntax: str, bits: int = 12) -> bytes:
    """The codestream of the hip, without its padding."""
    return codestream(grey(bits), syntax, bits).rstrip(b"\0")


def body(**changed: Any) -> bytes:
    """The data set of the hip, behind its file meta information."""
    data = hip_dicom(**changed)
    return data[data.index(b"\x08\x00\x08\x00CS") :]


def meta(*extra: bytes, syntax: str = EXPLICIT) -> bytes:
    """A preamble and file meta information with more elements in it."""
    uid = syntax.encode() + b"\0" * (len(syntax) % 2)
    return bytes(128) + b"DICM" + element(0x00020010, b"UI", uid) + b"".join(extra)


def before_pixels(inserted: bytes) -> bytes:
    """The hip with elements inserted before its pixel data, where the limits must hold before anything is decoded."""
    data = hip_dicom()
    at = data.index(b"\xe0\x7f\x10\x00OW")
    return data[:at] + inserted + data[at:]


def fragments(items: Iterable[bytes], *, end: bytes = SEQUENCE_END, syntax: str) -> bytes:
    """The hip with these items in the place of its encapsulated pixel data: an offset table first."""
    data = packed(syntax)
    at = data.index(b"\xe0\x7f\x10\x00OB") + 12
    return data[:at] + b"".join(ITEM + struct.pack("<I", len(item)) + item for item in items) + end


def declared(data: bytes, syntax: str, other: str) -> bytes:
    """A file whose meta information names another transfer syntax than the one it is written in."""
    old, new = (uid.encode() + b"\0" * (len(uid) % 2) for uid in (syntax, other))
    was = b"\x02\x00\x10\x00UI" + struct.pack("<H", len(old)) + old
    assert was in data
    return data.replace(was, b"\x02\x00\x10\x00UI" + struct.pack("<H", len(new)) + new)


def table(entries: int, bits: int, first: int = 0, said: int | None = None) -> Sequence:
    """A Modality or VOI LUT Sequence; `said` is the number of entries that its descriptor claims."""
    item = Dataset()
    item.add_new(0x00283002, "US", [(entries if said is None else said) % 65536, first, bits])
    item.add_new(0x00283006, "OW", np.linspace(0, (1 << bits) - 1, entries).astype("<u2").tobytes())
    return Sequence([item])


def replaced(data: bytes, old: bytes, new: bytes) -> bytes:
    """Bytes in the place of others, which must be there."""
    assert old in data
    return data.replace(old, new, 1)


def implicit(**changed: Any) -> bytes:
    """The hip in implicit little endian."""
    return dicom(pixels(), syntax=IMPLICIT, **(HIP | changed))


def chunk(kind: bytes, data: bytes) -> bytes:
    """A PNG chunk with its right checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def raw_png(rows: int, columns: int, scanlines: bytes, *extra: bytes, depth: int = 8, colour: int = 0, interlace: int = 0) -> bytes:
    """A PNG of any header and any inflated image data."""
    header = struct.pack(">IIBBBBB", columns, rows, depth, colour, 0, 0, interlace)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(extra) + chunk(b"IDAT", zlib.compress(scanlines, 9)) + chunk(b"IEND", b"")
    )


def lines(bits: int = 8) -> bytes:
    """The scanlines of the hip, unfiltered."""
    return b"".join(b"\0" + row.astype(">u2" if bits > 8 else "u1").tobytes() for row in grey(bits))


def picture(kind: str, image: Picture.Image | None = None, **options: Any) -> bytes:
    """The hip, or another picture, in any format that Pillow writes."""
    out = io.BytesIO()
    (image or Picture.fromarray(grey())).save(out, kind, **options)
    return out.getvalue()


def deflated(length: int) -> bytes:
    """Zeros that inflate to so many bytes, made a piece at a time."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(length >> 20)) + packer.flush()


def restart_markers(count: int, *, within: bool) -> bytes:
    """A baseline JPEG of the hip, which announces no restart interval, with restart markers behind or in the middle of its scan."""
    frame = picture("JPEG", quality=90)
    at = len(frame) // 2 if within else len(frame) - 2
    return frame[:at].rstrip(b"\xff") + b"".join(b"\xff" + bytes([0xD0 + number % 8]) for number in range(count)) + frame[at:]


def short_rle(keep: float) -> bytes:
    """An RLE frame whose segments are well formed, and end before the image does."""
    rows = int(256 * keep)
    segment = b"".join(b"\x7f" + bytes(range(128)) for _ in range(2 * rows))
    return struct.pack("<16I", 2, 64, 64 + len(segment), *[0] * 13) + segment * 2


def without_last_scans(frame: bytes) -> bytes:
    """A progressive JPEG that ends, properly, before its last scans."""
    scans = [at for at in range(len(frame)) if frame[at : at + 2] == b"\xff\xda"]
    return frame[: frame.rfind(b"\xff\xc4", 0, scans[-1])] + b"\xff\xd9"


def big_name() -> bytes:
    """A Patient's Name that no value representation allows, in an encoding whose lengths do."""
    data = implicit()
    at = data.index(b"\x10\x00\x10\x00")
    (length,) = struct.unpack_from("<I", data, at + 4)
    return data[: at + 4] + struct.pack("<I", 1 << 20) + b"CANARY^X" * (1 << 17) + data[at + 8 + length :]


def lying_group_length() -> bytes:
    """The hip with a group length of two billion in its file meta information."""
    data = hip_dicom()
    at = data.index(b"\x02\x00\x00\x00UL\x04\x00") + 8
    return data[:at] + b"\xff\xff\xff\x7f" + data[at + 4 :]


def with_scans(count: int) -> bytes:
    """A progressive JPEG with its last scan as often as asked for."""
    frame = picture("JPEG", progressive=True)
    at = frame.rindex(b"\xff\xda")
    return frame[:-2] + frame[at:-2] * count + b"\xff\xd9"


def of_process(marker: int) -> bytes:
    """A JPEG that says it is of another process: arithmetic coding, or 12 bits."""
    return replaced(picture("JPEG"), b"\xff\xc0", bytes([0xFF, marker]))


def animation(count: int) -> tuple[bytes, ...]:
    """The chunks of an animation of so many frames."""
    control = chunk(b"acTL", struct.pack(">II", count, 0))
    return control, chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 256, 256, 0, 0, 1, 1, 0, 0))


def damaged_png() -> bytes:
    """A PNG with one wrong byte in its image data."""
    data = bytearray(picture("PNG"))
    data[data.index(b"IDAT") + 900] ^= 1
    return bytes(data)

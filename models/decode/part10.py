"""DICOM files (PS3.10): which bytes are one, in which transfer syntax, and where the data set begins."""

from __future__ import annotations

from contextlib import suppress

from models.decode.codecs import REFUSED_DEFLATED, SYNTAXES
from models.decode.dataset import (
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    VRS,
    DataSet,
    Encoding,
    read_beginning,
    read_dataset,
    read_file_meta,
)
from models.decode.deflate import inflate, pieces
from models.decode.image import Limits
from models.decode.tags import Tag
from models.errors import StudyError, UnreadableImageError, UnsupportedFormatError

PREAMBLE = 128
PREFIX = b"DICM"
# CVE-2019-11687: the preamble may hold another program's header, so that one file is both an image and an executable.
EXECUTABLES = (b"MZ", b"\x7fELF", b"#!", b"%PDF", b"PK", b"\xca\xfe\xba\xbe", b"\xfe\xed\xfa", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe")
UID_ROOT = "1.2.840.10008."  # PS3.5 section 9: the root of everything that DICOM defines


def is_dicom(data: bytes) -> bool:
    """Whether the bytes are a DICOM file, or a data set without preamble that names its SOP class.

    Raises UnsupportedFormatError for a DICOM file that is also an executable, a PDF or a ZIP.
    """
    if data[PREAMBLE : PREAMBLE + 4] == PREFIX:
        if data.startswith(EXECUTABLES):
            raise UnsupportedFormatError("The DICOM preamble holds the beginning of another kind of file.")
        return True
    if data[:2] not in {b"\x02\x00", b"\x08\x00", b"\x00\x08"}:  # the group of a first element, in either byte order
        return False
    try:
        return _is_confirmed(_open(data, Limits(), last=Tag.SOP_CLASS_UID, pixels=False)[1])
    except StudyError:
        return False


def open_dataset(data: bytes, limits: Limits, *, pixels: bool = True) -> tuple[str, DataSet]:
    """Return the transfer syntax UID and the data set up to its pixel data.

    Without `pixels`, nothing is inflated that stands behind where the pixel data begins.

    Raises UnsupportedFormatError for a transfer syntax that is not read, before anything is inflated; UnreadableImageError
    where the transfer syntax is missing and cannot be confirmed, or the data set is broken; TooLargeError beyond the limits.
    """
    uid, dataset = _open(data, limits, last=Tag.PIXEL_DATA, pixels=pixels)
    if not uid and not _is_confirmed(dataset):
        raise UnreadableImageError(f"{Tag.TRANSFER_SYNTAX_UID.label} is missing, and the data set does not tell how it is encoded.")
    return uid or _native_uid(dataset.encoding), dataset


def _open(data: bytes, limits: Limits, *, last: Tag, pixels: bool) -> tuple[str, DataSet]:
    view = memoryview(data)
    start = PREAMBLE + 4 if data[PREAMBLE : PREAMBLE + 4] == PREFIX else 0
    meta, start = read_file_meta(view, start, limits) if data[start : start + 2] == b"\x02\x00" else (None, start)
    uid = meta.text(Tag.TRANSFER_SYNTAX_UID) if meta else ""
    if uid in REFUSED_DEFLATED:
        raise UnsupportedFormatError("Deflated frames and references are not read.")
    if uid in limits.refused_syntaxes:
        raise UnsupportedFormatError("The decoder of this transfer syntax has failed its self-test on this machine.")
    if uid and uid not in SYNTAXES:
        raise UnsupportedFormatError("The transfer syntax is not one that is read.")
    if uid and SYNTAXES[uid].deflated and not pixels:
        return uid, _inflated_beginning(view[start:], SYNTAXES[uid].encoding, limits, last)
    if uid and SYNTAXES[uid].deflated:
        view, start = memoryview(inflate(view[start:], limits)), 0
    encoding = SYNTAXES[uid].encoding if uid else _guess(data[start : start + 6])
    return uid, read_dataset(view, start, encoding, limits, last=last)


def _inflated_beginning(deflated: memoryview, encoding: Encoding, limits: Limits, last: Tag) -> DataSet:
    """What stands before the pixel data. Only the end of the stream shows that an error was not that of a part of it."""
    inflated, tried = bytearray(), 0
    for piece in pieces(deflated, limits):
        inflated += piece
        if len(inflated) < 2 * tried:  # each attempt begins anew
            continue
        tried = len(inflated)
        with suppress(UnreadableImageError):
            dataset = read_beginning(memoryview(bytes(inflated)), encoding, limits, last=last)
            if dataset:
                return dataset
    return read_dataset(memoryview(inflated), 0, encoding, limits, last=last)


def _guess(head: bytes) -> Encoding:
    """The encoding that the first element of a data set looks like."""
    explicit = head[4:6] in VRS
    if head[:2] == b"\x00\x08" and explicit:
        return EXPLICIT_BIG
    return EXPLICIT_LITTLE if explicit else IMPLICIT_LITTLE


def _is_confirmed(dataset: DataSet) -> bool:
    """A guess is right when the element that every DICOM object must have stands where it belongs."""
    return dataset.text(Tag.SOP_CLASS_UID).startswith(UID_ROOT)


def _native_uid(encoding: Encoding) -> str:
    return next(uid for uid, syntax in SYNTAXES.items() if syntax.compression is None and syntax.encoding == encoding)

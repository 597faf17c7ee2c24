"""Which instance a received data set is, read within bounds, and the file that it is kept as (PS3.10)."""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass

from models.decode import Limits
from models.decode.codecs import SYNTAXES
from models.decode.dataset import EXPLICIT_LITTLE, DataSet, read_dataset
from models.decode.part10 import PREAMBLE, PREFIX
from models.decode.patient import patient_digest_of
from models.decode.tags import Tag
from models.errors import StudyError
from service import __version__

NUMBER_OF_STUDY_RELATED_INSTANCES = 0x00201208  # the last element that is read: pixels, and the content of a report, stand behind it
IMPLEMENTATION_UID = "2.25.295266273126360380837185093279317741957"  # PS3.7 D.3.3.2: the one that our results carry
IMPLEMENTATION_VERSION = f"CHIASM_{__version__}"[:16]
UID = re.compile(r"[0-9]+(\.[0-9]+)*\Z", re.ASCII)  # PS3.5 section 9.1, with the leading zeros that real ones have
WHOLE_DEFLATED = frozenset({"1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"})  # PS3.5 A.5, A.7 and A.12
HEADER_BYTES = 4 << 20  # inflated no further: nothing but pixels and waveforms is longer
HEADER = Limits(max_elements=100_000)  # a presentation state refers to thousands of images before its series


class UnidentifiedError(Exception):
    """A data set that is broken, or that does not name its study, series and instance."""


@dataclass(frozen=True)
class Identity:
    """What a data set says that it is."""

    sop_class: str
    sop_uid: str
    study_uid: str
    series_uid: str
    expected: int  # Number of Study Related Instances; 0 where it does not say
    patient: str = ""  # a digest that tells patients apart; empty where it does not say
    study_date: str = ""
    modality: str = ""


def identify(data: memoryview, transfer_syntax: str) -> Identity:
    """Read the beginning of a data set, in a transfer syntax whose pixels may be unknown here.

    Raises UnidentifiedError where it names no study, series or instance, or cannot be read so far.
    """
    try:
        dataset = _beginning(data, transfer_syntax)
    except (StudyError, zlib.error):
        raise UnidentifiedError from None
    tags = (Tag.SOP_CLASS_UID, Tag.SOP_INSTANCE_UID, Tag.STUDY_INSTANCE_UID, Tag.SERIES_INSTANCE_UID)
    sop_class, sop_uid, study_uid, series_uid = (dataset.text(tag) for tag in tags)
    if not all(map(is_uid, (sop_class, sop_uid, study_uid, series_uid))):
        raise UnidentifiedError
    date, modality = dataset.text(Tag.STUDY_DATE)[:8], dataset.text(Tag.MODALITY)[:16]
    return Identity(sop_class, sop_uid, study_uid, series_uid, _count(dataset), patient_digest_of(dataset), date, modality)


def is_uid(text: str) -> bool:
    """Whether it is a UID."""
    return len(text) <= 64 and UID.match(text) is not None


def _beginning(data: memoryview, transfer_syntax: str) -> DataSet:
    if transfer_syntax in WHOLE_DEFLATED:
        data = memoryview(zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, HEADER_BYTES))
    syntax = SYNTAXES.get(transfer_syntax)
    encoding = syntax.encoding if syntax else EXPLICIT_LITTLE  # PS3.5 A.4: so are all that encapsulate, video too
    return read_dataset(data, 0, encoding, HEADER, last=NUMBER_OF_STUDY_RELATED_INSTANCES)


def _count(dataset: DataSet) -> int:
    text = dataset.raw(NUMBER_OF_STUDY_RELATED_INSTANCES)
    return int(text) if re.fullmatch(rb"\+?[0-9]{1,6}", text) else 0


def file_header(sop_class: str, sop_uid: str, transfer_syntax: str, source: str) -> bytes:
    """Preamble and file meta information (PS3.10 7.1), to stand before the data set as it came; `source` is who sent it."""
    elements = b"".join(
        (
            struct.pack("<HH2s2xI", 0x0002, 0x0001, b"OB", 2) + b"\0\1",
            _element(0x0002, b"UI", sop_class),
            _element(0x0003, b"UI", sop_uid),
            _element(0x0010, b"UI", transfer_syntax),
            _element(0x0012, b"UI", IMPLEMENTATION_UID),
            _element(0x0013, b"SH", IMPLEMENTATION_VERSION),
            _element(0x0016, b"AE", source),
        )
    )
    return bytes(PREAMBLE) + PREFIX + struct.pack("<HH2sHI", 0x0002, 0x0000, b"UL", 4, len(elements)) + elements


def _element(number: int, vr: bytes, text: str) -> bytes:
    """Group 0002 in Explicit VR Little Endian, of even length (PS3.5 7.1.2)."""
    value = text.encode("ascii", "replace")  # of a name that is none, which no file is kept under
    value += (b"\0" if vr == b"UI" else b" ") * (len(value) % 2)
    return struct.pack("<HH2sH", 0x0002, number, vr, len(value)) + value

"""What this machine's decoders can do, tried rather than declared: one tiny file for each transfer syntax and picture format.

The files in `vectors/` were encoded by other implementations where there is one (tests/models/decode/vectors.py makes them anew).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.decode.codecs import SYNTAXES
from models.decode.decoder import decode, read_header, stored_values
from models.decode.image import Limits
from models.errors import StudyError

VECTORS = Path(__file__).with_name("vectors")
ROWS, COLUMNS = 40, 36
LIMITS = Limits(max_pixels=ROWS * COLUMNS)
LOSSY = {  # grey levels of 12 or 8 bits by which a decoder may differ from what was encoded
    "1.2.840.10008.1.2.4.50": 4, "1.2.840.10008.1.2.4.51": 8, "1.2.840.10008.1.2.4.81": 2, "1.2.840.10008.1.2.4.91": 8,
    "1.2.840.10008.1.2.4.203": 8, "jpeg": 4,
}  # fmt: skip


@dataclass(frozen=True)
class Tested:
    """One transfer syntax (or "png", "jpeg"), what decodes it, and whether it gave back the values that are known."""

    syntax: str
    name: str
    decoder: str
    works: bool


def pattern(bits: int) -> NDArray[np.uint16]:
    """The values that every vector holds, (ROWS, COLUMNS): smooth, asymmetric, and up to all `bits`."""
    row, column = np.mgrid[0:ROWS, 0:COLUMNS]
    shape = (3 * row + 5 * column + (row * column) // 7) / (3 * ROWS + 5 * COLUMNS + ROWS * COLUMNS / 7)
    values: NDArray[np.uint16] = np.round(shape * ((1 << bits) - 1)).astype(np.uint16)
    return values


def self_test() -> tuple[Tested, ...]:
    """Decode every vector."""
    names = {uid: syntax.name for uid, syntax in SYNTAXES.items()} | {"png": "PNG", "jpeg": "JPEG"}
    return tuple(_tried(syntax, name) for syntax, name in names.items())


def without_failed(limits: Limits, tested: tuple[Tested, ...]) -> Limits:
    """The limits, with the transfer syntaxes whose decoders failed among what is refused."""
    return replace(limits, refused_syntaxes=frozenset(each.syntax for each in tested if not each.works))


def _tried(syntax: str, name: str) -> Tested:
    file = VECTORS / (f"vector.{syntax}" if syntax in {"png", "jpeg"} else f"{syntax}.dcm")
    try:
        data = file.read_bytes()
        header = read_header(data, LIMITS)
        values = stored_values(data, header, LIMITS)
        expected = pattern(8 if values.itemsize == 1 else 12).astype(np.int32)
        works = bool(np.abs(values - expected).max() <= LOSSY.get(syntax, 0))
        return Tested(syntax, name, decode(data, header, LIMITS, apply_voi=False).decoder, works)
    except (StudyError, OSError, ValueError):  # no file, another size, or refused
        return Tested(syntax, name, "", works=False)

"""Mammograms as detectors deliver them: made, not taken from anybody, and encoded in every transfer syntax that an archive holds."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from scipy.ndimage import gaussian_filter

from tests.models.decode.synthetic import BASELINE, J2K, LOSSLESS_SV1, LS, RLE, compressed, dicom, instance, written

DEFLATED, HTJ2K = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.201"
SIZES = {"1024 x 832": (1024, 832), "2140 x 1760": (2140, 1760), "3062 x 2394": (3062, 2394), "4096 x 3328": (4096, 3328)}
PHOTONS = 4000.0  # per pixel where nothing absorbs; sets the noise, and with it what lossless compression can reach


@dataclass(frozen=True)
class Payload:
    """One file: its transfer syntax in words, its size, and how many bytes its stored frame has."""

    syntax: str
    size: str
    data: bytes
    frame_bytes: int


def mammogram(rows: int, columns: int, bits: int, seed: int = 1) -> NDArray[np.uint16]:
    """A breast against the chest wall at the left: fat, glandular tissue, quantum noise, and air that the detector clips to zero."""
    rng = np.random.default_rng(seed)
    y, x = np.linspace(-1, 1, rows)[:, np.newaxis], np.linspace(0, 1, columns)[np.newaxis]
    thickness = np.sqrt(np.clip(1 - (y / 0.85) ** 2 - (x / 0.72) ** 2, 0, 1))
    coarse = gaussian_filter(rng.normal(size=(rows // 8, columns // 8)), (9, 9))
    gland = np.asarray(PillowImage.fromarray(coarse.astype(np.float32)).resize((columns, rows), PillowImage.Resampling.BICUBIC))
    tissue = thickness * (1.1 + 0.5 * np.clip(gland / coarse.std(), -2, 2))
    exposure = rng.poisson(PHOTONS * np.exp(-tissue)) / PHOTONS
    shown = np.where(thickness > 0, -np.log(np.clip(exposure, 1e-3, 1)), 0)
    return np.round(np.clip(shown / 3, 0, 1) * ((1 << bits) - 1)).astype(np.uint16)


def payloads(size: str, wanted: set[str]) -> list[Payload]:
    """The same picture in each transfer syntax; lossy JPEG holds its uppermost 8 or 12 bits."""
    rows, columns = SIZES[size]
    pixels = mammogram(rows, columns, 16)
    made = [name for name in ENCODERS if not wanted or name in wanted]
    return [Payload(name, size, ENCODERS[name](pixels), rows * columns * (1 if name == "JPEG Baseline" else 2)) for name in made]


def _htj2k(pixels: NDArray[np.uint16]) -> bytes:
    frame = bytes(imagecodecs.htj2k_encode(pixels, reversible=True))
    return compressed(pixels, HTJ2K, bits=16, frames=[frame], **HEADER)


def jpeg_of(pixels: NDArray[np.uint16]) -> bytes:
    """8 bits, quality 95."""
    out = io.BytesIO()
    shown = (pixels >> 8).astype(np.uint8)
    PillowImage.fromarray(shown).save(out, "JPEG", quality=95)
    return compressed(shown, BASELINE, bits=8, frames=[out.getvalue()], **HEADER)


HEADER = {"Modality": "MG", "BodyPartExamined": "BREAST", "WindowCenter": "32768", "WindowWidth": "65536"}
# JPEG Extended with 12 bits is missing because pydicom has no decoder for it to compare with.
ENCODERS: dict[str, Callable[[NDArray[np.uint16]], bytes]] = {
    "uncompressed": lambda pixels: dicom(pixels, bits=16, **HEADER),
    "deflated": lambda pixels: written(instance(pixels, bits=16, **HEADER), DEFLATED),
    "RLE": lambda pixels: compressed(pixels, RLE, bits=16, **HEADER),
    "JPEG Baseline": jpeg_of,
    "JPEG Lossless": lambda pixels: compressed(pixels, LOSSLESS_SV1, bits=16, **HEADER),
    "JPEG-LS": lambda pixels: compressed(pixels, LS, bits=16, **HEADER),
    "JPEG 2000": lambda pixels: compressed(pixels, J2K, bits=16, **HEADER),
    "HTJ2K": _htj2k,
}

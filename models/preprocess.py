"""Image and metadata -> Tensors. The only preprocessing: pure functions, named after what they return."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from models.decode.image import Image, Side
from models.errors import NotEvaluableError
from models.prediction import FieldValue, Geometry, Tensors
from models.spec import Field, ImageInput, Intensity, TabularInput

Pixels = NDArray[np.float32]
PERCENTILE_SAMPLES = 512  # per side: a percentile of 262,144 regularly spaced pixels is exact enough, and 40 times faster


def image_tensor(part: ImageInput, image: Image, side: Side | None) -> tuple[Pixels, Geometry]:
    """(H, W) in [0, 1] -> `part.shape`, and where the result lies on the original.

    Crop to the stated side where both are shown, mirror, stretch the intensities, pad to a square, resize, normalise.

    Raises
    ------
    NotEvaluableError
        The image is constant, or holds values that are not finite.
    """
    channels, height, width = part.shape
    geometry = view_geometry(part, image, side)
    square = square_view(stretched(crop(image.pixels, geometry), part.intensity), geometry)
    resized = np.asarray(PillowImage.fromarray(square).resize((width, height), PillowImage.Resampling.BILINEAR))
    mean, std = (np.asarray(values, np.float32).reshape(channels, 1, 1) for values in (part.mean, part.std))
    return ((resized[np.newaxis] - mean) / std).astype(np.float32), geometry


def table_tensors(table: TabularInput, values: Mapping[str, FieldValue]) -> Tensors:
    """Every network field in natural units (F,), categories as their index, and the mask (F,): 1 where present."""
    pairs = [(field, values[field.name].value) for field in table.network_fields]
    numbers = [0.0 if value is None else _number(field, value) for field, value in pairs]
    present = [float(value is not None) for _, value in pairs]
    return {table.name: np.array(numbers, np.float32), table.mask: np.array(present, np.float32)}


def view_geometry(part: ImageInput, image: Image, side: Side | None) -> Geometry:
    """Crop, mirroring and padding of the network's view. In an AP film the patient's left lies on the image's right."""
    rows, columns = image.pixels.shape
    left, width = 0, columns
    if image.header.two_sided or image.header.body_part in part.two_sided_body_parts:
        width = columns // 2
        left = columns - width if side == "left" else 0
    square = max(rows, width)
    pad_top, pad_left = (square - rows) // 2, (square - width) // 2
    return Geometry(0, left, rows, width, square, pad_top, pad_left, mirrored=side is not None and side == part.mirror_side)


def crop(pixels: Pixels, geometry: Geometry) -> Pixels:
    """The part of the image that the network sees, mirrored where the geometry says so."""
    view = pixels[geometry.top : geometry.top + geometry.height, geometry.left : geometry.left + geometry.width]
    return view[:, ::-1] if geometry.mirrored else view


def stretched(pixels: Pixels, intensity: Intensity) -> Pixels:
    """The range between the two percentiles, stretched to [0, 1]; the rest clipped."""
    step = tuple(max(1, length // PERCENTILE_SAMPLES) for length in pixels.shape)
    low, high = np.percentile(pixels[:: step[0], :: step[1]], (intensity.low_percentile, intensity.high_percentile))
    if not np.isfinite(high - low) or high - low < np.finfo(np.float32).eps:
        raise NotEvaluableError("the image is constant or holds values that are not finite")
    scaled = (pixels - np.float32(low)) * np.float32(1 / (high - low))
    return np.clip(scaled, 0.0, 1.0, out=scaled)


def square_view(pixels: Pixels, geometry: Geometry) -> Pixels:
    """The view centred in a black square, so that resizing keeps its proportions."""
    square = np.zeros((geometry.side, geometry.side), np.float32)
    square[geometry.pad_top : geometry.pad_top + geometry.height, geometry.pad_left : geometry.pad_left + geometry.width] = pixels
    return square


def _number(field: Field, value: float | str) -> float:
    return float(field.levels.index(value)) if isinstance(value, str) else value

"""Image and metadata -> Tensors. The only preprocessing: pure functions, named after what they return."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from models.decode.image import Header, Image, Side
from models.decode.reduction import Grid
from models.errors import NotEvaluableError
from models.prediction import FieldValue, Geometry, Tensors
from models.spec import Field, ImageInput, Intensity, TabularInput

Pixels = NDArray[np.float32]
Point = tuple[float, float]
Box = tuple[float, float, float, float]
SOURCE_PIXELS = 4  # per pixel of the network: with fewer, a lower resolution of the file is no longer the same picture
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
    geometry = view_geometry(part, image.header, side)
    view, first = crop(image, geometry)
    square, box = square_view(stretched(view, part.intensity), geometry, first, image.grid.step)
    resized = np.asarray(PillowImage.fromarray(square).resize((width, height), PillowImage.Resampling.BILINEAR, box))
    mean, std = (np.asarray(values, np.float32).reshape(channels, 1, 1) for values in (part.mean, part.std))
    return ((resized[np.newaxis] - mean) / std).astype(np.float32), geometry


def table_tensors(table: TabularInput, values: Mapping[str, FieldValue]) -> Tensors:
    """Every network field in natural units (F,), categories as their index, and the mask (F,): 1 where present."""
    pairs = [(field, values[field.name].value) for field in table.network_fields]
    numbers = [0.0 if value is None else _number(field, value) for field, value in pairs]
    present = [float(value is not None) for _, value in pairs]
    return {table.name: np.array(numbers, np.float32), table.mask: np.array(present, np.float32)}


def view_geometry(part: ImageInput, header: Header, side: Side | None) -> Geometry:
    """Crop, mirroring and padding of the network's view. In an AP film the patient's left lies on the image's right."""
    rows, columns = header.rows, header.columns
    left, width = 0, columns
    if header.two_sided or header.body_part in part.two_sided_body_parts:
        width = columns // 2
        left = columns - width if side == "left" else 0
    square = max(rows, width)
    pad_top, pad_left = (square - rows) // 2, (square - width) // 2
    return Geometry(0, left, rows, width, square, pad_top, pad_left, mirrored=side is not None and side == part.mirror_side)


def sufficient_level(part: ImageInput, geometry: Geometry) -> int:
    """The coarsest level (each halves both sides) that leaves SOURCE_PIXELS for every pixel of the network's view."""
    return max(0, int(geometry.side / (SOURCE_PIXELS * max(part.shape[1:]))).bit_length() - 1)


def crop(image: Image, geometry: Geometry) -> tuple[Pixels, Point]:
    """The part of the image that the network sees, mirrored where the geometry says so, and where its first sample lies.

    That is a (row, column) of the crop, in pixels of the file.
    """
    grid = image.grid
    rows, first_row = _samples_within(image.pixels.shape[0], geometry.top, geometry.height, grid)
    columns, first_column = _samples_within(image.pixels.shape[1], geometry.left, geometry.width, grid)
    view = image.pixels[rows, columns]
    if not geometry.mirrored:
        return view, (first_row, first_column)
    last = first_column + (view.shape[1] - 1) * grid.step
    return view[:, ::-1], (first_row, geometry.width - 1 - last)


def stretched(pixels: Pixels, intensity: Intensity) -> Pixels:
    """The range between the two percentiles, stretched to [0, 1]; the rest clipped."""
    step = tuple(max(1, length // PERCENTILE_SAMPLES) for length in pixels.shape)
    low, high = np.percentile(pixels[:: step[0], :: step[1]], (intensity.low_percentile, intensity.high_percentile))
    if not np.isfinite(high - low) or high - low < np.finfo(np.float32).eps:
        raise NotEvaluableError("the image is constant or holds values that are not finite")
    scaled = (pixels - np.float32(low)) * np.float32(1 / (high - low))
    return np.clip(scaled, 0.0, 1.0, out=scaled)


def square_view(pixels: Pixels, geometry: Geometry, first: Point = (0.0, 0.0), step: int = 1) -> tuple[Pixels, Box]:
    """The view in black, and the (left, top, right, bottom) of the square around it, so that resizing keeps its proportions.

    Samples lie `step` pixels of the file apart and stay where they lie: the square begins and ends between them where it must.
    """
    margin = 0 if step == 1 else 1
    pads = (geometry.pad_top, geometry.pad_left)
    at = [-(-pad // step) + margin for pad in pads]
    length = -(-geometry.side // step) + 3 * margin
    canvas = np.zeros((length, length), np.float32)
    rows, columns = pixels.shape
    canvas[at[0] : at[0] + rows, at[1] : at[1] + columns] = pixels
    if margin:
        _continue_edges(canvas, at, pixels.shape, pads)
    top, left = (start - (pad + offset + 0.5) / step + 0.5 for start, pad, offset in zip(at, pads, first, strict=True))
    return canvas, (left, top, left + geometry.side / step, top + geometry.side / step)


def _samples_within(count: int, start: int, length: int, grid: Grid) -> tuple[slice, float]:
    """Which samples lie on pixels [start, start + length) of the file, and where the first of them lies, counted from start."""
    begin = max(0, math.ceil((start - grid.first) / grid.step))
    end = min(count, math.floor((start + length - 1 - grid.first) / grid.step) + 1)
    return slice(begin, max(end, begin + 1)), grid.first + begin * grid.step - start


def _continue_edges(canvas: Pixels, at: list[int], shape: tuple[int, ...], pads: tuple[int, int]) -> None:
    """Repeat the outermost samples where the picture, not the padding, fills the square to its edge."""
    (top, left), (bottom, right) = at, (at[0] + shape[0], at[1] + shape[1])
    if pads[0] == 0:
        canvas[:top], canvas[bottom:] = canvas[top], canvas[bottom - 1]
    if pads[1] == 0:
        canvas[:, :left], canvas[:, right:] = canvas[:, left, np.newaxis], canvas[:, right - 1, np.newaxis]


def _number(field: Field, value: float | str) -> float:
    return float(field.levels.index(value)) if isinstance(value, str) else value

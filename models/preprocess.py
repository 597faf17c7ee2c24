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


def image_tensor(part: ImageInput, image: Image, side: Side | None) -> tuple[Pixels, Geometry]:
    """(H, W) in [0, 1] -> `part.shape`, and where the result lies on the original.

    Crop to the stated side where both are shown, mirror, pad to a square, resize, stretch the intensities, normalise. Everything
    before the stretch is linear, so that noise finer than the network's pixels is averaged away before anything is clipped.

    Raises
    ------
    NotEvaluableError
        The image is constant, or holds values that are not finite.
    """
    channels, height, width = part.shape
    geometry = view_geometry(part, image.header, side)
    view, first = crop(image, geometry)
    square, box = square_view(view, geometry, first, image.grid.step)
    resized = np.asarray(PillowImage.fromarray(square).resize((width, height), PillowImage.Resampling.BILINEAR, box))
    shown = stretched(resized, covered(geometry, height, width), part.intensity)
    mean, std = (np.asarray(values, np.float32).reshape(channels, 1, 1) for values in (part.mean, part.std))
    return ((shown[np.newaxis] - mean) / std).astype(np.float32), geometry


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


def stretched(pixels: Pixels, cover: Pixels, intensity: Intensity) -> Pixels:
    """The range between the two percentiles of the picture, stretched to [0, 1], the rest clipped; black where `cover` is 0."""
    low, high = np.percentile(pixels[cover == cover.max()], (intensity.low_percentile, intensity.high_percentile))
    if not np.isfinite(high - low) or high - low < np.finfo(np.float32).eps:
        raise NotEvaluableError("the image is constant or holds values that are not finite")
    scaled: Pixels = np.clip((pixels - np.float32(low)) * np.float32(1 / (high - low)), 0.0, 1.0)
    scaled *= cover
    return scaled


def covered(geometry: Geometry, height: int, width: int) -> Pixels:
    """How much of each pixel of the network's view, (height, width), the picture fills; the rest is padding."""
    rows = _overlap(height, geometry.pad_top / geometry.side, geometry.height / geometry.side)
    columns = _overlap(width, geometry.pad_left / geometry.side, geometry.width / geometry.side)
    return np.outer(rows, columns)


def square_view(pixels: Pixels, geometry: Geometry, first: Point = (0.0, 0.0), step: int = 1) -> tuple[Pixels, Box]:
    """The picture with its edges continued, and the (left, top, right, bottom) of the square around it, so that proportions stay.

    Samples lie `step` pixels of the file apart and stay where they lie: the square begins and ends between them where it must.
    """
    pads, length = (geometry.pad_top, geometry.pad_left), -(-geometry.side // step) + 3
    before = [-(-pad // step) + 1 for pad in pads]
    after = [max(0, length - start - count) for start, count in zip(before, pixels.shape, strict=True)]
    square = np.pad(pixels, tuple(zip(before, after, strict=True)), mode="edge")
    top, left = (start - (pad + offset + 0.5) / step + 0.5 for start, pad, offset in zip(before, pads, first, strict=True))
    return square, (left, top, left + geometry.side / step, top + geometry.side / step)


def _samples_within(count: int, start: int, length: int, grid: Grid) -> tuple[slice, float]:
    """Which samples lie on pixels [start, start + length) of the file, and where the first of them lies, counted from start."""
    begin = max(0, math.ceil((start - grid.first) / grid.step))
    end = min(count, math.floor((start + length - 1 - grid.first) / grid.step) + 1)
    return slice(begin, max(end, begin + 1)), grid.first + begin * grid.step - start


def _overlap(count: int, start: float, length: float) -> Pixels:
    """How much of each of `count` cells of [0, 1] lies within [start, start + length]."""
    edges = np.clip((np.arange(count + 1) / count - start) / length, 0, 1)
    return (np.diff(edges) * length * count).round(6).astype(np.float32)


def _number(field: Field, value: float | str) -> float:
    return float(field.levels.index(value)) if isinstance(value, str) else value

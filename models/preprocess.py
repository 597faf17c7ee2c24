"""Image and metadata -> Tensors. The only preprocessing: pure functions, named after what they return."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from models.decode.image import Header, Image, Side
from models.decode.reduction import Grid
from models.decode.tone import Grey, values_of
from models.errors import NotEvaluableError
from models.prediction import FieldValue, Geometry, Resize, Tensors, Value
from models.spec import Field, ImageInput, Intensity, TabularInput

Pixels = NDArray[np.float32]
Point = tuple[float, float]
SOURCE_PIXELS = 3  # per pixel of the network: with fewer, a lower resolution of the file is no longer the same picture
BAND_ROWS = 16  # of the network's view that are resized at once, at least
BAND_SAMPLES = 1 << 16  # of the picture that are, at most, where that is more: a quarter of a megabyte stays in the cache
PIECE_ROWS = 128  # of the picture that are float32 at once; no band of a network's view has as many


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
    square = square_view(view, geometry, (height, width), first, image.grid.step)
    shown = stretched(square, covered(geometry, height, width), part.intensity)
    mean, std = (np.asarray(values, np.float32).reshape(channels, 1, 1) for values in (part.mean, part.std))
    tensor: Pixels = shown[np.newaxis] - mean
    tensor /= std
    return tensor, geometry


def resize_of(part: ImageInput) -> Resize:
    """What `image_tensor` does to the square, for the answer."""
    _, height, width = part.shape
    return Resize(height, width, "bilinear, antialiased", part.intensity.low_percentile, part.intensity.high_percentile)


def thumbnail(image: Image, side: int, intensity: Intensity) -> Pixels:
    """The whole picture as it lies, (1, side, side) in [0, 1]: padded to a square, resized, stretched.

    Raises NotEvaluableError where the image is constant or holds values that are not finite.
    """
    rows, columns, grid = image.header.rows, image.header.columns, image.grid
    square = max(rows, columns)
    geometry = Geometry(0, 0, rows, columns, square, (square - rows) // 2, (square - columns) // 2, mirrored=False)
    view = square_view(image.grey, geometry, (side, side), (grid.first, grid.first), grid.step)
    return stretched(view, covered(geometry, side, side), intensity)[np.newaxis]


def table_tensors(table: TabularInput, values: Mapping[str, FieldValue]) -> Tensors:
    """Every network field in natural units, categories as their index or as a multi-hot slice (W,), and the mask (F,): 1 where present.

    Nothing for a model that reads no field.
    """
    pairs = [(field, values[field.name].value) for field in table.network_fields]
    numbers = [number for field, value in pairs for number in _numbers(field, value)]
    present = [float(value is not None) for _, value in pairs]
    return {table.name: np.array(numbers, np.float32), table.mask: np.array(present, np.float32)} if pairs else {}


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


def crop(image: Image, geometry: Geometry) -> tuple[Grey, Point]:
    """The part of the image that the network sees, mirrored where the geometry says so, and where its first sample lies.

    That is a (row, column) of the crop, in pixels of the file.
    """
    grid = image.grid
    rows, first_row = _samples_within(image.grey.shape[0], geometry.top, geometry.height, grid)
    columns, first_column = _samples_within(image.grey.shape[1], geometry.left, geometry.width, grid)
    view = image.grey[rows, columns]
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


def square_view(grey: Grey, geometry: Geometry, shape: tuple[int, int], first: Point = (0.0, 0.0), step: int = 1) -> Pixels:
    """The square around the picture, resized to `shape`; where it holds nothing, the edges of the picture are continued.

    Samples lie `step` pixels of the file apart and stay where they lie: the square begins and ends between them where it must.
    It is made in bands of rows, so that no second copy of a large picture is ever held.
    """
    height, width = shape
    top, left = (0.5 - (pad + at + 0.5) / step for pad, at in zip((geometry.pad_top, geometry.pad_left), first, strict=True))
    row, column = geometry.side / step / height, geometry.side / step / width
    right = left + width * column
    columns = _reach(left, right, column)
    view = np.empty(shape, np.float32)
    at_once = max(BAND_ROWS, int(BAND_SAMPLES / (len(columns) * row)))
    for start in range(0, height, at_once):
        stop = min(start + at_once, height)
        above, below = top + start * row, top + stop * row
        rows = _reach(above, below, row)
        band, sides = _continued(grey, rows, columns, (left - columns.start, right - columns.start), width)
        view[start:stop] = _resized(band, (width, stop - start), (sides[0], above - rows.start, sides[1], below - rows.start))
    return view


def _resized(pixels: Pixels, size: tuple[int, int], box: tuple[float, float, float, float]) -> Pixels:
    return np.asarray(PillowImage.fromarray(pixels).resize(size, PillowImage.Resampling.BILINEAR, box))


def _reach(start: float, stop: float, scale: float) -> range:
    """Which samples a bilinear resize to pixels of `scale` samples looks at."""
    support = max(scale, 1.0)
    return range(math.floor(start - support), math.ceil(stop + support) + 1)


def _continued(grey: Grey, rows: range, columns: range, sides: tuple[float, float], width: int) -> tuple[Pixels, tuple[float, float]]:
    """A part of the picture, its edges continued, and `sides`, between which it is to be resized to `width`.

    Many rows are resized to it here, a piece after the other: Pillow, too, does all rows before any column, and the bits are the same.
    """
    (down, above_below), (across, left_right) = (_inside(part, length) for part, length in zip((rows, columns), grey.shape, strict=True))
    if down.stop - down.start <= PIECE_ROWS:
        return with_edges(values_of(grey[down, across]), above_below, left_right), sides
    narrow = np.empty((down.stop - down.start, width), np.float32)
    for start in range(0, len(narrow), PIECE_ROWS):
        piece = values_of(grey[down.start + start : min(down.start + start + PIECE_ROWS, down.stop), across])
        box = (sides[0], 0, sides[1], len(piece))
        narrow[start : start + len(piece)] = _resized(with_edges(piece, (0, 0), left_right), (width, len(piece)), box)
    return with_edges(narrow, above_below, (0, 0)), (0, width)


def _inside(part: range, length: int) -> tuple[slice, tuple[int, int]]:
    """What of a part that may begin before the picture and end behind it lies in it, and how much of it does not."""
    kept = slice(min(max(part.start, 0), length - 1), max(min(part.stop, length), 1))
    return kept, (max(0, kept.start - part.start), max(0, part.stop - kept.stop))


def with_edges(pixels: Pixels, rows: tuple[int, int], columns: tuple[int, int]) -> Pixels:
    """What np.pad makes of it in the mode "edge", which takes longer than the resize."""
    if not any((*rows, *columns)):
        return pixels
    below, right = rows[0] + pixels.shape[0], columns[0] + pixels.shape[1]
    padded = np.empty((below + rows[1], right + columns[1]), pixels.dtype)
    padded[rows[0] : below, columns[0] : right] = pixels
    padded[rows[0] : below, : columns[0]] = pixels[:, :1]
    padded[rows[0] : below, right:] = pixels[:, -1:]
    padded[: rows[0]], padded[below:] = padded[rows[0]], padded[below - 1]
    return padded


def _samples_within(count: int, start: int, length: int, grid: Grid) -> tuple[slice, float]:
    """Which samples lie on pixels [start, start + length) of the file, and where the first of them lies, counted from start."""
    begin = max(0, math.ceil((start - grid.first) / grid.step))
    end = min(count, math.floor((start + length - 1 - grid.first) / grid.step) + 1)
    return slice(begin, max(end, begin + 1)), grid.first + begin * grid.step - start


def _overlap(count: int, start: float, length: float) -> Pixels:
    """How much of each of `count` cells of [0, 1] lies within [start, start + length]."""
    edges = np.clip((np.arange(count + 1) / count - start) / length, 0, 1)
    return (np.diff(edges) * length * count).round(6).astype(np.float32)


def _numbers(field: Field, value: Value | None) -> list[float]:
    """What stands in the tensor for one field; zeros where it is missing."""
    if field.kind == "categories":
        chosen = value if isinstance(value, tuple) else ()
        return [float(level in chosen) for level in field.levels]
    if isinstance(value, str):
        return [float(field.levels.index(value))]
    return [value if isinstance(value, float) else 0.0]

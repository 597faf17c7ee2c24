"""Random changes to a batch of preprocessed tensors: in training only, on top of the serving path, never instead of it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from models.spec import ImageInput, TabularInput
from training.recipes import Augmentation


def augment_image(images: Tensor, part: ImageInput, how: Augmentation, rng: torch.Generator) -> Tensor:
    """Rotate, shift, scale, mirror, and change brightness and contrast of images (B, C, H, W), normalised as `part` says."""
    mean, std = (torch.tensor(values).view(1, -1, 1, 1).to(images) for values in (part.mean, part.std))
    pixels = _moved(images * std + mean, how, rng)
    gain, offset = 1 + _uniform(len(images), how.contrast, rng), _uniform(len(images), how.brightness, rng)
    pixels = (pixels - 0.5) * gain.view(-1, 1, 1, 1).to(images) + 0.5 + offset.view(-1, 1, 1, 1).to(images)
    return (pixels.clamp(0, 1) - mean) / std


def drop_fields(present: Tensor, table: TabularInput, how: Augmentation, rng: torch.Generator) -> Tensor:
    """Hide optional fields of a mask (B, F) as they are absent in service, so that the network learns to do without them.

    Each field is hidden by itself; a derived field goes with any of its sources; and some rows lose everything optional,
    like a study that comes with an image alone.
    """
    fields = table.network_fields
    names = [field.name for field in fields]
    required = torch.tensor([field.required for field in fields])
    kept = torch.rand(present.shape, generator=rng) >= how.field_dropout
    for i, field in enumerate(fields):
        for source in field.derived_from:
            kept[:, i] &= kept[:, names.index(source)]
    kept &= torch.rand((len(present), 1), generator=rng) >= how.all_fields_dropout
    return present * (kept | required).to(present)


def _moved(pixels: Tensor, how: Augmentation, rng: torch.Generator) -> Tensor:
    count = len(pixels)
    angle = _uniform(count, math.radians(how.rotation_degrees), rng)
    scale = 1 + _uniform(count, how.scale, rng)
    flip = 1 - 2 * (torch.rand(count, generator=rng) < how.mirror).float()
    cos, sin = angle.cos() / scale, angle.sin() / scale
    shift_x, shift_y = (2 * _uniform(count, how.translation, rng) for _ in range(2))  # affine_grid spans [-1, 1]
    rows = (torch.stack((cos * flip, -sin, shift_x), 1), torch.stack((sin * flip, cos, shift_y), 1))
    grid = torch.nn.functional.affine_grid(torch.stack(rows, 1).to(pixels), list(pixels.shape), align_corners=False)
    return torch.nn.functional.grid_sample(pixels, grid, align_corners=False)


def _uniform(count: int, half_width: float, rng: torch.Generator) -> Tensor:
    return (2 * torch.rand(count, generator=rng) - 1) * half_width

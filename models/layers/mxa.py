"""The MXA block (Rand & Ibrahim, arXiv:2504.02277): a box that the network chooses, looked at closely, channels and places weighed.

The released code cuts the box out at whole pixels, through which no gradient passes: its predictor is never trained. `grid` samples the
box at fractions of pixels instead, so that it is; `hard` is kept to show the difference.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import grid_sample, interpolate

SMALLEST = 0.25  # of the view's side: a box is never less
SIZE_BIAS = 2.5  # boxes start near the whole view

Roi = Literal["grid", "hard"]


class Looked(NamedTuple):
    """What a block found (B, C, H, W), the box that it looked into (B, 4) as x0, y0, x1, y1 in [0, 1], and its gate (B, H, W) there."""

    found: Tensor
    box: Tensor
    gate: Tensor


class MXA(nn.Module):
    """Dynamic region pooling, a channel gate and a spatial gate: (B, C, H, W) -> Looked."""

    def __init__(self, channels: int, roi: Roi = "grid", *, maximum: bool = False) -> None:
        super().__init__()
        self.roi, self.maximum = roi, maximum
        last = nn.Conv2d(channels // 2, 4, 1)
        nn.init.constant_(last.bias, 0.0)  # type: ignore[arg-type]
        if roi == "grid":
            nn.init.constant_(last.bias[2:], SIZE_BIAS)  # type: ignore[index]
        self.predict = nn.Sequential(nn.Conv2d(channels, channels // 2, 3, padding=1, bias=False), nn.ReLU(), last)
        squeezed = max(1, channels // 16)
        self.gate = nn.Sequential(nn.Conv2d(channels, squeezed, 1, bias=False), nn.ReLU(), nn.Conv2d(squeezed, channels, 1, bias=False))
        self.place = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, x: Tensor) -> Looked:
        raw_B4 = self.predict(x).sigmoid().mean((2, 3))
        box_B4 = self.box(raw_B4)
        u = grid_sample(x, _grid(box_B4, x), "bilinear", "border", align_corners=False) if self.roi == "grid" else _cut(x, raw_B4)
        weighed = self.gate(u.mean((2, 3), keepdim=True))
        if self.maximum:  # CBAM's second branch, which the released code leaves out
            weighed = weighed + self.gate(u.amax((2, 3), keepdim=True))
        u = u * weighed.sigmoid()
        gate_B1HW = self.place(torch.cat((u.amax(1, keepdim=True), u.mean(1, keepdim=True)), 1)).sigmoid()
        return Looked(u * gate_B1HW, box_B4, gate_B1HW.squeeze(1))

    def box(self, raw_B4: Tensor) -> Tensor:
        """Four numbers in (0, 1) -> x0, y0, x1, y1: ordered and never empty by construction (`grid`), or as released."""
        if self.roi == "hard":
            return raw_B4
        size_B2 = SMALLEST + (1 - SMALLEST) * raw_B4[:, 2:]
        start_B2 = (1 - size_B2) * raw_B4[:, :2]
        return torch.cat((start_B2, start_B2 + size_B2), 1)


def in_view(gate_BHW: Tensor, box_B4: Tensor) -> Tensor:
    """A gate over a box -> the same weights where they lie in the view, nothing outside the box, summing to 1 (B, H, W)."""
    start_B2, size_B2 = box_B4[:, :2], box_B4[:, 2:] - box_B4[:, :2]
    inverse_B4 = torch.cat((-start_B2 / size_B2, (1 - start_B2) / size_B2), 1)
    gate_B1HW = gate_BHW.unsqueeze(1)
    moved_B1HW = grid_sample(gate_B1HW, _grid(inverse_B4, gate_B1HW), "bilinear", "zeros", align_corners=False)
    map_BHW = moved_B1HW.squeeze(1).clamp(min=0) + 1e-6
    return map_BHW / map_BHW.sum((1, 2), keepdim=True)


def _grid(box_B4: Tensor, x: Tensor) -> Tensor:
    """Where the samples of a box lie (B, H, W, 2), in [-1, 1] of the view."""
    height, width = x.shape[2:]
    across_W = (torch.arange(width, dtype=x.dtype, device=x.device) + 0.5) / width
    down_H = (torch.arange(height, dtype=x.dtype, device=x.device) + 0.5) / height
    columns_BW = box_B4[:, 0:1] + (box_B4[:, 2:3] - box_B4[:, 0:1]) * across_W
    rows_BH = box_B4[:, 1:2] + (box_B4[:, 3:4] - box_B4[:, 1:2]) * down_H
    grid_BHW2 = torch.stack((columns_BW[:, None, :].expand(-1, height, -1), rows_BH[:, :, None].expand(-1, -1, width)), -1)
    return 2 * grid_BHW2 - 1


def _cut(x: Tensor, raw_B4: Tensor) -> Tensor:
    """As released: cut at whole pixels, keep the whole map where the box is empty, resize back. Not for export."""
    height, width = x.shape[2:]
    cuts = []
    for one, (x0, y0, x1, y1) in zip(x, raw_B4.tolist(), strict=True):
        left, right, top, bottom = int(x0 * width), int(x1 * width), int(y0 * height), int(y1 * height)
        part = one[:, top:bottom, left:right] if right > left and bottom > top else one
        cuts.append(interpolate(part[None], (height, width), mode="bilinear", align_corners=False))
    return torch.cat(cuts)

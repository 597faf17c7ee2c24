"""EfficientViT-M5 with an MXA block in each of its eight blocks, and a second head to learn from a teacher by.

Rand & Ibrahim, arXiv:2504.02277, and their released code; where the two differ, both are options. Parameter counts are those of the
released runs: 12,094,162 without MXA (three channels), 16,149,010 with it (one channel), 16,155,168 with two heads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from models.chest import SPEC
from models.layers.densenet import BLOCKS_121, Teacher
from models.layers.efficientvit import PatchMerging, WindowAttention, conv_bn, mixing
from models.layers.mxa import MXA, Roi, in_view

CLASSES = len(SPEC.classifications[0].classes)
BLOCKS = len(SPEC.regions[0].names)
GRID = (SPEC.image_attention[0].rows, SPEC.image_attention[0].columns)
SIDES = (14, 7, 4)  # of the maps of the three stages, for a view of 224


@dataclass(frozen=True)
class Options:
    """What the paper compares or leaves open: one value each. The defaults are the full model with one head."""

    architecture: Literal["efficientvit", "densenet121"] = "efficientvit"
    widths: tuple[int, int, int] = (192, 288, 384)
    heads: tuple[int, int, int] = (3, 3, 4)
    depths: tuple[int, int, int] = (1, 3, 4)
    kernels: tuple[int, int, int, int] = (5, 5, 5, 5)  # (7, 5, 3, 3) to load ImageNet's M5
    mxa: bool = True
    roi: Roi = "grid"
    merge: Literal["parallel", "released"] = "parallel"  # released: attention twice with the same weights, MXA beside the first
    maximum: bool = False  # the channel gate's second branch
    outputs: int = 1  # 2: a head for the labels and one for the teacher's probabilities
    channels: int = 1
    half: bool = False  # images of half the resolution
    growth: int = 32  # of the teacher
    dense: tuple[int, int, int, int] = BLOCKS_121  # its blocks


class Block(nn.Module):
    """One EfficientViT block, with MXA in parallel with its attention: (B, C, H, H) -> the same, and what MXA looked at."""

    def __init__(self, stage: int, options: Options) -> None:
        super().__init__()
        channels = options.widths[stage]
        self.released = options.merge == "released"
        self.before, self.after = mixing(channels), mixing(channels)
        self.attention = WindowAttention(channels, options.heads[stage], SIDES[stage], options.kernels)
        self.mxa = MXA(channels, options.roi, maximum=options.maximum) if options.mxa else None

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if self.released and self.mxa is not None:
            looked = self.mxa(x)
            y = self.before(2 * x + self.attention(x) + looked.found)
            return self.after(y + self.attention(y)), looked.box, looked.gate
        y = self.before(x)
        if self.mxa is None:
            whole = y.new_tensor([0.0, 0.0, 1.0, 1.0]).expand(y.shape[0], 4)
            return self.after(y + self.attention(y)), whole, torch.ones_like(y[:, 0])
        looked = self.mxa(y)
        return self.after(y + self.attention(y) + looked.found), looked.box, looked.gate


class ChestNetwork(nn.Module):
    """Film -> probabilities of fourteen findings, where it looked, the eight boxes, and its last map.

    forward: image (B, channels, 224, 224)
    -> probabilities (B, 14), image_attention (B, 7, 7), regions (B, 8, 4), features (B, C, 4, 4).
    """

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        first, *_ = widths = options.widths
        steps = [options.channels, first // 8, first // 4, first // 2, first]
        stem: list[nn.Module] = []
        for i, (channels, out) in enumerate(pairwise(steps)):
            stem += [conv_bn(channels, out, 3, 1 if options.half and i == 3 else 2), *([nn.ReLU()] if i < 3 else [])]
        self.stem = nn.Sequential(*stem)
        self.blocks = nn.ModuleList(Block(stage, options) for stage, depth in enumerate(options.depths) for _ in range(depth))
        self.starts = (options.depths[0], options.depths[0] + options.depths[1])  # of the second and third stage, among the blocks
        self.downs = nn.ModuleList(nn.Sequential(mixing(c), PatchMerging(c, out), mixing(out)) for c, out in pairwise(widths))
        heads = (nn.Sequential(nn.BatchNorm1d(widths[2]), nn.Linear(widths[2], CLASSES)) for _ in range(options.outputs))
        self.classifiers = nn.ModuleList(heads)
        for classifier in self.classifiers:
            nn.init.trunc_normal_(classifier[1].weight, std=0.02)  # type: ignore[index]
            nn.init.zeros_(classifier[1].bias)  # type: ignore[index]

    @property
    def trunks(self) -> list[nn.Module]:
        """Nothing starts pretrained."""
        return []

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        features, regions_B84, attention_BHW = self._look(image)
        return self.decide((features,)).sigmoid(), attention_BHW, regions_B84, features

    def encode(self, image: Tensor) -> tuple[Tensor]:
        """Image -> the last map (B, C, 4, 4)."""
        return (self._look(image)[0],)

    def decide(self, maps: tuple[Tensor]) -> Tensor:
        """The last map -> logits (B, 14): of two heads the mean."""
        each = self._heads(maps[0])
        return each[0] if len(each) == 1 else (each[0] + each[1]) / 2

    def logits(self, image: Tensor) -> Tensor | tuple[Tensor, ...]:
        """What the loss takes: (B, 14), or a pair of them where there are two heads."""
        each = self._heads(self._look(image)[0])
        return each[0] if len(each) == 1 else each

    def standardise(self, inputs: Mapping[str, Tensor], targets: Tensor) -> None:  # noqa: ARG002  there is nothing but the image
        """Start each head at how common its findings are, so that the first steps need not find that out."""
        common = targets.nanmean(0).clamp(0.005, 0.995)
        for classifier in self.classifiers:
            classifier[1].bias.data.copy_(common.logit())  # type: ignore[index]

    def _heads(self, features: Tensor) -> tuple[Tensor, ...]:
        pooled = features.mean((2, 3))
        return tuple(classifier(pooled) for classifier in self.classifiers)

    def _look(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The last map, the boxes (B, 8, 4), and the gate of the last 7 x 7 block where it lies in the view."""
        x, boxes, attention = self.stem(image), [], None
        for number, block in enumerate(self.blocks):
            if number in self.starts:
                x = self.downs[self.starts.index(number)](x)
            x, box, gate = block(x)
            boxes.append(box)
            if gate.shape[1] == GRID[0]:
                attention = in_view(gate, box)
        assert attention is not None  # noqa: S101  the second stage has the grid of the answer
        return x, torch.stack(boxes, 1), attention


def build(options: Mapping[str, object]) -> nn.Module:
    """The network that a recipe's options describe, the teacher included."""
    chosen = Options(**options)  # type: ignore[arg-type]  # a recipe is data; Options checks its names
    return Teacher(chosen.growth, chosen.dense, CLASSES, BLOCKS, GRID) if chosen.architecture == "densenet121" else ChestNetwork(chosen)

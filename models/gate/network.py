"""The gate's network: four strided stages of convolutions, two heads."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.gate import GATE


class GateNetwork(nn.Module):
    """thumbnail (B, 1, S, S) in [0, 1] -> probabilities of the body part (B, 6) and of the orientation (B, 4).

    `temperature` is fitted on validation pictures after training (Guo et al., ICML 2017).
    """

    def __init__(self, channels: tuple[int, ...] = (16, 32, 64, 96)) -> None:
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(()), requires_grad=False)
        stages, into = [], 1
        for out in channels:
            stages += [_convolution(into, out, 2), _convolution(out, out, 1)]
            into = out
        self.trunk = nn.Sequential(*stages, nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Dropout(0.2))
        self.part = nn.Linear(9 * into, len(GATE.parts))
        self.orientation = nn.Linear(9 * into, len(GATE.degrees))

    def logits(self, thumbnail: Tensor) -> tuple[Tensor, Tensor]:
        features = self.trunk(2 * thumbnail - 1)
        return self.part(features), self.orientation(features)

    def forward(self, thumbnail: Tensor) -> tuple[Tensor, Tensor]:
        part, orientation = self.logits(thumbnail)
        return (part / self.temperature).softmax(1), (orientation / self.temperature).softmax(1)


def _convolution(into: int, out: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(into, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True))

"""A DenseNet (Huang et al., CVPR 2017) of one channel as a teacher, with torchvision's parameter names; TorchXRayVision's weights."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

import torch
from torch import Tensor, nn

BLOCKS_121 = (6, 12, 24, 16)
NOT_TAUGHT = -1
# TorchXRayVision's output for each of the fourteen findings; those that its CheXpert weights were not trained on teach nothing.
XRV_OUTPUTS = (NOT_TAUGHT, 17, 10, 16, 14, 4, 1, 8, 0, 3, 7, NOT_TAUGHT, 15, NOT_TAUGHT)
# Where its sensitivity and specificity are chosen to be read: rescaled to 0.5, which is what its authors mean by calibrated.
XRV_POINTS = {0: 0.1989, 1: 0.0571, 3: 0.0531, 4: 0.1435, 7: 0.2721, 8: 0.0775, 10: 0.1971, 14: 0.0993, 15: 0.0927, 16: 0.3271, 17: 0.1089}


class DenseLayer(nn.Module):
    """1 x 1 to four growths, 3 x 3 to one, beside what came in: (B, C, H, W) -> (B, C + growth, H, W)."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(channels), nn.Conv2d(channels, 4 * growth, 1, bias=False)
        self.norm2, self.conv2 = nn.BatchNorm2d(4 * growth), nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(self.norm2(self.conv1(self.norm1(x).relu())).relu())
        return torch.cat((x, y), 1)


def densenet(growth: int, blocks: tuple[int, ...] = BLOCKS_121) -> tuple[nn.Sequential, int]:
    """The features of a DenseNet (B, 1, H, W) -> (B, C, H / 32, W / 32), and C; a growth of 32 is DenseNet-121."""
    channels = 2 * growth
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        conv0=nn.Conv2d(1, channels, 7, 2, 3, bias=False), norm0=nn.BatchNorm2d(channels), relu0=nn.ReLU(), pool0=nn.MaxPool2d(3, 2, 1)
    )
    for number, depth in enumerate(blocks, start=1):
        named = [(f"denselayer{i + 1}", DenseLayer(channels + i * growth, growth)) for i in range(depth)]
        layers[f"denseblock{number}"] = nn.Sequential(OrderedDict[str, nn.Module](named))
        channels += depth * growth
        if number < len(blocks):
            halved = OrderedDict(norm=nn.BatchNorm2d(channels), relu=nn.ReLU(), conv=nn.Conv2d(channels, channels // 2, 1, bias=False))
            layers[f"transition{number}"] = nn.Sequential(OrderedDict([*halved.items(), ("pool", nn.AvgPool2d(2))]))
            channels //= 2
    layers["norm5"] = nn.BatchNorm2d(channels)
    return nn.Sequential(layers), channels


class Teacher(nn.Module):
    """DenseNet with the outputs of the student: it looks everywhere alike, and has no boxes but the whole view."""

    def __init__(self, growth: int, blocks: tuple[int, ...], classes: int, boxes: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.features, channels = densenet(growth, blocks)
        self.classifier = nn.Linear(channels, classes)
        self.boxes, self.grid = boxes, grid

    @property
    def trunks(self) -> list[nn.Module]:
        """Nothing starts pretrained."""
        return []

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        maps = self.encode(image)
        even = image.new_full((image.shape[0], *self.grid), 1 / (self.grid[0] * self.grid[1]))
        whole = image.new_tensor([0.0, 0.0, 1.0, 1.0]).expand(image.shape[0], self.boxes, 4)
        return self.decide(maps).sigmoid(), even, whole, maps[0]

    def encode(self, image: Tensor) -> tuple[Tensor]:
        """Image -> the last map (B, C, 7, 7)."""
        return (self.features(image).relu(),)

    def decide(self, maps: tuple[Tensor]) -> Tensor:
        """The last map -> logits (B, classes)."""
        logits: Tensor = self.classifier(maps[0].mean((2, 3)))
        return logits

    def logits(self, image: Tensor) -> Tensor:
        """What the loss takes (B, classes)."""
        return self.decide(self.encode(image))

    def standardise(self, inputs: Mapping[str, Tensor], targets: Tensor) -> None:  # noqa: ARG002  there is nothing but the image
        """Start at how common each finding is."""
        self.classifier.bias.data.copy_(targets.nanmean(0).clamp(0.005, 0.995).logit())


class XrvTeacher(nn.Module):
    """TorchXRayVision's `densenet121-res224-chex`: image (B, 1, 224, 224) in [-1024, 1024] -> probabilities (B, 14).

    NaN stands where it teaches nothing.
    Its probabilities are taken as they are, rescaled at its operating points; a second sigmoid, as released, would press them into
    [0.5, 0.73].
    """

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.features, channels = densenet(32)
        self.classifier = nn.Linear(channels, 18)
        kept = {name: value for name, value in state.items() if name.startswith(("features.", "classifier."))}
        self.load_state_dict(kept)

    def forward(self, image: Tensor) -> Tensor:
        raw = self.classifier(self.features(image).relu().mean((2, 3))).sigmoid()
        known = {output: _rescaled(raw[:, output], point) for output, point in XRV_POINTS.items()}
        nothing = torch.full_like(raw[:, 0], float("nan"))
        return torch.stack([known.get(output, nothing) for output in XRV_OUTPUTS], 1)


def _rescaled(probability: Tensor, point: float) -> Tensor:
    """Piecewise linear: 0 to 0, the operating point to 0.5, 1 to 1."""
    return torch.where(probability < point, probability / (2 * point), 1 - (1 - probability) / (2 * (1 - point)))

"""ResNet-50's blocks and trunk (He et al., CVPR 2016), with torchvision's parameter names so that its checkpoints load as they are."""

from __future__ import annotations

from torch import Tensor, nn

RESNET50 = (3, 4, 6, 3)
EXPANSION = 4  # a block's outer width over its inner one


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 and 1 x 1 convolutions and a shortcut: (B, C, H, W) -> (B, 4 K, H / stride, W / stride)."""

    def __init__(self, channels: int, inner: int, stride: int) -> None:
        super().__init__()
        out = EXPANSION * inner
        self.conv1 = nn.Conv2d(channels, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        shape_changes = stride != 1 or channels != out
        self.downsample = (
            nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out)) if shape_changes else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        return self.relu(self.bn3(self.conv3(y)) + self.downsample(x))


class BottleneckTrunk(nn.Module):
    """A ResNet of bottlenecks without pooling and classifier: (B, 3, H, W) -> (B, 32 width, H / 32, W / 32)."""

    def __init__(self, blocks: tuple[int, int, int, int] = RESNET50, width: int = 64) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = _stage(width, width, blocks[0], 1)
        self.layer2 = _stage(EXPANSION * width, 2 * width, blocks[1], 2)
        self.layer3 = _stage(2 * EXPANSION * width, 4 * width, blocks[2], 2)
        self.layer4 = _stage(4 * EXPANSION * width, 8 * width, blocks[3], 2)
        self.channels = 8 * EXPANSION * width
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))


def _stage(channels: int, inner: int, blocks: int, stride: int) -> nn.Sequential:
    following = (Bottleneck(EXPANSION * inner, inner, 1) for _ in range(blocks - 1))
    return nn.Sequential(Bottleneck(channels, inner, stride), *following)

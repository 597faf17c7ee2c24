"""ResNet trunks (He et al., CVPR 2016), with torchvision's parameter names so that its checkpoints load as they are."""

from __future__ import annotations

from torch import Tensor, nn

RESNET34 = RESNET50 = (3, 4, 6, 3)


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions and a shortcut: (B, C, H, W) -> (B, K, H / stride, W / stride)."""

    expansion = 1

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(channels, out, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(y + self.downsample(x))


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 with the stride, 1 x 1 to four times the width, and a shortcut: (B, C, H, W) -> (B, 4 K, H / stride, W / stride)."""

    expansion = 4

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        out = self.expansion * width
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(channels, out, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn3(self.conv3(self.relu(self.bn2(self.conv2(y)))))
        return self.relu(y + self.downsample(x))


class ResNetTrunk(nn.Module):
    """A ResNet without pooling and classifier: (B, 3, H, W) -> (B, channels, H / 32, W / 32).

    `channels` is 8 widths for basic blocks and 32 for bottlenecks; a width of 64 is ResNet34 or ResNet50 itself. `half` leaves out the
    first pooling: images of half the resolution give maps of the same size at a third of the cost.
    """

    def __init__(
        self,
        blocks: tuple[int, int, int, int] = RESNET34,
        width: int = 64,
        block: type[BasicBlock | Bottleneck] = BasicBlock,
        *,
        half: bool = False,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.Identity() if half else nn.MaxPool2d(3, 2, 1)
        wide = block.expansion * width
        self.layer1 = _stage(block, width, width, blocks[0], 1)
        self.layer2 = _stage(block, wide, 2 * width, blocks[1], 2)
        self.layer3 = _stage(block, 2 * wide, 4 * width, blocks[2], 2)
        self.layer4 = _stage(block, 4 * wide, 8 * width, blocks[3], 2)
        self.channels = 8 * wide
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))


def _stage(block: type[BasicBlock | Bottleneck], channels: int, width: int, blocks: int, stride: int) -> nn.Sequential:
    wide = block.expansion * width
    return nn.Sequential(block(channels, width, stride), *(block(wide, width, 1) for _ in range(blocks - 1)))


def _shortcut(channels: int, out: int, stride: int) -> nn.Module:
    """The identity where the shape stays."""
    if stride == 1 and channels == out:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))

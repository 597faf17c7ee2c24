"""EfficientViT's blocks (Liu et al., CVPR 2023): sandwiched feed-forward layers around cascaded group attention.

Shapes: B batch, C channels, H and W of the map, N tokens of a window, E width of queries and keys.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

KEY_WIDTH = 16  # of queries and keys, in every stage


def conv_bn(channels: int, out: int, kernel: int = 1, stride: int = 1, groups: int = 1, scale: float = 1.0) -> nn.Sequential:
    """A convolution without bias and its batch norm, whose scale starts at `scale`: 0 makes a residual branch start as nothing."""
    norm = nn.BatchNorm2d(out)
    nn.init.constant_(norm.weight, scale)
    return nn.Sequential(nn.Conv2d(channels, out, kernel, stride, kernel // 2, groups=groups, bias=False), norm)


class Residual(nn.Module):
    """x + branch(x)."""

    def __init__(self, branch: nn.Module) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.branch(x)
        return y


def mixing(channels: int) -> nn.Sequential:
    """Depthwise 3 x 3, then the feed-forward layer: each a residual (B, C, H, W)."""
    feed_forward = nn.Sequential(conv_bn(channels, 2 * channels), nn.ReLU(), conv_bn(2 * channels, channels, scale=0.0))
    return nn.Sequential(Residual(conv_bn(channels, channels, 3, groups=channels, scale=0.0)), Residual(feed_forward))


class CascadedGroupAttention(nn.Module):
    """Each head sees its own share of the channels and what the head before it found: (B, C, S, S) -> (B, C, S, S)."""

    offsets: Tensor

    def __init__(self, channels: int, heads: int, side: int, kernels: tuple[int, ...]) -> None:
        super().__init__()
        share = channels // heads
        self.heads, self.share = heads, share
        self.qkv = nn.ModuleList(conv_bn(share, 2 * KEY_WIDTH + share) for _ in range(heads))
        self.depthwise = nn.ModuleList(conv_bn(KEY_WIDTH, KEY_WIDTH, kernels[i], groups=KEY_WIDTH) for i in range(heads))
        self.bias = nn.Parameter(torch.zeros(heads, side * side))
        self.project = nn.Sequential(nn.ReLU(), conv_bn(channels, channels, scale=0.0))
        self.register_buffer("offsets", _offsets(side), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        found, carried = [], None
        for i, part in enumerate(x.chunk(self.heads, 1)):
            given = part if carried is None else part + carried
            q, k, v = self.qkv[i](given).split((KEY_WIDTH, KEY_WIDTH, self.share), 1)
            q_BNE = self.depthwise[i](q).flatten(2).transpose(1, 2)
            weights_BNN = (q_BNE @ k.flatten(2) * KEY_WIDTH**-0.5 + self.bias[i][self.offsets]).softmax(-1)
            carried = (v.flatten(2) @ weights_BNN.transpose(1, 2)).unflatten(2, x.shape[2:])
            found.append(carried)
        y: Tensor = self.project(torch.cat(found, 1))
        return y


class WindowAttention(nn.Module):
    """Attention within windows of at most 7 x 7 that tile the map: (B, C, H, H) -> (B, C, H, H)."""

    def __init__(self, channels: int, heads: int, side: int, kernels: tuple[int, ...], window: int = 7) -> None:
        super().__init__()
        self.window = min(window, side)
        self.across = side // self.window
        self.attention = CascadedGroupAttention(channels, heads, self.window, kernels)

    def forward(self, x: Tensor) -> Tensor:
        if self.across == 1:
            return self.attention(x)
        n, w, c = self.across, self.window, x.shape[1]
        windows = x.reshape(-1, c, n, w, n, w).permute(0, 2, 4, 1, 3, 5).reshape(-1, c, w, w)
        y = self.attention(windows).reshape(-1, n, n, c, w, w)
        z: Tensor = y.permute(0, 3, 1, 4, 2, 5).reshape(-1, c, n * w, n * w)
        return z


class SqueezeExcite(nn.Module):
    """Channels weighed by their means (Hu et al., CVPR 2018), a quarter as many in between."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        between = max(8, int(channels * 0.25 + 4) // 8 * 8)
        self.reduce, self.expand = nn.Conv2d(channels, between, 1), nn.Conv2d(between, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        weights: Tensor = self.expand(self.reduce(x.mean((2, 3), keepdim=True)).relu()).sigmoid()
        return x * weights


class PatchMerging(nn.Sequential):
    """Half as many rows and columns: (B, C, H, W) -> (B, K, ceil(H / 2), ceil(W / 2))."""

    def __init__(self, channels: int, out: int) -> None:
        wide = 4 * channels
        halved = (conv_bn(wide, wide, 3, 2, groups=wide), nn.ReLU(), SqueezeExcite(wide))
        super().__init__(conv_bn(channels, wide), nn.ReLU(), *halved, conv_bn(wide, out))


def _offsets(side: int) -> Tensor:
    """For each pair of places of a window (N, N), where the distance |dx|, |dy| between them stands in the table of biases."""
    rows, columns = torch.arange(side * side) // side, torch.arange(side * side) % side
    down, across = (rows[:, None] - rows).abs(), (columns[:, None] - columns).abs()
    return down * side + across

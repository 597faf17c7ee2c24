"""XAttn-BMD: a ResNet34 trunk and field tokens, fused by bidirectional cross-attention.

Zhang et al., arXiv:2511.14604, gives the parts: ResNet34, 3 layers of 4 heads in both directions, a layer-wise fusion
weight and a key-value updater. The formulas it leaves open are the plainest readings, and each alternative is an option.

Shapes: B batch, F fields, P image tokens (7 x 7), D width, N heads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from models.bmd import METADATA, SPEC
from models.layers.attention import MultiHeadAttention
from models.layers.fields import FieldTokens
from models.layers.resnet import RESNET34, ResNetTrunk

GRID = (SPEC.image_attention[0].rows, SPEC.image_attention[0].columns)


@dataclass(frozen=True)
class Options:
    """What the paper leaves open or ablates: one value each. The defaults are the full model."""

    trunk_width: int = 64  # 64 is ResNet34 itself
    trunk_blocks: tuple[int, int, int, int] = RESNET34
    half: bool = False  # images of half the resolution
    width: int = 128
    heads: int = 4
    layers: int = 3
    streams: Literal["both", "image", "metadata"] = "both"
    direction: Literal["bi", "img_from_meta", "meta_from_img", "none"] = "bi"  # none: plain concatenation
    fusion_weight: Literal["scalar", "per_head", "per_channel", "none"] = "scalar"
    kv_update: Literal["mlp", "none"] = "mlp"
    image_tokens: Literal["map49", "pooled1"] = "map49"


class State(NamedTuple):
    """What travels through the layers: both streams, the keys they offer, and the attention of the last layer."""

    image: Tensor  # (B, P, D)
    fields: Tensor  # (B, F, D)
    image_keys: Tensor  # (B, P, D)
    field_keys: Tensor  # (B, F, D)
    to_fields: Tensor  # (B, F)
    to_image: Tensor  # (B, P)


class Stream(nn.Module):
    """One direction of one layer: tokens attend to the other side's keys, are mixed, and refresh their own keys."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        d = options.width
        gates = {"scalar": 1, "per_head": options.heads, "per_channel": d, "none": 0}[options.fusion_weight]
        self.query_norm, self.key_norm, self.mix_norm = nn.LayerNorm(d), nn.LayerNorm(d), nn.LayerNorm(d)
        self.attention = MultiHeadAttention(d, options.heads)
        self.per_head = options.fusion_weight == "per_head"
        self.gate = nn.Parameter(torch.zeros(gates)) if gates else None  # sigmoid(0) = 0.5: an even start
        self.feed_forward = nn.Sequential(nn.Linear(d, 2 * d), nn.GELU(), nn.Dropout(0.1), nn.Linear(2 * d, d))
        self.update = nn.Sequential(nn.Linear(d, d), nn.GELU(), nn.Linear(d, d)) if options.kv_update == "mlp" else None
        self.update_norm = nn.LayerNorm(d) if options.kv_update == "mlp" else None

    def forward(self, tokens: Tensor, other_keys: Tensor, present: Tensor | None) -> tuple[Tensor, Tensor]:
        """Tokens (B, T, D) and the other side's keys (B, K, D) -> tokens (B, T, D), weights (B, N, T, K)."""
        share = None if self.gate is None else self.gate.sigmoid()
        head_share = share if self.per_head else None
        attended, weights = self.attention(self.query_norm(tokens), self.key_norm(other_keys), present, head_share)
        mixed = self.mix_norm(self._fuse(tokens, attended, share))
        return mixed + self.feed_forward(mixed), weights

    def refresh(self, keys: Tensor, tokens: Tensor) -> Tensor:
        """The key-value updater: keys (B, T, D) follow the stream they were taken from."""
        return self.update_norm(keys + self.update(tokens)) if self.update is not None and self.update_norm is not None else keys

    def _fuse(self, tokens: Tensor, attended: Tensor, share: Tensor | None) -> Tensor:
        if share is None:
            return tokens + attended
        if self.per_head:  # each head was weighted before its heads were mixed
            return (1 - share.mean()) * tokens + attended
        return (1 - share) * tokens + share * attended


class CrossLayer(nn.Module):
    """Both directions of one layer, computed side by side from the same inputs."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.direction = options.direction
        self.image = Stream(options)
        self.fields = Stream(options)

    def forward(self, state: State, present: Tensor) -> State:
        image, fields, to_fields_BF, to_image_BP = state.image, state.fields, state.to_fields, state.to_image
        if self.direction != "meta_from_img":
            image, weights_BNPF = self.image(state.image, state.field_keys, present)
            to_fields_BF = weights_BNPF.mean((1, 2))
        if self.direction != "img_from_meta":
            fields, weights_BNFP = self.fields(state.fields, state.image_keys, None)
            to_image_BP = _masked_mean(weights_BNFP.mean(1), present)
        image_keys, field_keys = self.image.refresh(state.image_keys, image), self.fields.refresh(state.field_keys, fields)
        return State(image, fields, image_keys, field_keys, to_fields_BF, to_image_BP)


class ImageTokens(nn.Module):
    """The trunk's map (B, C, 7, 7) -> tokens (B, P, D), or its mean as a single token."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.pooled = options.image_tokens == "pooled1"
        self.trunk = ResNetTrunk(options.trunk_blocks, options.trunk_width, half=options.half)
        self.project = nn.Linear(self.trunk.channels, options.width)
        self.position = nn.Parameter(0.02 * torch.randn(1 if self.pooled else _grid_tokens(), options.width))
        self.norm = nn.LayerNorm(options.width)

    def forward(self, map_BCHW: Tensor) -> Tensor:
        map_BPC = map_BCHW.flatten(2).transpose(1, 2)
        if self.pooled:
            map_BPC = map_BPC.mean(1, keepdim=True)
        return self.norm(self.project(map_BPC) + self.position)


class XAttnBMD(nn.Module):
    """Image, metadata and mask -> BMD in g/cm2, attention over the fields, attention over the image, and the trunk's map.

    forward: image (B, 3, 224, 224), metadata (B, F) in natural units, present (B, F)
    -> bmd (B, 1), metadata_attention (B, F), image_attention (B, 7, 7), features (B, C, 7, 7); both attentions sum to 1.
    """

    target_mean: Tensor
    target_std: Tensor

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        self.image = ImageTokens(options) if options.streams != "metadata" else None
        self.fields = FieldTokens(METADATA.network_fields, options.width)
        crossed = options.streams == "both" and options.direction != "none"
        self.layers = nn.ModuleList(CrossLayer(options) for _ in range(options.layers if crossed else 0))
        sides = 2 if options.streams == "both" else 1
        self.head = nn.Sequential(nn.Linear(sides * options.width, 64), nn.GELU(), nn.Dropout(0.2), nn.Linear(64, 1))
        self.register_buffer("target_mean", torch.zeros(1))
        self.register_buffer("target_std", torch.ones(1))

    @property
    def trunks(self) -> list[nn.Module]:
        """The image trunks: what starts pretrained, and is frozen first."""
        return [self.image.trunk] if self.image is not None else []

    def forward(self, image: Tensor, metadata: Tensor, present: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        maps = self.encode(image)
        return (*self._answer(maps, metadata, present), *maps)

    def encode(self, image: Tensor) -> tuple[Tensor]:
        """Image (B, 3, 224, 224) -> its features (B, C, 7, 7); one channel of zeros where the image is not read."""
        return (self.image.trunk(image) if self.image is not None else image.new_zeros(image.shape[0], 1, *GRID),)

    def decide(self, maps: tuple[Tensor], metadata: Tensor, present: Tensor) -> Tensor:
        """Features and metadata -> bmd (B, 1)."""
        return self._answer(maps, metadata, present)[0]

    def logits(self, image: Tensor, metadata: Tensor, present: Tensor) -> Tensor:
        """What the loss takes: the estimate itself."""
        return self.decide(self.encode(image), metadata, present)

    def standardise(self, inputs: Mapping[str, Tensor], targets: Tensor) -> None:
        """Take mean and standard deviation of the fields and of the targets (N, 1) from the training fold, into the graph."""
        self.fields.standardise(inputs[METADATA.name], inputs[METADATA.mask])
        self.target_mean[0], self.target_std[0] = targets.mean(), targets.std()

    def shift(self, offset: float) -> None:
        """Add an offset in g/cm2 to every estimate."""
        self.target_mean += offset

    def _answer(self, maps: tuple[Tensor], metadata: Tensor, present: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        present = present * self.fields.seen  # a field that training never saw counts as missing
        fields_BFD = self.fields(metadata, present)
        image_BPD = self.image(maps[0]) if self.image is not None else fields_BFD.new_zeros(fields_BFD.shape[0], _grid_tokens(), 1)
        evenly_BP = _mean_weights(torch.ones_like(image_BPD[..., 0]))
        state = State(image_BPD, fields_BFD, image_BPD, fields_BFD, _mean_weights(present), evenly_BP)
        for layer in self.layers:
            state = layer(state, present)
        z_B1 = self.head(self._pool(state, present))
        to_image_BP = state.to_image
        if self.options.image_tokens == "pooled1":  # one token stands for the whole grid
            to_image_BP = to_image_BP.expand(-1, _grid_tokens()) / _grid_tokens()
        return z_B1 * self.target_std + self.target_mean, state.to_fields, to_image_BP.unflatten(1, GRID)

    def _pool(self, state: State, present: Tensor) -> Tensor:
        image, fields = state.image.mean(1), _masked_mean(state.fields, present)
        return {"both": torch.cat((image, fields), dim=-1), "image": image, "metadata": fields}[self.options.streams]


def build(options: Mapping[str, object]) -> XAttnBMD:
    """The network that a recipe's options describe."""
    return XAttnBMD(Options(**options))  # type: ignore[arg-type]  # a recipe is data; Options checks its names


def _grid_tokens() -> int:
    return GRID[0] * GRID[1]


def _mean_weights(present_BT: Tensor) -> Tensor:
    return present_BT / present_BT.sum(1, keepdim=True)


def _masked_mean(tokens_BTX: Tensor, present_BT: Tensor) -> Tensor:
    return (tokens_BTX * present_BT.unsqueeze(-1)).sum(1) / present_BT.sum(1, keepdim=True)

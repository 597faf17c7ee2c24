"""Mammogram and descriptors, fused: a ResNet-50 and a 36-value vector, both to d = 100, by cross-attention from image to fields.

Nantogmah et al., arXiv:2508.16000, gives the parts. Read to the letter, one image vector attends to one clinical vector: the softmax
over a single key is 1 and the image drops out of its own attention. Two readings that do not degenerate are offered: `vector`, where
every feature is a token of one number, and `tokens`, the default, where 49 places of the image ask five fields, and which gives maps.

Shapes: B batch, C channels of the trunk, P places (7 x 7), F fields, D = 100.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from models.breast import DESCRIPTORS, SPEC
from models.layers.attention import MultiHeadAttention
from models.layers.resnet import RESNET50, BasicBlock, Bottleneck, ResNetTrunk

GRID = (SPEC.image_attention[0].rows, SPEC.image_attention[0].columns)
PLACES = GRID[0] * GRID[1]
WIDTHS = [field.width for field in DESCRIPTORS.network_fields]


@dataclass(frozen=True)
class Options:
    """What the paper compares or leaves open: one value each. The defaults are the full model."""

    trunk: Literal["resnet50", "resnet34"] = "resnet50"  # narrowed to an eighth, basic blocks learn where bottlenecks starve
    trunk_width: int = 64  # 64 is the ResNet itself
    trunk_blocks: tuple[int, int, int, int] = RESNET50  # ResNet34 has as many
    half: bool = False  # images of half the resolution
    width: int = 100
    heads: int = 4
    fusion: Literal["concatenation", "co_attention", "cross_attention"] = "cross_attention"
    form: Literal["tokens", "vector"] = "tokens"
    streams: Literal["both", "image", "clinical"] = "both"
    modality_dropout: float = 0.3
    keep_embeddings: bool = True  # both embeddings reach the head beside what was attended; off, attention alone carries the image


class Fused(NamedTuple):
    """What the head reads (B, H), and where attention lay: on the fields (B, F) and on the image (B, P), each summing to 1."""

    joined: Tensor
    to_fields: Tensor
    to_image: Tensor


class FeatureAttention(nn.Module):
    """Every feature a token: softmax(q k^T / sqrt(D)) over (D, D), so that no key stands alone. (B, D), (B, D) -> (B, D)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.key, self.value = nn.Linear(width, width), nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, asking: Tensor, asked: Tensor) -> Tensor:
        q_BD1, k_B1D = self.query(asking).unsqueeze(2), self.key(asked).unsqueeze(1)
        weights_BDD = (q_BD1 @ k_B1D / q_BD1.shape[1] ** 0.5).softmax(-1)
        return (weights_BDD @ self.value(asked).unsqueeze(2)).squeeze(2)


class TokenFusion(nn.Module):
    """Places of the image ask the fields; the clinical embedding then says which places count."""

    def __init__(self, channels: int, options: Options) -> None:
        super().__init__()
        d = options.width
        self.places = nn.Linear(channels, d)
        self.position = nn.Parameter(0.02 * torch.randn(PLACES, d))
        self.values = nn.ModuleList(nn.Linear(width, d) for width in WIDTHS)
        self.identity = nn.Parameter(0.1 * torch.randn(len(WIDTHS), d))
        self.no_data = nn.Parameter(0.1 * torch.randn(1, d))  # what is asked where no field is known
        self.attention = MultiHeadAttention(d, options.heads)
        self.norm = nn.LayerNorm(d)
        self.pool_query, self.pool_key = nn.Linear(d, d), nn.Linear(d, d)

    def forward(self, map_BCHW: Tensor, clinical_BW: Tensor, present_BF: Tensor, embedding_BD: Tensor) -> Fused:
        places_BPD = self.places(map_BCHW.flatten(2).transpose(1, 2)) + self.position
        slices = clinical_BW.split(WIDTHS, dim=1)
        fields_BFD = torch.stack([value(each) for value, each in zip(self.values, slices, strict=True)], 1) + self.identity
        nothing_B1 = (present_BF.sum(1, keepdim=True) == 0).to(present_BF)
        keys_BKD = torch.cat((fields_BFD, self.no_data.expand(fields_BFD.shape[0], 1, -1)), 1)
        attended_BPD, weights_BNPK = self.attention(places_BPD, keys_BKD, torch.cat((present_BF, nothing_B1), 1))
        mixed_BPD = self.norm(places_BPD + attended_BPD)
        asked_BP = (self.pool_key(mixed_BPD) @ self.pool_query(embedding_BD).unsqueeze(2)).squeeze(2) / mixed_BPD.shape[2] ** 0.5
        to_image_BP = asked_BP.softmax(1)
        pooled_BD = (to_image_BP.unsqueeze(2) * mixed_BPD).sum(1)
        to_fields_BF = weights_BNPK.mean(1)[..., : len(WIDTHS)]
        return Fused(pooled_BD, _known_or_even((to_image_BP.unsqueeze(2) * to_fields_BF).sum(1), nothing_B1), to_image_BP)


class BreastNetwork(nn.Module):
    """Image, descriptors and mask -> probabilities, attention over the fields and over the image, and the trunk's map.

    forward: image (B, 3, 224, 224), clinical (B, 36), present (B, 5)
    -> probabilities (B, 2), metadata_attention (B, 5), image_attention (B, 7, 7), features (B, C, 7, 7).
    """

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        d, fused = options.width, options.streams == "both"
        block = Bottleneck if options.trunk == "resnet50" else BasicBlock
        self.trunk = None
        if options.streams != "clinical":
            self.trunk = ResNetTrunk(options.trunk_blocks, options.trunk_width, block, half=options.half)
        self.image = nn.Linear(self.trunk.channels, d) if self.trunk is not None else None
        self.clinical = nn.Linear(sum(WIDTHS), d)
        tokens = fused and options.fusion == "cross_attention" and options.form == "tokens" and self.trunk is not None
        self.tokens = TokenFusion(self.trunk.channels, options) if tokens and self.trunk is not None else None
        crossed = fused and options.fusion != "concatenation" and not tokens
        self.to_clinical = FeatureAttention(d) if crossed else None
        self.to_image = FeatureAttention(d) if crossed and options.fusion == "co_attention" else None
        parts = self._parts()
        self.head = nn.Sequential(nn.Linear(parts * d, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 2))

    @property
    def trunks(self) -> list[nn.Module]:
        """The image trunk: what starts pretrained, and is frozen first."""
        return [self.trunk] if self.trunk is not None else []

    def forward(self, image: Tensor, clinical: Tensor, present: Tensor) -> tuple[Tensor, ...]:
        maps = self.encode(image)
        fused = self._fuse(maps[0], clinical, present)
        return (self.head(fused.joined).softmax(1), fused.to_fields, fused.to_image.unflatten(1, GRID), *maps)

    def encode(self, image: Tensor) -> tuple[Tensor]:
        """Image (B, 3, 224, 224) -> its features (B, C, 7, 7); one channel of zeros where the image is not read."""
        return (self.trunk(image) if self.trunk is not None else image.new_zeros(image.shape[0], 1, *GRID),)

    def decide(self, maps: tuple[Tensor], clinical: Tensor, present: Tensor) -> Tensor:
        """Features and descriptors -> logits (B, 2)."""
        logits: Tensor = self.head(self._fuse(maps[0], clinical, present).joined)
        return logits

    def logits(self, image: Tensor, clinical: Tensor, present: Tensor) -> Tensor:
        """What the loss takes (B, 2)."""
        return self.decide(self.encode(image), clinical, present)

    def standardise(self, inputs: Mapping[str, Tensor], targets: Tensor) -> None:
        """Descriptors are zeros and ones: there is nothing to scale."""

    def _parts(self) -> int:
        """How many vectors of D the head reads."""
        if self.options.streams != "both":
            return 1
        attended = {"concatenation": 0, "cross_attention": 1, "co_attention": 2}[self.options.fusion]
        return attended + 2 * (self.options.keep_embeddings or attended == 0)

    def _fuse(self, map_BCHW: Tensor, clinical: Tensor, present: Tensor) -> Fused:
        has_image_B1, has_clinical_B1 = self._kept(present)
        present = present * has_clinical_B1
        clinical = clinical * torch.cat([present[:, i : i + 1].expand(-1, width) for i, width in enumerate(WIDTHS)], 1)
        # The embedding is dropped, not its input: ReLU(affine(0)) is not zero. The same holds in service where no descriptor comes.
        c_BD = self.clinical(clinical).relu() * (present.sum(1, keepdim=True) > 0).to(clinical)
        to_fields = _known_or_even(present, (present.sum(1, keepdim=True) == 0).to(present))
        evenly = Fused(c_BD, to_fields, present.new_full((present.shape[0], PLACES), 1 / PLACES))
        if self.image is None:
            return evenly
        e_BD = self.image(map_BCHW.mean((2, 3))).relu() * has_image_B1
        if self.options.streams == "image":
            return evenly._replace(joined=e_BD)
        kept = [e_BD, c_BD] if self.options.keep_embeddings or self.options.fusion == "concatenation" else []
        if self.tokens is not None:
            fused: Fused = self.tokens(map_BCHW * has_image_B1[..., None, None], clinical, present, c_BD)
            return fused._replace(joined=torch.cat([*kept, fused.joined], 1))
        attended = [self.to_clinical(e_BD, c_BD)] if self.to_clinical is not None else []
        attended += [self.to_image(c_BD, e_BD)] if self.to_image is not None else []
        return evenly._replace(joined=torch.cat([*kept, *attended], 1))

    def _kept(self, present: Tensor) -> tuple[Tensor, Tensor]:
        """Which modality of each row stays (B, 1): in training one of the two is dropped now and then, never both."""
        ones = present.new_ones(present.shape[0], 1)
        if not self.training or self.options.streams != "both":
            return ones, ones
        draw = torch.rand_like(ones)
        half = self.options.modality_dropout / 2
        return (draw >= half).to(present), ((draw < half) | (draw >= 2 * half)).to(present)


def build(options: Mapping[str, object]) -> BreastNetwork:
    """The network that a recipe's options describe."""
    return BreastNetwork(Options(**options))  # type: ignore[arg-type]  # a recipe is data; Options checks its names


def _known_or_even(weights_BF: Tensor, nothing_B1: Tensor) -> Tensor:
    """Weights over the fields that sum to 1; even where no field is known."""
    even = torch.full_like(weights_BF, 1 / weights_BF.shape[1])
    known = weights_BF / weights_BF.sum(1, keepdim=True).clamp(min=1e-6)
    return nothing_B1 * even + (1 - nothing_B1) * known

"""ACMCA: clinical data ask the MRI where to look, genotypes ask the PET, and a Fourier and a Transformer branch read what comes of it.

arXiv:2507.08855 (as far as it is public) gives the parts: ResNet-50 for both images, dense networks for genotypes and clinical data,
100 dimensions each; attention in one direction; both branches in parallel; a classifier of four layers. Read literally, each image is
one vector, and attention to a single key does not depend on its query: that form is the option ``tokens="vector"``. The default
attends to the 49 places of the image. Everything else that is left open is an option with the plainest default.

Shapes: B batch, P places of an image (7 x 7), D width, N heads, T tokens of the sequence, V variants of the panel, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from models.alzheimer import CLINICAL, DIAGNOSIS, SPEC
from models.layers.attention import MultiHeadAttention
from models.layers.fourier import Axes, FourierMixing
from models.layers.resnet import RESNET50, Bottleneck, ResNetTrunk
from models.layers.variants import Variants

GRID = (SPEC.image_attention[0].rows, SPEC.image_attention[0].columns)
PLACES = GRID[0] * GRID[1]
CLASSES = len(DIAGNOSIS.classes)
FIELDS = len(CLINICAL.network_fields)
STREAMS = ("mri", "pet", "genotypes", "clinical")
ASKED: Mapping[str, tuple[tuple[str, str], ...]] = {  # direction -> (who asks, who is asked)
    "asymmetric": (("clinical", "mri"), ("genotypes", "pet")),
    "swapped": (("clinical", "pet"), ("genotypes", "mri")),
    "symmetric": (("clinical", "mri"), ("genotypes", "pet"), ("mri", "clinical"), ("pet", "genotypes")),
    "none": (),
}


@dataclass(frozen=True)
class Options:
    """What the paper leaves open or ablates: one value each. The defaults are the full model."""

    trunk_width: int = 64  # 64 is ResNet-50 itself
    trunk_blocks: tuple[int, int, int, int] = RESNET50
    half: bool = False  # images of half the resolution
    width: int = 100
    heads: int = 4
    variants: int = 15_000  # of the panel, chosen in the training fold
    genotype_width: int = 200
    clinical_width: int = 64
    streams: tuple[str, ...] = STREAMS
    tokens: Literal["map49", "vector"] = "map49"
    direction: Literal["asymmetric", "symmetric", "swapped", "none"] = "asymmetric"
    branches: Literal["both", "fnet", "transformer", "none"] = "both"
    fnet_axes: Axes = "hidden"
    classifier: tuple[int, int, int] = (128, 64, 32)

    @property
    def questions(self) -> tuple[tuple[str, str], ...]:
        """Who asks whom, of the streams that there are."""
        return tuple((asks, asked) for asks, asked in ASKED[self.direction] if {asks, asked} <= set(self.streams))


class Stream(NamedTuple):
    """What a modality offers: a summary (B, D), and what can be attended to (B, P or 1, D)."""

    summary: Tensor
    keys: Tensor


class ImageStream(nn.Module):
    """A trunk's map (B, C, 7, 7) -> tokens of its places (B, P, D), or their mean as a single token (B, 1, D)."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.pooled = options.tokens == "vector"
        self.trunk = ResNetTrunk(options.trunk_blocks, options.trunk_width, Bottleneck, half=options.half)
        self.project = nn.Linear(self.trunk.channels, options.width)
        self.position = nn.Parameter(0.02 * torch.randn(PLACES, options.width))
        self.norm = nn.LayerNorm(options.width)

    def forward(self, map_BCHW: Tensor) -> Stream:
        tokens_BPD = self.norm(self.project(map_BCHW.flatten(2).transpose(1, 2)) + self.position)
        summary_BD = tokens_BPD.mean(1)
        return Stream(summary_BD, summary_BD.unsqueeze(1) if self.pooled else tokens_BPD)


class VectorStream(nn.Module):
    """Numbers (B, F) -> one vector: two dense layers with batch normalisation and dropout."""

    def __init__(self, features: int, hidden: int, width: int, dropout: tuple[float, float]) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(features, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Dropout(dropout[0]),
            nn.Linear(hidden, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(dropout[1]),
        )  # fmt: skip

    def forward(self, x_BF: Tensor) -> Stream:
        summary_BD = self.layers(x_BF)
        return Stream(summary_BD, summary_BD.unsqueeze(1))


class Clinical(nn.Module):
    """Clinical fields (B, F) and their mask (B, F) -> standardised values and the mask (B, 2 F); a missing value is 0, and says so."""

    mean: Tensor
    std: Tensor
    seen: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(FIELDS))
        self.register_buffer("std", torch.ones(FIELDS))
        self.register_buffer("seen", torch.ones(FIELDS))

    def standardise(self, clinical: Tensor, present: Tensor) -> None:
        """Take mean and deviation of each field over its present values (N, F); a field that is present nowhere stays missing."""
        count = present.sum(0)
        self.seen.copy_((count > 0).float())
        self.mean.copy_((clinical * present).sum(0) / count.clamp(min=1))
        self.std.copy_((((clinical - self.mean) ** 2 * present).sum(0) / count.clamp(min=1)).sqrt().clamp(min=1e-3))

    def forward(self, clinical: Tensor, present: Tensor) -> Tensor:
        known = present * self.seen
        return torch.cat((known * (clinical - self.mean) / self.std, known), dim=1)


class Question(nn.Module):
    """One modality asks another: the summary (B, D) of the first is the query, the keys (B, P, D) of the second are looked at."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(options.width, options.heads)
        self.norm = nn.LayerNorm(options.width)

    def forward(self, asks: Stream, asked: Stream) -> tuple[Tensor, Tensor]:
        answer_B1D, weights_BN1P = self.attention(asks.summary.unsqueeze(1), asked.keys)
        return self.norm(asks.summary + answer_B1D.squeeze(1)), weights_BN1P.mean(1).squeeze(1)


class FeedForward(nn.Sequential):
    """Two layers, twice as wide between them."""

    def __init__(self, width: int) -> None:
        super().__init__(nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(0.1), nn.Linear(2 * width, width), nn.Dropout(0.1))


class FourierBranch(nn.Module):
    """One layer of FNet over a sequence (B, T, D): normalised after each step, for the transform is not."""

    def __init__(self, tokens: int, options: Options) -> None:
        super().__init__()
        self.mixing = FourierMixing(tokens, options.width, options.fnet_axes)
        self.mixing_norm, self.norm = nn.LayerNorm(options.width), nn.LayerNorm(options.width)
        self.feed_forward = FeedForward(options.width)

    def forward(self, z_BTD: Tensor) -> Tensor:
        z_BTD = self.mixing_norm(z_BTD + self.mixing(z_BTD))
        return self.norm(z_BTD + self.feed_forward(z_BTD))


class TransformerBranch(nn.Module):
    """One layer of a Transformer over a sequence (B, T, D), normalised before each step."""

    def __init__(self, _: int, options: Options) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(options.width, options.heads)
        self.attention_norm, self.norm = nn.LayerNorm(options.width), nn.LayerNorm(options.width)
        self.feed_forward = FeedForward(options.width)

    def forward(self, z_BTD: Tensor) -> Tensor:
        normed_BTD = self.attention_norm(z_BTD)
        z_BTD = z_BTD + self.attention(normed_BTD, normed_BTD)[0]
        return z_BTD + self.feed_forward(self.norm(z_BTD))


class NoBranch(nn.Module):
    """The sequence as it is: what is left without the deep part."""

    def __init__(self, *_: object) -> None:
        super().__init__()

    def forward(self, z_BTD: Tensor) -> Tensor:
        return z_BTD


BRANCHES: Mapping[str, tuple[type[FourierBranch | TransformerBranch | NoBranch], ...]] = {
    "both": (FourierBranch, TransformerBranch),
    "fnet": (FourierBranch,),
    "transformer": (TransformerBranch,),
    "none": (NoBranch,),
}


class ACMCA(nn.Module):
    """Both images, clinical data and genotypes -> probabilities of the classes, attention over both images, and the trunks' maps.

    forward: mri, pet (B, 3, 224, 224), clinical (B, F) in natural units, present (B, F), genotypes (B, V), -1 where not called
    -> diagnosis (B, K) summing to 1, mri_attention and pet_attention (B, 7, 7) summing to 1, the maps (B, C, 7, 7) of both.
    """

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        self.images = nn.ModuleDict({image.name: ImageStream(options) for image in SPEC.images if image.name in options.streams})
        self.clinical, self.variants = Clinical(), Variants(options.variants)
        vectors = {
            "genotypes": VectorStream(options.variants, options.genotype_width, options.width, (0.5, 0.3)),
            "clinical": VectorStream(2 * FIELDS, options.clinical_width, options.width, (0.3, 0.2)),
        }
        self.vectors = nn.ModuleDict({name: stream for name, stream in vectors.items() if name in options.streams})
        self.questions = nn.ModuleList(Question(options) for _ in options.questions)
        tokens = len(options.questions) + len(options.streams)
        self.modality = nn.Parameter(0.02 * torch.randn(tokens, options.width))
        self.branches = nn.ModuleList(branch(tokens, options) for branch in BRANCHES[options.branches])
        self.classifier = _classifier(len(self.branches) * options.width, options.classifier)

    @property
    def trunks(self) -> list[nn.Module]:
        """The image trunks: what starts pretrained, and is frozen first."""
        return [stream.trunk for stream in self.images.values()]  # type: ignore[misc]

    def forward(self, mri: Tensor, pet: Tensor, clinical: Tensor, present: Tensor, genotypes: Tensor) -> tuple[Tensor, ...]:
        maps = self.encode(mri, pet)
        logits_BK, attention = self._answer(maps, clinical, present, genotypes)
        return logits_BK.softmax(1), *attention, *maps

    def encode(self, mri: Tensor, pet: Tensor) -> tuple[Tensor, Tensor]:
        """Images (B, 3, 224, 224) -> their maps (B, C, 7, 7); one channel of zeros for an image that is not read."""
        return self._map("mri", mri), self._map("pet", pet)

    def decide(self, maps: tuple[Tensor, Tensor], clinical: Tensor, present: Tensor, genotypes: Tensor) -> Tensor:
        """Maps and everything else -> logits (B, K)."""
        return self._answer(maps, clinical, present, genotypes)[0]

    def logits(self, mri: Tensor, pet: Tensor, clinical: Tensor, present: Tensor, genotypes: Tensor) -> Tensor:
        """What the loss takes (B, K)."""
        return self.decide(self.encode(mri, pet), clinical, present, genotypes)

    def standardise(self, inputs: Mapping[str, Tensor], targets: Tensor) -> None:
        """Take scales, the variants that are read, and their commonest calls from the training fold, into the graph."""
        self.clinical.standardise(inputs["clinical"], inputs["present"])
        self.variants.standardise(inputs["genotypes"], targets)

    def _map(self, name: str, image: Tensor) -> Tensor:
        return self.images[name].trunk(image) if name in self.images else image.new_zeros(image.shape[0], 1, *GRID)  # type: ignore[operator]

    def _answer(
        self, maps: tuple[Tensor, Tensor], clinical: Tensor, present: Tensor, genotypes: Tensor
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        inputs = {"mri": maps[0], "pet": maps[1], "genotypes": self.variants(genotypes), "clinical": self.clinical(clinical, present)}
        networks = {**self.images, **self.vectors}
        streams = {name: networks[name](inputs[name]) for name in self.options.streams}
        sequence, looked_at = [], {}
        for question, (asks, asked) in zip(self.questions, self.options.questions, strict=True):
            answer_BD, looked_at[asked] = question(streams[asks], streams[asked])
            sequence.append(answer_BD)
        sequence += [stream.summary for stream in streams.values()]
        z_BTD = torch.stack(sequence, dim=1) + self.modality
        deep_BE = torch.cat([branch(z_BTD).mean(1) for branch in self.branches], dim=1)
        mri_BHW, pet_BHW = (_on_grid(looked_at.get(name), maps[0]) for name in ("mri", "pet"))
        return self.classifier(deep_BE), (mri_BHW, pet_BHW)


def build(options: Mapping[str, object]) -> ACMCA:
    """The network that a recipe's options describe."""
    return ACMCA(Options(**options))  # type: ignore[arg-type]  # a recipe is data; Options checks its names


def _classifier(features: int, widths: tuple[int, int, int]) -> nn.Sequential:
    """Four layers."""
    layers: list[nn.Module] = []
    for width, dropout in zip(widths, (0.3, 0.2, 0.1), strict=True):
        layers += [nn.Linear(features, width), nn.ReLU(), nn.Dropout(dropout)]
        features = width
    return nn.Sequential(*layers, nn.Linear(features, CLASSES))


def _on_grid(weights_BP: Tensor | None, like: Tensor) -> Tensor:
    """Attention (B, 7, 7); evenly spread where nobody asked, or a single token stands for the whole grid."""
    if weights_BP is None or weights_BP.shape[1] == 1:
        return like.new_full((like.shape[0], *GRID), 1 / PLACES)
    return weights_BP.unflatten(1, GRID)

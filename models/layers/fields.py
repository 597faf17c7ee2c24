"""Metadata as tokens: one token for each field, so that attention can say which field it looked at."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.spec import Field


class FieldTokens(nn.Module):
    """Metadata (B, F) in natural units and its mask (B, F) -> tokens (B, F, D).

    A number is standardised and passes an MLP of its own (1 -> D/2 -> D); a category is looked up. Every token carries a
    learned identity of its field. A missing field becomes a learned "missing" token: never a filled-in value.
    """

    log1p: Tensor
    mean: Tensor
    std: Tensor
    seen: Tensor

    def __init__(self, fields: Sequence[Field], width: int) -> None:
        super().__init__()
        self.fields = tuple(fields)
        self.numbers = [i for i, field in enumerate(fields) if field.kind == "number"]
        self.categories = [i for i, field in enumerate(fields) if field.kind == "category"]
        hidden, count = width // 2, len(self.numbers)
        self.weight_in = nn.Parameter(torch.randn(count, 1, hidden))
        self.bias_in = nn.Parameter(torch.zeros(count, 1, hidden))
        self.weight_out = nn.Parameter(torch.randn(count, hidden, width) / hidden**0.5)
        self.levels = nn.ModuleList(nn.Embedding(len(fields[i].levels), width) for i in self.categories)
        self.identity = nn.Parameter(0.1 * torch.randn(len(fields), width))
        self.missing = nn.Parameter(torch.zeros(width))
        self.norm = nn.LayerNorm(width)
        self.register_buffer("log1p", torch.tensor([float(field.log1p) for field in fields]))
        self.register_buffer("mean", torch.zeros(len(fields)))
        self.register_buffer("std", torch.ones(len(fields)))
        self.register_buffer("seen", torch.ones(len(fields)))

    def standardise(self, metadata: Tensor, present: Tensor) -> None:
        """Take mean and standard deviation of each number over its present values (N, F), log1p included.

        A field that is present nowhere has taught nothing: from then on it counts as missing.
        """
        self.seen.copy_((present > 0).any(0))
        compressed = self.compressed(metadata)
        for i in self.numbers:
            known = compressed[present[:, i] > 0, i]
            if len(known) > 1:
                self.mean[i], self.std[i] = known.mean(), known.std().clamp(min=1e-6)

    def compressed(self, metadata: Tensor) -> Tensor:
        """Metadata (B, F) with log1p applied to the fields that ask for it."""
        return torch.where(self.log1p > 0, metadata.clamp(min=0).log1p(), metadata)

    def forward(self, metadata: Tensor, present: Tensor) -> Tensor:
        z_BF = (self.compressed(metadata) - self.mean) / self.std
        x_FB1 = z_BF[:, self.numbers].transpose(0, 1).unsqueeze(-1)
        number_FBD = nn.functional.gelu(x_FB1 @ self.weight_in + self.bias_in) @ self.weight_out
        category_FBD = [level(metadata[:, i].long()) for i, level in zip(self.categories, self.levels, strict=True)]
        by_position = dict(zip(self.numbers, number_FBD.unbind(0), strict=True)) | dict(zip(self.categories, category_FBD, strict=True))
        tokens_BFD = torch.stack([by_position[i] for i in range(len(self.fields))], dim=1)
        known_BF1 = present.unsqueeze(-1)
        return self.norm(known_BF1 * tokens_BFD + (1.0 - known_BF1) * self.missing + self.identity)

"""Multi-head attention written out as MatMul and Softmax, so that its weights are an output like any other."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class MultiHeadAttention(nn.Module):
    """Scaled dot-product attention (Vaswani et al., 2017) that returns its weights.

    Shapes: query (B, Q, D), keys and values (B, K, D), `present` (B, K) with 1 for keys that may be attended to.
    `head_share` (N,) weighs the heads before they are mixed.
    Returns (B, Q, D) and the weights (B, N, Q, K), which sum to 1 over the present keys.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            msg = f"width {width} is not divisible by {heads} heads"
            raise ValueError(msg)
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(
        self, queries: Tensor, keys: Tensor, present: Tensor | None = None, head_share: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        q_BNQE, k_BNKE, v_BNKE = self._heads(self.query(queries)), self._heads(self.key(keys)), self._heads(self.value(keys))
        logits_BNQK = q_BNQE @ k_BNKE.transpose(-1, -2) / q_BNQE.shape[-1] ** 0.5
        if present is not None:
            logits_BNQK = logits_BNQK + (1.0 - present[:, None, None, :]) * torch.finfo(logits_BNQK.dtype).min
        weights_BNQK = logits_BNQK.softmax(-1)
        mixed_BNQE = weights_BNQK @ v_BNKE
        if head_share is not None:
            mixed_BNQE = mixed_BNQE * head_share.view(-1, 1, 1)
        return self.out(mixed_BNQE.transpose(1, 2).flatten(2)), weights_BNQK

    def _heads(self, x_BTD: Tensor) -> Tensor:
        return x_BTD.unflatten(-1, (self.heads, -1)).transpose(1, 2)

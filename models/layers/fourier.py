"""Fourier mixing (Lee-Thorp et al., FNet, NAACL 2022) as multiplication by constant matrices, so that no FFT operator is exported."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

Axes = Literal["hidden", "seq+hidden"]


class FourierMixing(nn.Module):
    """The real part of the discrete Fourier transform of tokens (B, T, D), along D alone or along T and D; no parameters.

    With C[j, k] = cos(2 pi j k / n) and S[j, k] = sin(2 pi j k / n), Re FFT(x) = x C_D and Re FFT2(x) = C_T x C_D - S_T x S_D.
    Unnormalised, as numpy.fft is.
    """

    cos_hidden: Tensor
    sin_hidden: Tensor
    cos_tokens: Tensor
    sin_tokens: Tensor

    def __init__(self, tokens: int, width: int, axes: Axes = "hidden") -> None:
        super().__init__()
        self.axes = axes
        for name, length in (("hidden", width), ("tokens", tokens)):
            cosine, sine = dft_matrices(length)
            self.register_buffer(f"cos_{name}", cosine, persistent=False)
            self.register_buffer(f"sin_{name}", sine, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        mixed = x @ self.cos_hidden
        if self.axes == "hidden":
            return mixed
        return self.cos_tokens @ mixed - self.sin_tokens @ (x @ self.sin_hidden)


def dft_matrices(length: int) -> tuple[Tensor, Tensor]:
    """Cosine and sine matrices (length, length), rounded from double precision; the angle is reduced before, so that it stays exact."""
    steps = torch.arange(length, dtype=torch.int64)
    angles = (steps[:, None] * steps % length).double() * (2 * math.pi / length)
    return angles.cos().float(), angles.sin().float()

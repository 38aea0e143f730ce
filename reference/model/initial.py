"""First weights: DCT, Haar and identity, so that an untrained model is already a transform codec."""

from __future__ import annotations

import math

import torch
from torch import Tensor

UNIT = 64.0
"""Pixel-domain amplitude (orthonormal transform) of 1.0 inside the networks."""


def dct_matrix(n: int) -> Tensor:
    """Orthonormal DCT-II, ``[n, n]``, rows are frequencies."""
    k, x = torch.arange(n).double(), torch.arange(n).double()
    m = torch.cos(math.pi * (2 * x[None] + 1) * k[:, None] / (2 * n)) * math.sqrt(2 / n)
    m[0] /= math.sqrt(2)
    return m


def ycbcr() -> Tensor:
    """Luma and chroma rows of norm 1, ``[3, 3]``; only nearly orthogonal, so invert them."""
    rows = torch.tensor([[0.299, 0.587, 0.114], [-0.169, -0.331, 0.5], [0.5, -0.419, -0.081]]).double()
    norms: Tensor = rows.norm(dim=1, keepdim=True)
    return rows / norms


def planes_of(channels: int) -> tuple[int, int]:
    """How many of the first ``channels`` rows are luma, and how many each of the two chroma planes has."""
    luma = min(64, channels * 5 // 8)
    return luma, (channels - luma) // 2


def dct_basis(channels: int) -> tuple[Tensor, Tensor]:
    """First ``channels`` rows of an 8x8 YCbCr DCT and their inverse.

    Columns follow pixel-unshuffle order (channel, y, x).

    Returns:
        ``(forward [channels, 192], inverse [192, channels])``.
    """
    d = dct_matrix(8)
    planes = torch.einsum("ay,bx->abyx", d, d)
    full = torch.einsum("pc,abyx->pabcyx", ycbcr(), planes).reshape(3, 64, 192)
    inverse = torch.einsum("cp,abyx->cyxpab", torch.linalg.inv(ycbcr()), planes).reshape(192, 3, 64)
    order = sorted(range(64), key=lambda i: (i // 8) ** 2 + (i % 8) ** 2)
    luma, chroma = planes_of(channels)
    rows = (
        [(0, i) for i in order[:luma]] + [(1, i) for i in order[:chroma]] + [(2, i) for i in order[:chroma]]
    )
    rows += [(0, order[-1])] * (channels - len(rows))
    p, i = zip(*rows, strict=True)
    return full[list(p), list(i)], inverse[:, list(p), list(i)]


def haar_basis(channels: int, latents: int) -> Tensor:
    """Haar bands of 2x2 cells, those of low frequencies first.

    Returns:
        ``[latents, 4 * channels]``; columns follow pixel-unshuffle order (channel, y, x).
    """
    haar = torch.tensor([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 2.0
    order = sorted(
        ((band, c) for band in range(4) for c in range(channels)),
        key=lambda bc: _frequency(bc[1], channels) + 0.7 * (bc[0] > 0) + 0.1 * bc[0],
    )[:latents]
    basis = torch.zeros(latents, 4 * channels)
    for out, (band, c) in enumerate(order):
        basis[out, 4 * c : 4 * c + 4] = haar[band]
    return basis


def _frequency(channel: int, channels: int) -> float:
    luma, chroma = planes_of(channels)
    radius = sorted(math.hypot(i // 8, i % 8) for i in range(64))
    if channel < luma:
        return radius[channel]
    return 1.0 + 2.0 * radius[(channel - luma) % max(chroma, 1)]


def shuffled(channels: int, factor: int) -> Tensor:
    """Torch's index of each of our channels: ours count ``(y, x, c)``, torch's ``(c, y, x)``."""
    return torch.arange(channels).reshape(channels // factor**2, factor**2).T.reshape(-1)

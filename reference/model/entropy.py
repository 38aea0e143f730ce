"""What says how likely a latent is: hyperprior and contexts of the coding passes (spec section 11)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .layers import FEATURE, HIDDEN, HYPER, LATENT, STREAM, Depthwise, Pointwise, QualityBias
from .quantisation import INDEX, MEAN
from .sizes import Sizes


class Hyperprior(nn.Module):
    """One vector for each pair of a 64x64 block and a group: two transforms, the second in integers."""

    def __init__(self, s: Sizes):
        super().__init__()
        self.cell = Pointwise(s.latents, s.features, LATENT, HIDDEN, 1.4)
        self.gather = nn.Conv2d(s.features, s.features, 4, stride=4)
        self.code = Pointwise(s.features, s.hyper, HIDDEN, HYPER)
        self.expand = Pointwise(s.hyper, s.features, HYPER, STREAM, 1.4)
        self.quality = QualityBias(s.features, FEATURE)
        self.spread = Pointwise(s.features, 16 * s.features, FEATURE, FEATURE, 1.4)

    def analysis_transform(self, latents: Tensor, mask: Tensor | None) -> Tensor:
        """Hyper-latents ``[B, K, h/4, w/4]`` of latents ``[B, M, h, w]``."""
        x = self.cell(latents)
        if mask is not None:
            x = x * mask
        out: Tensor = self.code(F.relu(self.gather(x)))
        return out

    def synthesis_transform(self, code: Tensor, quality: Tensor) -> Tensor:
        """Hyper features ``[B, F, h, w]`` of hyper-latents."""
        x = self.quality(self.expand(code), quality)
        return F.pixel_shuffle(self.spread(x), 4)


class Context(nn.Module):
    """Entropy parameters of one coding pass: raw scale index and mean of ``out`` channels."""

    def __init__(self, s: Sizes, out: int, local: bool):
        super().__init__()
        self.local = local
        if local:
            self.embed = Pointwise(s.latents, s.features, LATENT, HIDDEN, 1.4)
            self.spatial = Depthwise(s.features, HIDDEN, STREAM)
        # The concatenated input is (context STREAM, hyper FEATURE): one grid holds both.
        self.merge = Pointwise(s.features * (2 if local else 1), s.wide, STREAM, HIDDEN, 1.4)
        self.mix = Pointwise(s.wide, s.wide, HIDDEN, HIDDEN, 1.4)
        self.mean = Pointwise(s.wide, out, HIDDEN, MEAN, 0.1)
        self.index = Pointwise(s.wide, out, HIDDEN, INDEX, 0.1)
        self.out = out

    def forward(self, known: Tensor, hyper: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """``(raw index, raw mean)``, each ``[B, out, h, w]``."""
        x = hyper
        if self.local:
            x = torch.cat([self.spatial(self.embed(known), mask), hyper], 1)
        x = self.mix(self.merge(x))
        return self.index(x), self.mean(x)

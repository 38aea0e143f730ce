"""The analysis transform and the synthesis transform (spec sections 10 and 12)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

import torch.nn.functional as F
from torch import Tensor, nn

from .initial import UNIT
from .layers import LATENT, STREAM, Block, Format, Modules, Pointwise, QualityBias
from .sizes import Sizes


class AnalysisTransform(nn.Module):
    """``[B, 3, H, W]`` in 0..255 to latents ``[B, M, H/16, W/16]``."""

    def __init__(self, s: Sizes):
        super().__init__()
        self.first = Pointwise(192, s.channels, STREAM, STREAM)
        self.quality = QualityBias(s.channels, STREAM)
        self.blocks: Modules[Block] = Modules(Block(s.channels) for _ in range(s.analysis_blocks))
        more = s.analysis_blocks - 1 if s.analysis_quality else 0
        self.qualities: Modules[QualityBias] = Modules(QualityBias(s.channels, STREAM) for _ in range(more))
        self.last = Pointwise(4 * s.channels, s.latents, STREAM, LATENT)
        more = 1 if s.latent_quality else 0
        self.offsets: Modules[QualityBias] = Modules(QualityBias(s.latents, LATENT) for _ in range(more))

    def forward(self, image: Tensor, quality: Tensor, mask: Tensor | None) -> Tensor:
        """Latents of a group, whose mask is ``[B, 1, H/8, W/8]``: see the class."""
        x: Tensor = self.first(F.pixel_unshuffle((image - 128.0) / UNIT, 8))
        for bias, block in self.stages():
            x = block(x if bias is None else bias(x, quality), mask)
        x = self.last(F.pixel_unshuffle(x, 2))
        for bias in self.offsets:
            x = bias(x, quality)
        return x

    def stages(self) -> Iterator[tuple[QualityBias | None, Block]]:
        """The blocks, each with what tells it the quality."""
        yield from zip_longest([self.quality, *self.qualities], self.blocks)

    @property
    def last_table(self) -> QualityBias:
        """The last bias by quality before the latents."""
        tables: list[QualityBias] = [self.quality, *self.qualities, *self.offsets]
        return tables[-1]


class SynthesisTransform(nn.Module):
    """Latents ``[B, M, h, w]`` to pixels ``[B, 3, 16h, 16w]``."""

    OUT = Format(0, 0, 255)

    def __init__(self, s: Sizes):
        super().__init__()
        self.first = Pointwise(s.latents, 4 * s.channels, LATENT, STREAM)
        self.quality = QualityBias(s.channels, STREAM)
        self.blocks: Modules[Block] = Modules(Block(s.channels) for _ in range(s.synthesis_blocks))
        more = 1 if s.synthesis_quality else 0
        self.qualities: Modules[QualityBias] = Modules(QualityBias(s.channels, STREAM) for _ in range(more))
        self.last = Pointwise(s.channels, 192, STREAM, self.OUT)
        nn.init.constant_(self.last.bias, 128.0)

    def forward(self, latents: Tensor, quality: Tensor, mask: Tensor | None) -> Tensor:
        """Pixels of a group: see the class."""
        x = F.pixel_shuffle(self.first(latents), 2)
        for bias, block in self.stages():
            x = block(x if bias is None else bias(x, quality), mask)
        # The last layer is rounded and clamped to bytes by decoders; gradients pass.
        weight, offset = self.last.parameters_now()
        x = F.pixel_shuffle(F.conv2d(x, weight, offset).float(), 8)
        return self.last.requantise(x) if self.last.integer else x

    def stages(self) -> Iterator[tuple[QualityBias | None, Block]]:
        """The blocks, each with what tells it the quality."""
        told = {0: self.quality} | {len(self.blocks) // 2: bias for bias in self.qualities}
        for k, block in enumerate(self.blocks):
            yield told.get(k), block

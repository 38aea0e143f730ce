"""A filter on decoded images with as many multiply-adds as the restoration synthesis, to compare with it.

It stands for what follows a decoder elsewhere: the image is decoded as captured, and a network makes another
of its pixels.
The network and its optimiser are those of Chen, Chu, Zhang and Sun, *Simple baselines for image restoration*
(ECCV 2022), small; its samples and its loss are those of the restoration model.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sdc.codec.features import GREY

from ..model.layers import Modules, channels_last
from ..model.transforms import SynthesisTransform
from .network import Restoring, base_synthesis
from .training import Stage, batch_of, decibels, distance_loss, random_rows

WIDTH = 48
"""Channels at a quarter of the size, the finest scale; each coarser one has twice as many."""

BLOCKS = (2, 2)
"""Blocks at 1/4 and 1/8, on the way down and on the way up."""

MIDDLE = 5
"""Blocks at 1/16."""

FOLD = 4
"""Pixels to a side that the first layer takes together."""


class Norm(nn.Module):
    """Layer normalisation over the channels of each pixel."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """``[B, C, H, W]`` from as much."""
        y: Tensor = self.norm(x.permute(0, 2, 3, 1))
        return y.permute(0, 3, 1, 2)


def gated(x: Tensor) -> Tensor:
    """One half of the channels times the other."""
    a, b = x.chunk(2, 1)
    return a * b


class Block(nn.Module):
    """Two residuals: taps with attention to channels, and a mixer; each begins as nothing."""

    def __init__(self, channels: int):
        super().__init__()
        self.spatial = nn.Sequential(
            Norm(channels),
            nn.Conv2d(channels, 2 * channels, 1),
            nn.Conv2d(2 * channels, 2 * channels, 3, padding=1, groups=2 * channels),
        )
        self.attention = nn.Conv2d(channels, channels, 1)
        self.project = nn.Conv2d(channels, channels, 1)
        self.expand = nn.Sequential(Norm(channels), nn.Conv2d(channels, 2 * channels, 1))
        self.contract = nn.Conv2d(channels, channels, 1)
        self.scales = nn.Parameter(torch.zeros(2, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """``[B, C, H, W]`` from as much."""
        y = gated(self.spatial(x))
        y = y * self.attention(y.mean((2, 3), keepdim=True))
        x = x + self.scales[0] * self.project(y)
        return x + self.scales[1] * self.contract(gated(self.expand(x)))


def row(channels: int, count: int) -> nn.Sequential:
    """Blocks, one behind the other."""
    return nn.Sequential(*(Block(channels) for _ in range(count)))


class PixelNetwork(Restoring):
    """The base's synthesis as it is, and behind it a filter of the decoded pixels.

    Args:
        base: it stays as it is.
    """

    def __init__(self, base: SynthesisTransform):
        super().__init__(base)
        widths = [WIDTH << k for k in range(len(BLOCKS) + 1)]
        self.first = nn.Conv2d(3 * FOLD**2, WIDTH, 3, padding=1)
        self.down: Modules[nn.Sequential] = Modules(
            nn.Sequential(row(c, n), nn.Conv2d(c, 2 * c, 2, 2)) for c, n in zip(widths, BLOCKS, strict=False)
        )
        self.middle = row(widths[-1], MIDDLE)
        self.up: Modules[nn.Conv2d] = Modules(
            nn.Conv2d(2 * c, 4 * c, 1, bias=False) for c in reversed(widths[:-1])
        )
        self.after: Modules[nn.Sequential] = Modules(
            row(c, n) for c, n in zip(reversed(widths[:-1]), reversed(BLOCKS), strict=True)
        )
        self.last = nn.Conv2d(WIDTH, 3 * FOLD**2, 3, padding=1, bias=False)
        nn.init.zeros_(self.last.weight)

    def filtered(self, pixels: Tensor) -> Tensor:
        """Restored samples of decoded ones, both ``float [B, 3, H, W]``, 0 to 255, sides multiples of 16."""
        x = self.first(F.pixel_unshuffle(pixels / 255 - 0.5, FOLD))
        kept: list[Tensor] = []
        for step in self.down:
            kept.append(step[0](x))
            x = step[1](kept[-1])
        x = self.middle(x)
        for up, blocks in zip(self.up, self.after, strict=True):
            x = blocks(F.pixel_shuffle(up(x), 2) + kept.pop())
        return pixels + 255 * F.pixel_shuffle(self.last(x), FOLD)

    def forward(self, latents: Tensor, quality: Tensor, cells: Tensor) -> tuple[Tensor, None]:
        """See :class:`.network.Restoring`; what is not of the group is grey, as decoders show it."""
        with torch.no_grad():
            shown = self.base(latents, quality, F.interpolate(cells, scale_factor=2, mode="nearest"))
            mask = F.interpolate(cells, scale_factor=16, mode="nearest")
            shown = torch.where(mask > 0, shown.float().clamp(0, 255).round(), float(GREY))
        return self.filtered(shown), None


class PixelStage(Stage):
    """A run that trains the filter, and nothing else."""

    def _build(self) -> None:
        torch.manual_seed(self.args.seed)
        self.filter = channels_last(PixelNetwork(base_synthesis(self.base)))
        self.network = self.filter
        self.average = copy.deepcopy(self.filter).requires_grad_(False)
        trained = [p for p in self.filter.parameters() if p.requires_grad]
        self.optimisers = [torch.optim.AdamW(trained, self.args.rate, betas=(0.9, 0.9), weight_decay=0.0)]

    def begin(self) -> None:
        """Begin from nothing: the image as captured."""

    def sizes(self) -> dict[str, Any]:
        """None: no restoration model can go on from it."""
        return {}

    def restoring(self, network: nn.Module) -> Restoring:
        """See :class:`.training.Stage`."""
        assert isinstance(network, PixelNetwork)
        return network

    def loss(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """See :class:`.training.Stage`."""
        batch = batch_of(random_rows(self.samples, self.args.batch, rng))
        with torch.autocast("cpu", torch.bfloat16):
            decoded, _ = self.filter(batch.latents, batch.quality, batch.cells)
        loss, error = distance_loss(decoded.float(), batch, self.seen)
        return loss, torch.stack([loss.detach(), decibels(error).mean().detach()])

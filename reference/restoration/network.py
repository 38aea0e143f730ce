"""The network in torch: the frozen synthesis of the base, and what a group's vector opens in it.

Everything that restores is multiplied by gains that the vector gives.
The network from the vector to gains and offsets has no bias, so a vector of zeros says "none": all gains are
1 or, of what was added, 0, all offsets are 0, and the base's synthesis is left, in integers too, exactly.
It is homogeneous as well: half the vector means half of every change of a gain.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sdc.networks.tensors import read_tensors

from ..model.layers import (
    HIDDEN,
    LATENT,
    STREAM,
    Depthwise,
    Format,
    Modules,
    Pointwise,
    QualityBias,
    ste_floor,
)
from ..model.shipped import from_files
from ..model.transforms import SynthesisTransform
from .degradations import KINDS

SEEN = Format(9, 0, 4095)
"""What the deriving network sees in cells, which is small, and is averaged."""

POOLED = Format(9, -4096, 4095)
"""What it makes of their mean."""

VECTOR = Format(6, -128, 127)
VECTOR_PART = Format(6, 0, 127)
NEAR, BEYOND = 4.0, 1.5
"""Value of the vector up to which it counts as 0, and the factor on what is beyond."""

LEAK = 0.5
"""Part of the gradient that passes by the dead zone: a degradation that is not found could not be learnt."""

FEATURES = Format(7, 0, 2047)
GAIN = Format(9, 0, 4095)
"""Gains of 0 to 8; the integer of a gain of 1 is 2 to the power of ``frac``."""

GATED = Format(7, -2048, 2047)
"""Hidden channels behind their gains and offsets."""

STRENGTH = Format(8, 0, 255)
"""Strengths of degradations."""

OPENED = 4.0
"""Factor from a value of the vector to a feature."""

FINE_EVERY = 2
"""One in so many blocks of the base has a modulation and taps in front of it."""


@dataclass(frozen=True)
class RestorationSizes:
    """Sizes of a restoration model.

    Attributes:
        latents, channels: M of the base, and channels of its synthesis.
        vector: V.
        seen: channels of the deriving network.
        blocks: residual blocks at cells.
        spatial, wide: hidden channels of those blocks: of their taps, and of what follows.
        blurred: hidden channels of the taps between blocks of the base.
    """

    latents: int = 256
    channels: int = 128
    vector: int = 32
    seen: int = 128
    blocks: int = 4
    spatial: int = 160
    wide: int = 320
    blurred: int = 128

    @property
    def features(self) -> int:
        """F: each value of the vector gives one where it is positive, and another where it is negative."""
        return 2 * self.vector


def unbiased(layer: Pointwise | Depthwise, bias: float = 0.0) -> Pointwise | Depthwise:
    """The layer with a bias that stays as it is."""
    nn.init.constant_(layer.bias, bias)
    layer.bias.requires_grad_(False)
    return layer


def at_group(layer: Pointwise, x: Tensor) -> Tensor:
    """What a layer makes of the only site of each group, ``[B, in]`` to ``[B, out]``."""
    weight, bias = layer.parameters_now()
    return layer.requantise(F.linear(x, weight.flatten(1), bias))


class Modulation(nn.Module):
    """A gain and an offset for each channel from the features of a group (RMOD-05).

    Args:
        features: how many.
        channels: how many.
        values: format of what is modulated.
        none: gain without features: 1 for what is to pass, 0 for what is to be closed.
    """

    def __init__(self, features: int, channels: int, values: Format, none: float):
        super().__init__()
        self.values = values
        self.gain = Pointwise(features, channels, FEATURES, GAIN, 0.5)
        self.offset = Pointwise(features, channels, FEATURES, values, 0.0)
        unbiased(self.gain, none)
        unbiased(self.offset)
        if none:
            nn.init.zeros_(self.gain.weight)

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        """``[B, C, H, W]`` from as much and features ``[B, F]``."""
        gain, offset = (at_group(part, features)[:, :, None, None] for part in (self.gain, self.offset))
        if not self.gain.integer:
            return x * gain + offset
        return self.values.clamp(ste_floor(x * gain, self.values.frac) + offset)


class Taps(nn.Module):
    """A residual of 3x3 taps between two 1x1 layers, whose hidden channels a vector opens."""

    def __init__(self, s: RestorationSizes, channels: int, hidden: int):
        super().__init__()
        self.reduce = Pointwise(channels, hidden, STREAM, HIDDEN, 1.4)
        self.gate = Modulation(s.features, hidden, GATED, 0.0)
        self.spatial = Depthwise(hidden, GATED, STREAM)
        self.project = Pointwise(hidden, channels, STREAM, STREAM, 0.0)
        unbiased(self.spatial)
        unbiased(self.project)

    def forward(self, x: Tensor, features: Tensor, mask: Tensor) -> Tensor:
        """See the class."""
        y = self.project(self.spatial(self.gate(self.reduce(x), features), mask))
        return STREAM.clamp(x + y) if self.reduce.integer else x + y


class Mixer(nn.Module):
    """A residual of two 1x1 layers, whose hidden channels a vector opens."""

    def __init__(self, s: RestorationSizes, channels: int, hidden: int):
        super().__init__()
        self.expand = Pointwise(channels, hidden, STREAM, HIDDEN, 1.4)
        self.gate = Modulation(s.features, hidden, GATED, 0.0)
        self.contract = Pointwise(hidden, channels, GATED, STREAM, 0.0)
        unbiased(self.contract)

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        """See the class."""
        y = self.contract(self.gate(self.expand(x), features))
        return STREAM.clamp(x + y) if self.expand.integer else x + y


def dead_zone(vector: int) -> tuple[Pointwise, Pointwise]:
    """Two fixed layers that make zeros of values near 0, and bring the others nearer to 0, times a factor.

    What little a group without degradation shows is then exactly nothing.
    """
    apart = Pointwise(vector, 2 * vector, VECTOR, VECTOR_PART)
    joined = Pointwise(2 * vector, vector, VECTOR_PART, VECTOR)
    unbiased(apart, -NEAR * 2.0**-VECTOR.frac)
    unbiased(joined)
    one = torch.eye(vector)
    with torch.no_grad():
        apart.weight[:, :, 0, 0] = torch.cat([one, -one])
        joined.weight[:, :, 0, 0] = BEYOND * torch.cat([one, -one], 1)
    apart.weight.requires_grad_(False)
    joined.weight.requires_grad_(False)
    return apart, joined


class Derive(nn.Module):
    """A group's vector from its latents (RMOD-08)."""

    def __init__(self, s: RestorationSizes):
        super().__init__()
        self.first = Pointwise(s.latents, s.seen, LATENT, SEEN, 1.4)
        self.spatial = Depthwise(s.seen, SEEN, STREAM)
        self.second = Pointwise(s.seen, s.seen, STREAM, SEEN, 1.4)
        self.quality = QualityBias(s.seen, POOLED)
        self.expand = Pointwise(s.seen, s.seen, POOLED, SEEN, 1.4)
        self.contract = Pointwise(s.seen, s.seen, SEEN, POOLED, 0.5)
        self.last = Pointwise(s.seen, s.vector, POOLED, VECTOR, 0.5)
        self.apart, self.joined = dead_zone(s.vector)

    def found(self, latents: Tensor, quality: Tensor, cells: Tensor) -> Tensor:
        """``[B, V]``, before what is near 0 becomes 0."""
        x = self.second(self.spatial(self.first(latents), cells))
        mean = (x * cells).sum((2, 3), keepdim=True) / cells.sum((2, 3), keepdim=True)
        if self.first.integer:
            mean = ste_floor(mean, SEEN.frac)
        x = self.quality(mean, quality)[:, :, 0, 0]
        y = at_group(self.contract, at_group(self.expand, x))
        return at_group(self.last, POOLED.clamp(x + y) if self.first.integer else x + y)

    def forward(self, latents: Tensor, quality: Tensor, cells: Tensor) -> Tensor:
        """``[B, V]``, with the rounding of its integers in any mode."""
        found = self.found(latents, quality, cells)
        x = at_group(self.joined, at_group(self.apart, found))
        with torch.autocast(x.device.type, enabled=False):
            found = found.float()
            return VECTOR.clamp(ste_floor(x.float(), VECTOR.frac)) + LEAK * (found - found.detach())


class Restoring(nn.Module):
    """What restores one group of each image, given its latents.

    Called with latents ``[B, M, h, w]`` in network units, qualities ``[B]`` of 0 to 63 and cells
    ``[B, 1, h, w]``, 1 where a cell is of the group, it gives samples ``[B, 3, 16 h, 16 w]``, and the vector
    ``[B, V]`` if there is one.

    Args:
        base: the synthesis of the base; it stays as it is.
    """

    def __init__(self, base: SynthesisTransform):
        super().__init__()
        self.base = base.requires_grad_(False)


class RestorationNetwork(Restoring):
    """From latents of a group to its vector, and from both to restored samples.

    Args:
        sizes: of the model.
        base: the synthesis of the base; it stays as it is.
    """

    def __init__(self, sizes: RestorationSizes, base: SynthesisTransform):
        super().__init__(base)
        self.sizes = s = sizes
        self.derive = Derive(s)
        self.condition = Pointwise(s.vector, 2 * s.vector, VECTOR, FEATURES)
        unbiased(self.condition)
        with torch.no_grad():
            one = OPENED * torch.eye(s.vector)
            self.condition.weight[:, :, 0, 0] = torch.cat([one, -one])
        # Trained, it closes one feature after the other for good.
        self.condition.weight.requires_grad_(False)
        self.kinds = Pointwise(s.vector, len(KINDS), VECTOR, STRENGTH, 0.1)
        self.tone = Modulation(s.features, s.latents, LATENT, 1.0)
        self.taps: Modules[Taps] = Modules(Taps(s, s.latents, s.spatial) for _ in range(s.blocks))
        self.mixers: Modules[Mixer] = Modules(Mixer(s, s.latents, s.wide) for _ in range(s.blocks))
        self.tones: Modules[Modulation] = Modules(
            Modulation(s.features, s.channels, STREAM, 1.0) for _ in range(0, len(base.blocks), FINE_EVERY)
        )
        self.fine: Modules[Taps] = Modules(Taps(s, s.channels, s.blurred) for _ in self.tones)

    def features(self, vector: Tensor) -> Tensor:
        """Features ``[B, F]`` of vectors ``[B, V]``."""
        return at_group(self.condition, vector)

    def strengths(self, vector: Tensor) -> Tensor:
        """Strength of each kind of degradation, ``[B, kinds]``, not yet cut to 0 to 1."""
        weight, bias = self.kinds.parameters_now()
        return F.linear(vector, weight.flatten(1), bias)

    def restore(self, latents: Tensor, vector: Tensor, quality: Tensor, cells: Tensor) -> Tensor:
        """Restored samples ``[B, 3, 16 h, 16 w]`` of latents ``[B, M, h, w]``."""
        features = self.features(vector)
        x = self.tone(latents, features)
        for taps, mixer in zip(self.taps, self.mixers, strict=True):
            x = mixer(taps(x, features, cells), features)
        x = F.pixel_shuffle(self.base.first(x), 2)
        fine = F.interpolate(cells, scale_factor=2, mode="nearest")
        for k, (bias, block) in enumerate(self.base.stages()):
            if k % FINE_EVERY == 0:
                x = self.tones[k // FINE_EVERY](x, features)
                x = self.fine[k // FINE_EVERY](x, features, fine)
            x = block(x if bias is None else bias(x, quality), fine)
        last = self.base.last
        weight, offset = last.parameters_now()
        x = F.pixel_shuffle(F.conv2d(x, weight, offset).float(), 8)
        return last.requantise(x) if last.integer else x

    def forward(self, latents: Tensor, quality: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Restore one group of each image by what its latents say.

        Args:
            latents: ``[B, M, h, w]`` in network units.
            quality: ``[B]`` float, 0..63.
            cells: ``[B, 1, h, w]`` float, 1 where the cell is of the group.

        Returns:
            ``(samples [B, 3, 16 h, 16 w], vector [B, V])``.
        """
        vector = self.derive(latents, quality, cells)
        return self.restore(latents, vector, quality, cells), vector


def base_synthesis(decoder: Path) -> SynthesisTransform:
    """The synthesis of a shipped model, with the very rows of its tables.

    Args:
        decoder: its file, with that of its encoder beside it.

    Raises:
        SdcError: ``E_MODEL_FILE``.
        ValueError: the networks are not those of the reference model.
        OSError: a file cannot be read.
    """
    synthesis = from_files(decoder, decoder.with_name(f"{decoder.stem}-encoder{decoder.suffix}")).synthesis
    tensors, _ = read_tensors(decoder.read_bytes())
    for k, (bias, _) in enumerate(synthesis.stages()):
        if bias is not None:
            rows = tensors[f"synthesis.{k}.quality.table"].astype(np.float32)
            bias.settled = torch.from_numpy(rows) * 2.0**-bias.dst.frac
    return synthesis

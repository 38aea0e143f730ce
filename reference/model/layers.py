"""Trainable twins of the Profile 1 operators (spec section 10).

Every layer here computes in one of two modes.  In *float* mode it is an ordinary
torch layer.  In *integer* mode (``layer.integer = True``) its forward pass yields exactly
the numbers of the exported integer layer, scaled by a power of two, while gradients pass
straight through the rounding: fake-quantised training sees what decoders will compute.

Tensors are ``float32`` (or autocast ``bfloat16`` in float mode) of shape ``[B, C, H, W]``.
A fixed-point tensor of :class:`Format` ``(frac, lo, hi)`` holds ``n * 2**-frac`` for
integers ``lo <= n <= hi``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sdc.networks.profile import BOUND, QUALITIES

ANCHORS = 8
"""Quality tables are trained at this many anchors and interpolated to 64 entries."""


@dataclass(frozen=True)
class Format:
    """Fixed-point format of a tensor: integers ``lo..hi`` in units of ``2**-frac``."""

    frac: int
    lo: int
    hi: int

    @property
    def peak(self) -> int:
        """Largest magnitude the format can hold, as an integer."""
        return max(abs(self.lo), abs(self.hi))

    def clamp(self, x: Tensor) -> Tensor:
        """``x`` kept to what the format can hold."""
        scale = 2.0**-self.frac
        return x.clamp(self.lo * scale, self.hi * scale)


LATENT = Format(6, -2048, 2047)
STREAM = Format(6, -2048, 2047)
HIDDEN = Format(7, 0, 2047)

FEATURE = Format(6, 0, 2047)
"""Hyper features: on the grid of STREAM, with which contexts concatenate them."""


HYPER = Format(6, -1024, 1023)


def ste_floor(x: Tensor, frac: int) -> Tensor:
    """Round ``x`` to the grid ``2**-frac`` as the spec does; the gradient is the identity."""
    scale = float(2**frac)
    return x + (torch.floor(x * scale + 0.5) / scale - x).detach()


def choose_shift(weight: Tensor, bias: Tensor, src: Format, dst: Format) -> Tensor:
    """Largest shift per output channel that keeps the 2**24 bound and int16 weights.

    Args:
        weight: ``[out, ...]`` real weights.
        bias: ``[out]`` real biases.
        src: format of the layer's input.
        dst: format of the layer's output.

    Returns:
        ``[out]`` float tensor of integers in 1..24.
    """
    flat = weight.detach().double().flatten(1)
    fan_in = flat.shape[1]
    # acc units are 2**-(dst.frac + s); rounding a weight may add 1/2 each, a bias 1/2.
    real = flat.abs().sum(1) * (src.peak * 2.0**-src.frac) + bias.detach().double().abs()
    room = 2.0**24 - 0.5 * fan_in * src.peak - 2
    shift = torch.floor(torch.log2(room / (real * 2.0**dst.frac + 0.5)))
    exponent = dst.frac - src.frac
    top = torch.floor(torch.log2(32767.0 / flat.abs().amax(1).clamp_min(1e-12))) - exponent
    return torch.minimum(shift, top).clamp(1, 24).float()


M = TypeVar("M", bound=nn.Module)


class Modules(nn.ModuleList, Generic[M]):
    """A list of modules of one type, which type checkers know."""

    def __iter__(self) -> Iterator[M]:
        return cast("Iterator[M]", super().__iter__())

    def __getitem__(self, k: int) -> M:  # type: ignore[override]
        return cast("M", super().__getitem__(k))


class Affine(nn.Module):
    """Common part of the two layers that have weights."""

    def __init__(self, shape: tuple[int, ...], src: Format, dst: Format, gain: float):
        super().__init__()
        self.src, self.dst = src, dst
        self.integer = False
        fan_in = math.prod(shape[1:])
        self.weight = nn.Parameter(torch.randn(shape) * (gain / math.sqrt(fan_in)))
        self.bias = nn.Parameter(torch.zeros(shape[0]))

    def integers(self) -> tuple[Tensor, Tensor, Tensor]:
        """The exported layer: ``(weight, bias, shift)``, integers held in float64."""
        shift = choose_shift(self.weight, self.bias, self.src, self.dst).double()
        exponent = shift + (self.dst.frac - self.src.frac)
        view = (-1,) + (1,) * (self.weight.dim() - 1)
        weight = torch.round(self.weight.detach().double() * (2.0**exponent).view(view))
        bias = torch.round(self.bias.detach().double() * 2.0 ** (shift + self.dst.frac))
        peak = weight.abs().flatten(1).sum(1) * self.src.peak + bias.abs() + 2.0 ** (shift - 1)
        if not bool((peak < BOUND).all()) or float(weight.abs().max()) > 32767:
            raise ValueError(f"layer breaks the 2^24 bound: peak {float(peak.max()):.0f}")
        return weight, bias, shift

    def parameters_now(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of the mode that the layer is in; gradients reach the real ones."""
        if not self.integer:
            return self.weight, self.bias
        shift = choose_shift(self.weight, self.bias, self.src, self.dst)
        view = (-1,) + (1,) * (self.weight.dim() - 1)
        wscale = (2.0 ** (shift + (self.dst.frac - self.src.frac))).view(view)
        bscale = 2.0 ** (shift + self.dst.frac)
        weight = self.weight + (torch.round(self.weight * wscale) / wscale - self.weight).detach()
        bias = self.bias + (torch.round(self.bias * bscale) / bscale - self.bias).detach()
        return weight, bias

    def requantise(self, x: Tensor) -> Tensor:
        """A sum on the grid of the output and within its range: integer mode; else only a ReLU's range."""
        if self.integer:
            return self.dst.clamp(ste_floor(x, self.dst.frac))
        if self.dst.lo == 0:
            return F.hardtanh(x, 0.0, self.dst.hi * 2.0**-self.dst.frac)
        return x


class Pointwise(Affine):
    """1x1 layer, ``[B, in, H, W] -> [B, out, H, W]``; ReLU when ``dst.lo == 0`` (NETW-03)."""

    def __init__(self, cin: int, cout: int, src: Format, dst: Format, gain: float = 1.0):
        super().__init__((cout, cin, 1, 1), src, dst, gain)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        weight, bias = self.parameters_now()
        return self.requantise(F.conv2d(x, weight, bias))


class Depthwise(Affine):
    """Gated depthwise 3x3 layer (NETW-08): taps outside the group's mask count as 0."""

    def __init__(self, channels: int, src: Format, dst: Format):
        super().__init__((channels, 1, 3, 3), src, dst, 1.0)
        with torch.no_grad():
            self.weight.mul_(0.3)
            self.weight[:, 0, 1, 1] += 1.0

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """See the class."""
        weight, bias = self.parameters_now()
        if mask is not None:
            x = x * mask.to(x.dtype)
        return self.requantise(F.conv2d(x, weight, bias, padding=1, groups=x.shape[1]))


def interpolate_anchors(table: Tensor, quality: Tensor) -> Tensor:
    """Rows of ``table`` ``[ANCHORS, C]`` at real qualities ``[B]`` in 0..63 -> ``[B, C]``."""
    at = quality * ((ANCHORS - 1) / (QUALITIES - 1))
    low = at.floor().clamp(0, ANCHORS - 2).long()
    part = (at - low).unsqueeze(1)
    return table[low] * (1 - part) + table[low + 1] * part


class QualityBias(nn.Module):
    """Adds a learned row per quality index (NETW-04).

    Attributes:
        settled: rows of an export ``[64, C]``, in place of those that the learned ones give by interpolation.
    """

    settled: Tensor | None = None

    def __init__(self, channels: int, dst: Format):
        super().__init__()
        self.dst = dst
        self.integer = False
        self.table = nn.Parameter(torch.zeros(ANCHORS, channels))

    def rows(self) -> Tensor:
        """All 64 rows on the output grid, ``[64, C]``."""
        if self.settled is not None:
            return self.settled
        real = interpolate_anchors(self.table, torch.arange(QUALITIES, dtype=torch.float32))
        return ste_floor(real, self.dst.frac)

    def forward(self, x: Tensor, quality: Tensor) -> Tensor:
        """See the class."""
        if self.settled is not None:
            row = self.settled[quality.long()]
        else:
            row = interpolate_anchors(self.table, quality)
            if self.integer:
                row = ste_floor(row, self.dst.frac)
        x = x + row[:, :, None, None].to(x.dtype)
        return self.dst.clamp(x) if self.integer or self.dst.lo == 0 else x


class Block(nn.Module):
    """Residual block of the transforms: 1x1, ReLU, gated 3x3, 1x1, skip; 1x1, ReLU, 1x1, skip."""

    def __init__(self, channels: int):
        super().__init__()
        self.integer = False
        self.reduce = Pointwise(channels, channels, STREAM, HIDDEN, 1.4)
        self.spatial = Depthwise(channels, HIDDEN, STREAM)
        self.project = Pointwise(channels, channels, STREAM, STREAM, 0.0)
        self.expand = Pointwise(channels, 2 * channels, STREAM, HIDDEN, 1.4)
        self.contract = Pointwise(2 * channels, channels, HIDDEN, STREAM, 0.0)

    def _add(self, x: Tensor, y: Tensor) -> Tensor:
        return STREAM.clamp(x + y) if self.integer else x + y

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """See the class."""
        x = self._add(x, self.project(self.spatial(self.reduce(x), mask)))
        return self._add(x, self.contract(self.expand(x)))


def set_integer(module: nn.Module, on: bool) -> None:
    """Switch every layer below ``module`` between float and integer mode."""
    for part in module.modules():
        if isinstance(part, Affine | QualityBias | Block):
            part.integer = on


def channels_last(module: M) -> M:
    """The module with the channels of a place side by side in memory, which is what 1x1 layers want."""
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return module

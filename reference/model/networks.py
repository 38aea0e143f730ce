"""The reference model: analysis, hyperprior, gated context and synthesis (spec sections 10 to 12).

One group of one picture at a time: a batch element is a picture and the mask of one group,
because groups are independent by construction.  All spatial layers see the mask
before every tap, which equals the same-group gating of the decoder.

Sizes: ``C`` transform channels, ``M`` latent channels at 1/16, ``K`` hyper channels
for each pair of a 64x64 block and a group.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise, zip_longest

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sdc.codec.search import LAMBDA
from sdc.networks.profile import QUALITIES

from ._compressai import GaussianConditional
from .layers import (
    ANCHORS,
    FEATURE,
    HIDDEN,
    HYPER,
    LATENT,
    STREAM,
    Affine,
    Block,
    Depthwise,
    Format,
    Pointwise,
    QualityBias,
    interpolate_anchors,
    ste_floor,
)

SCALES = 64
SCALE_MIN, SCALE_MAX = 0.16, 50.0

SCALE_STEP = math.log(SCALE_MAX / SCALE_MIN) / (SCALES - 1)
"""Scale index i stands for a standard deviation of SCALE_MIN * exp(i * SCALE_STEP) steps."""


INDEX = Format(6, -1024, 1023)
"""Raw scale index in units of 8 indices: the integer is in eighths of an index."""


MEAN = Format(6, -2048, 2047)

UNIT = 64.0
"""Pixel-domain amplitude (orthonormal transform) of 1.0 inside the networks."""


LAMBDA_LOW, LAMBDA_HIGH = LAMBDA


def quality_to_lambda(quality: Tensor) -> Tensor:
    """Lagrangian weight of the squared error (8-bit scale) at qualities 0..63, log-spaced."""
    return LAMBDA_LOW * (LAMBDA_HIGH / LAMBDA_LOW) ** (quality / (QUALITIES - 1))


STEP_FRAC = 12
"""Fraction bits of the step table: latent integer = (v * step) >> 10, v in 1/16 steps."""


INVERSE_FRAC = 8
"""Fraction bits of the inverse table: mean in 1/16 steps = (mean integer * inverse) >> 10."""


TABLE_MAX = 16383
"""Largest entry of the step tables (MODL-04)."""


HYPER_STEP_FRAC = 10
"""Fraction bits of the hyper step table: hyper-latent integer = (r * step) >> 4."""


def inverse_step(step: Tensor) -> Tensor:
    """Reciprocal of the step on the grid of the decoder's table."""
    return ste_floor(1.0 / step, INVERSE_FRAC)


def index_offset(step: Tensor, integer: bool) -> Tensor:
    """What the step adds to a scale index: a step twice as large lowers the scale by half."""
    offset = (-torch.log(step) - math.log(SCALE_MIN)) / SCALE_STEP
    return ste_floor(offset, 3) if integer else offset


@dataclass(frozen=True)
class Sizes:
    """Sizes of a model, and parts that an ablation leaves out.

    Attributes:
        channels: C, of the transforms.
        latents: M.
        hyper: K.
        features: of the hyperprior and of contexts.
        wide: hidden channels of contexts.
        analysis_blocks, synthesis_blocks: of the transforms.
        passes: 4, or 2: the checkerboard with all channels at once.
        analysis_quality: whether every block of the analysis sees the quality, not the first alone.
        latent_quality: whether the analysis ends with a bias by quality on the latents.
        synthesis_quality: whether the middle block of the synthesis sees it, too.
        early: latents of the first two of four passes, or 0 for half of them.
        with_hyper: whether hyper-latents are coded; else they are 0.
        with_context: whether contexts see the latents of earlier passes.
        gated: whether a spatial tap counts only inside its group; a model without is no SDC model.
    """

    channels: int = 128
    latents: int = 192
    hyper: int = 48
    features: int = 128
    wide: int = 256
    analysis_blocks: int = 4
    synthesis_blocks: int = 6
    analysis_quality: bool = False
    latent_quality: bool = False
    synthesis_quality: bool = False
    passes: int = 4
    early: int = 0
    with_hyper: bool = True
    with_context: bool = True
    gated: bool = True


def dct_matrix(n: int) -> Tensor:
    """Orthonormal DCT-II, ``[n, n]``, rows are frequencies."""
    k, x = torch.arange(n).double(), torch.arange(n).double()
    m = torch.cos(math.pi * (2 * x[None] + 1) * k[:, None] / (2 * n)) * math.sqrt(2 / n)
    m[0] /= math.sqrt(2)
    return m


def ycbcr() -> Tensor:
    """Orthonormal-ish luma and chroma rows, ``[3, 3]``, and nearly orthogonal: use its inverse."""
    rows = torch.tensor([[0.299, 0.587, 0.114], [-0.169, -0.331, 0.5], [0.5, -0.419, -0.081]]).double()
    return rows / rows.norm(dim=1, keepdim=True)


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
    luma = min(64, channels * 5 // 8)
    chroma = (channels - luma) // 2
    rows = (
        [(0, i) for i in order[:luma]] + [(1, i) for i in order[:chroma]] + [(2, i) for i in order[:chroma]]
    )
    rows += [(0, order[-1])] * (channels - len(rows))
    p, i = zip(*rows, strict=True)
    return full[list(p), list(i)], inverse[:, list(p), list(i)]


def shuffled(channels: int, factor: int) -> torch.Tensor:
    """Torch's index of each of our channels: ours count ``(y, x, c)``, torch's ``(c, y, x)``."""
    return torch.arange(channels).reshape(channels // factor**2, factor**2).T.reshape(-1)


class Analysis(nn.Module):
    """Analysis transform: ``[B, 3, H, W]`` in 0..255 to latents ``[B, M, H/16, W/16]``."""

    def __init__(self, s: Sizes):
        super().__init__()
        self.first = Pointwise(192, s.channels, STREAM, STREAM)
        self.quality = QualityBias(s.channels, STREAM)
        self.blocks = nn.ModuleList(Block(s.channels) for _ in range(s.analysis_blocks))
        more = s.analysis_blocks - 1 if s.analysis_quality else 0
        self.qualities = nn.ModuleList(QualityBias(s.channels, STREAM) for _ in range(more))
        self.last = Pointwise(4 * s.channels, s.latents, STREAM, LATENT)
        self.offsets = nn.ModuleList(QualityBias(s.latents, LATENT) for _ in range(s.latent_quality))

    def forward(self, picture: Tensor, quality: Tensor, mask: Tensor | None) -> Tensor:
        """Latents of a group, whose mask is ``[B, 1, H/8, W/8]``: see the class."""
        x = F.pixel_unshuffle((picture - 128.0) / UNIT, 8)
        x = self.first(x)
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


class Synthesis(nn.Module):
    """Synthesis transform: latents ``[B, M, h, w]`` to pixels ``[B, 3, 16h, 16w]``."""

    OUT = Format(0, 0, 255)

    def __init__(self, s: Sizes):
        super().__init__()
        self.first = Pointwise(s.latents, 4 * s.channels, LATENT, STREAM)
        self.quality = QualityBias(s.channels, STREAM)
        self.blocks = nn.ModuleList(Block(s.channels) for _ in range(s.synthesis_blocks))
        more = 1 if s.synthesis_quality else 0
        self.qualities = nn.ModuleList(QualityBias(s.channels, STREAM) for _ in range(more))
        self.last = Pointwise(s.channels, 192, STREAM, self.OUT)
        nn.init.constant_(self.last.bias, 128.0)

    def forward(self, latents: Tensor, quality: Tensor, mask: Tensor | None) -> Tensor:
        """Pixels of a group: see the class."""
        x = F.pixel_shuffle(self.first(latents), 2)
        for bias, block in self.stages():
            x = block(x if bias is None else bias(x, quality), mask)
        # The last layer is rounded and clamped to bytes by decoders; gradients pass.
        weight, bias = self.last._parameters_now()
        x = F.conv2d(x, weight, bias)
        x = F.pixel_shuffle(x.float(), 8)
        return self.last._requantise(x) if self.last.integer else x

    def stages(self) -> Iterator[tuple[QualityBias | None, Block]]:
        """The blocks, each with what tells it the quality."""
        told = {0: self.quality} | {len(self.blocks) // 2: bias for bias in self.qualities}
        for k, block in enumerate(self.blocks):
            yield told.get(k), block


class Hyper(nn.Module):
    """Hyperprior of one vector per (64x64 block, group): analysis side and integer synthesis."""

    def __init__(self, s: Sizes):
        super().__init__()
        self.cell = Pointwise(s.latents, s.features, LATENT, HIDDEN, 1.4)
        self.gather = nn.Conv2d(s.features, s.features, 4, stride=4)
        self.code = Pointwise(s.features, s.hyper, HIDDEN, HYPER)
        self.expand = Pointwise(s.hyper, s.features, HYPER, STREAM, 1.4)
        self.quality = QualityBias(s.features, FEATURE)
        self.spread = Pointwise(s.features, 16 * s.features, FEATURE, FEATURE, 1.4)

    def analyse(self, latents: Tensor, mask: Tensor | None) -> Tensor:
        """Hyper-latents ``[B, K, h/4, w/4]`` of latents ``[B, M, h, w]``."""
        x = self.cell(latents)
        if mask is not None:
            x = x * mask
        return self.code(F.relu(self.gather(x)))

    def synthesise(self, code: Tensor, quality: Tensor) -> Tensor:
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


class Model(nn.Module):
    """The whole codec, trained end to end on ``lambda * squared error + bits``."""

    def __init__(self, sizes: Sizes = Sizes()):
        super().__init__()
        self.sizes = s = sizes
        cut = [s.early or s.latents // 2] if s.passes == 4 else []
        # (parity, first channel, past last channel): the coding passes in order (PASS-04).
        self.passes = [(k, a, b) for a, b in pairwise([0, *cut, s.latents]) for k in (0, 1)]
        self.analysis = Analysis(s)
        self.hyper = Hyper(s)
        self.context = nn.ModuleList(
            Context(s, b - a, k > 0 and s.with_context) for k, (_, a, b) in enumerate(self.passes)
        )
        self.synthesis = Synthesis(s)
        q = torch.linspace(0, QUALITIES - 1, ANCHORS)
        step = torch.log(0.8 * torch.sqrt(8.66 / quality_to_lambda(q)) / UNIT)
        self.log_step = nn.Parameter(step[:, None].repeat(1, s.latents))
        self.hyper_log_step = nn.Parameter(torch.full((ANCHORS, s.hyper), math.log(0.5)))
        self.hyper_log_scale = nn.Parameter(torch.zeros(ANCHORS, s.hyper))
        self.gaussian = GaussianConditional(None, scale_bound=SCALE_MIN)
        self._initialise()

    @torch.no_grad()
    def _initialise(self) -> None:
        """DCT, Haar and identity: the untrained codec is already a transform codec."""
        s = self.sizes
        forward, inverse = dct_basis(s.channels)
        self.analysis.first.weight[:, :, 0, 0] = forward.float()
        self.synthesis.last.weight[:, :, 0, 0] = inverse.float() * UNIT
        haar = torch.tensor([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 2.0
        order = sorted(
            ((band, c) for band in range(4) for c in range(s.channels)),
            key=lambda bc: self._frequency(bc[1]) + 0.7 * (bc[0] > 0) + 0.1 * bc[0],
        )[: s.latents]
        self.analysis.last.weight.zero_()
        self.synthesis.first.weight.zero_()
        for out, (band, c) in enumerate(order):
            for sub in range(4):
                self.analysis.last.weight[out, c * 4 + sub, 0, 0] = haar[band, sub]
                self.synthesis.first.weight[c * 4 + sub, out, 0, 0] = haar[band, sub]

    def _frequency(self, channel: int) -> float:
        luma = min(64, self.sizes.channels * 5 // 8)
        chroma = (self.sizes.channels - luma) // 2
        radius = sorted(math.hypot(i // 8, i % 8) for i in range(64))
        if channel < luma:
            return radius[channel]
        return 1.0 + 2.0 * radius[(channel - luma) % max(chroma, 1)]

    def steps(self, quality: Tensor, integer: bool) -> Tensor:
        """Quantisation steps of the latents, ``[B, M, 1, 1]``, network units."""
        step = torch.exp(interpolate_anchors(self.log_step, quality))[:, :, None, None]
        return (
            ste_floor(step, STEP_FRAC).clamp(2.0**-STEP_FRAC, TABLE_MAX * 2.0**-STEP_FRAC)
            if integer
            else step
        )

    def hyper_steps(self, quality: Tensor, integer: bool) -> Tensor:
        """Quantisation steps of the hyper-latents, ``[B, K, 1, 1]``, network units."""
        step = torch.exp(interpolate_anchors(self.hyper_log_step, quality))[:, :, None, None]
        if not integer:
            return step
        # A channel that codes nothing drifts to any step at all.
        return ste_floor(step, HYPER_STEP_FRAC).clamp(
            2.0**-HYPER_STEP_FRAC, TABLE_MAX * 2.0**-HYPER_STEP_FRAC
        )

    @torch.no_grad()
    def tables(self) -> dict[str, Tensor]:
        """Integer tables of the decoder, one row per quality 0..63 (MODL-04, PASS-08).

        Returns:
            ``step`` and ``inverse`` and ``offset`` ``[64, M]``, ``hyper_step`` and ``hyper_index``
            ``[64, K]``; float64 tensors that hold integers.
        """
        quality = torch.arange(QUALITIES, dtype=torch.float32, device=self.log_step.device)
        step = self.steps(quality, True)[:, :, 0, 0]
        hyper_step = self.hyper_steps(quality, True)[:, :, 0, 0]
        scale = interpolate_anchors(self.hyper_log_scale, quality)
        return {
            "step": (step * 2.0**STEP_FRAC).double(),
            "inverse": (inverse_step(step) * 2.0**INVERSE_FRAC).double(),
            "offset": (index_offset(step, True) * 8.0).double(),
            "hyper_step": (hyper_step * 2.0**HYPER_STEP_FRAC).double(),
            "hyper_index": torch.round((scale - math.log(SCALE_MIN)) / SCALE_STEP)
            .clamp(0, SCALES - 1)
            .double(),
        }

    def _rate(self, value: Tensor, scale: Tensor) -> Tensor:
        """Bits of values in steps: of noisy ones in training, of rounded ones in evaluation."""
        _, likelihood = self.gaussian(value, scale, training=self.training)
        return -torch.log2(likelihood)

    def forward(self, picture: Tensor, quality: Tensor, cells: Tensor) -> dict[str, Tensor]:
        """Code one group of each picture.

        Args:
            picture: ``[B, 3, H, W]`` float, 0..255; H and W multiples of 64.
            quality: ``[B]`` float, 0..63.
            cells: ``[B, 1, H/16, W/16]`` float, 1 where the cell is of the group.

        Returns:
            ``picture`` (decoded), ``bits`` ``[B]`` (latents), ``hyper_bits`` ``[B]``.
        """
        integer = self.synthesis.first.integer
        fine = F.interpolate(cells, scale_factor=2, mode="nearest") if self.sizes.gated else None
        near = cells if self.sizes.gated else None
        blocks = F.max_pool2d(cells, 4)
        y = self.analysis(picture, quality, fine).float()
        z = self.hyper.analyse(y, cells).float()
        with torch.autocast(picture.device.type, enabled=False):
            z_step = self.hyper_steps(quality, integer)
            z_scale = torch.exp(interpolate_anchors(self.hyper_log_scale, quality))[:, :, None, None]
            z_units = z / z_step
            hyper_bits = (self._rate(z_units, z_scale.expand_as(z)) * blocks).sum((1, 2, 3))
            z_hat = ste_floor(z_units, 0) * z_step
            z_hat = HYPER.clamp(ste_floor(z_hat, HYPER.frac) if integer else z_hat)
            if not self.sizes.with_hyper:
                z_hat, hyper_bits = z_hat * 0, hyper_bits * 0
        hyper = self.hyper.synthesise(z_hat, quality)

        step = self.steps(quality, integer)
        inverse = inverse_step(step) if integer else 1.0 / step
        offset = index_offset(step, integer)
        h, w = y.shape[2:]
        checker = (torch.arange(h, device=y.device)[:, None] + torch.arange(w, device=y.device)) % 2
        known = torch.zeros_like(y)
        bits = torch.zeros_like(quality)
        for (parity, a, b), context in zip(self.passes, self.context, strict=True):
            raw, mean = context(known, hyper, near)
            here = (checker == parity).to(y.dtype) * cells
            with torch.autocast(picture.device.type, enabled=False):
                index = raw.float() * 8.0 + offset[:, a:b]
                if integer:
                    index = ste_floor(index, 0)
                index = index.clamp(0, SCALES - 1)
                scale = SCALE_MIN * torch.exp(index * SCALE_STEP)
                mean = mean.float() * inverse[:, a:b]
                mean = ste_floor(mean, 4) if integer else mean
                units = y[:, a:b] * inverse[:, a:b] - mean
                bits = bits + (self._rate(units, scale) * here).sum((1, 2, 3))
                r = ste_floor(units, 0)
                r = r * (index > 0).to(r.dtype) if integer else r
                # |v * step| < 2^30 in the decoder's integers; here d needs only 12 bits.
                y_hat = (r + mean) * step[:, a:b]
                y_hat = LATENT.clamp(ste_floor(y_hat, LATENT.frac) if integer else y_hat)
            known = known + F.pad(y_hat * here, (0, 0, 0, 0, a, y.shape[1] - b))
        return {
            "picture": self.synthesis(known, quality, fine),
            "bits": bits,
            "hyper_bits": hyper_bits,
        }


@contextmanager
def watched(model: Model, note: Callable[[nn.Module, Tensor], None]) -> Iterator[None]:
    """Tell ``note`` of every layer with weights or a table and of its input ``[B, C, H, W]``."""
    layers = [m for m in model.modules() if isinstance(m, Affine | QualityBias)]
    handles = [m.register_forward_pre_hook(lambda m, inputs: note(m, inputs[0])) for m in layers]
    # The synthesis takes the weights of its last layer without calling it.
    end = model.synthesis.last
    handles.append(model.synthesis.blocks[-1].register_forward_hook(lambda m, i, out: note(end, out)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()

"""The reference model: transforms, hyperprior and gated contexts (spec sections 10 to 12).

One group of one image at a time: a batch element is an image and the mask of one group,
because groups are independent by construction.  All spatial layers see the mask
before every tap, which equals the same-group gating of the decoder.

Sizes: ``C`` transform channels, ``M`` latent channels at 1/16, ``K`` hyper channels
for each pair of a 64x64 block and a group.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sdc.networks.profile import QUALITIES

from ._compressai import GaussianConditional
from .entropy import Context, Hyperprior
from .initial import UNIT, dct_basis, haar_basis
from .layers import ANCHORS, HYPER, LATENT, Affine, Modules, QualityBias, interpolate_anchors, ste_floor
from .quantisation import (
    HYPER_STEP_FRAC,
    INVERSE_FRAC,
    SCALE_MIN,
    SCALE_STEP,
    SCALES,
    index_offset,
    inverse_step,
    quality_to_lambda,
    table_step,
)
from .sizes import Sizes
from .transforms import AnalysisTransform, SynthesisTransform


class ReferenceModel(nn.Module):
    """The whole codec, trained end to end on ``lambda * squared error + bits``."""

    def __init__(self, sizes: Sizes | None = None):
        super().__init__()
        self.sizes = s = sizes or Sizes()
        cut = [s.early or s.latents // 2] if s.passes == 4 else []
        # (parity, first channel, past last channel): the coding passes in order (PASS-04).
        self.passes = [(k, a, b) for a, b in pairwise([0, *cut, s.latents]) for k in (0, 1)]
        self.analysis = AnalysisTransform(s)
        self.hyper = Hyperprior(s)
        self.context: Modules[Context] = Modules(
            Context(s, b - a, k > 0 and s.with_context) for k, (_, a, b) in enumerate(self.passes)
        )
        self.synthesis = SynthesisTransform(s)
        q = torch.linspace(0, QUALITIES - 1, ANCHORS)
        step = torch.log(0.8 * torch.sqrt(8.66 / quality_to_lambda(q)) / UNIT)
        self.log_step = nn.Parameter(step[:, None].repeat(1, s.latents))
        self.hyper_log_step = nn.Parameter(torch.full((ANCHORS, s.hyper), math.log(0.5)))
        self.hyper_log_scale = nn.Parameter(torch.zeros(ANCHORS, s.hyper))
        self.gaussian = GaussianConditional(None, scale_bound=SCALE_MIN)
        self._initialise()

    @torch.no_grad()
    def _initialise(self) -> None:
        forward, inverse = dct_basis(self.sizes.channels)
        self.analysis.first.weight[:, :, 0, 0] = forward.float()
        self.synthesis.last.weight[:, :, 0, 0] = inverse.float() * UNIT
        haar = haar_basis(self.sizes.channels, self.sizes.latents)
        self.analysis.last.weight[:, :, 0, 0] = haar
        self.synthesis.first.weight[:, :, 0, 0] = haar.T

    def steps(self, quality: Tensor, integer: bool) -> Tensor:
        """Quantisation steps of the latents, ``[B, M, 1, 1]``, network units."""
        step = torch.exp(interpolate_anchors(self.log_step, quality))[:, :, None, None]
        return table_step(step, self.sizes.step_fraction) if integer else step

    def hyper_steps(self, quality: Tensor, integer: bool) -> Tensor:
        """Quantisation steps of the hyper-latents, ``[B, K, 1, 1]``, network units."""
        step = torch.exp(interpolate_anchors(self.hyper_log_step, quality))[:, :, None, None]
        # A channel that codes nothing drifts to any step at all, and must still fit the table.
        return table_step(step, HYPER_STEP_FRAC) if integer else step

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
            "step": (step * 2.0**self.sizes.step_fraction).double(),
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

    def forward(self, image: Tensor, quality: Tensor, cells: Tensor) -> dict[str, Tensor]:
        """Code one group of each image.

        Args:
            image: ``[B, 3, H, W]`` float, 0..255; H and W multiples of 64.
            quality: ``[B]`` float, 0..63.
            cells: ``[B, 1, H/16, W/16]`` float, 1 where the cell is of the group.

        Returns:
            ``image`` (decoded), ``bits`` ``[B]`` (latents), ``hyper_bits`` ``[B]``.
        """
        known, bits, hyper_bits = self.coded(image, quality, cells)
        return {
            "image": self.synthesis(known, quality, self._fine(cells)),
            "bits": bits,
            "hyper_bits": hyper_bits,
        }

    def coded(self, image: Tensor, quality: Tensor, cells: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Code one group of each image, and decode no pixel.

        Args:
            image, quality, cells: as for :meth:`forward`.

        Returns:
            ``(latents [B, M, h, w] as decoders have them, bits [B] of latents, bits [B] of hyper-latents)``.
        """
        latents = self.analysis(image, quality, self._fine(cells)).float()
        code = self.hyper.analysis_transform(latents, cells).float()
        with torch.autocast(image.device.type, enabled=False):
            code, hyper_bits = self._code_hyper(code, quality, F.max_pool2d(cells, 4))
        features = self.hyper.synthesis_transform(code, quality)
        known, bits = self._code_latents(latents, features, quality, cells)
        return known, bits, hyper_bits

    def _fine(self, cells: Tensor) -> Tensor | None:
        """The mask of the group at 1/8, where taps are gated by groups."""
        return F.interpolate(cells, scale_factor=2, mode="nearest") if self.sizes.gated else None

    def _code_hyper(self, code: Tensor, quality: Tensor, blocks: Tensor) -> tuple[Tensor, Tensor]:
        """Hyper-latents as decoders have them, and their bits ``[B]`` in ``blocks``, ``[B, 1, h/4, w/4]``."""
        integer = self.synthesis.first.integer
        step = self.hyper_steps(quality, integer)
        scale = torch.exp(interpolate_anchors(self.hyper_log_scale, quality))[:, :, None, None]
        units = code / step
        bits = (self._rate(units, scale.expand_as(code)) * blocks).sum((1, 2, 3))
        decoded = ste_floor(units, 0) * step
        decoded = HYPER.clamp(ste_floor(decoded, HYPER.frac) if integer else decoded)
        return (decoded, bits) if self.sizes.with_hyper else (decoded * 0, bits * 0)

    def _code_latents(
        self, latents: Tensor, features: Tensor, quality: Tensor, cells: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Latents as decoders have them, pass after pass, and their bits ``[B]``."""
        integer = self.synthesis.first.integer
        step = self.steps(quality, integer)
        inverse = inverse_step(step) if integer else 1.0 / step
        offset = index_offset(step, integer)
        mask = cells if self.sizes.gated else None
        rows, cols = (torch.arange(n, device=latents.device) for n in latents.shape[2:])
        checker = (rows[:, None] + cols) % 2
        known = torch.zeros_like(latents)
        bits = torch.zeros_like(quality)
        for (parity, a, b), context in zip(self.passes, self.context, strict=True):
            index, mean = context(known, features, mask)
            here = (checker == parity).to(latents.dtype) * cells
            with torch.autocast(latents.device.type, enabled=False):
                index = index.float() * 8.0 + offset[:, a:b]
                index = (ste_floor(index, 0) if integer else index).clamp(0, SCALES - 1)
                mean = mean.float() * inverse[:, a:b]
                mean = ste_floor(mean, 4) if integer else mean
                units = latents[:, a:b] * inverse[:, a:b] - mean
                scale = SCALE_MIN * torch.exp(index * SCALE_STEP)
                bits = bits + (self._rate(units, scale) * here).sum((1, 2, 3))
                residual = ste_floor(units, 0)
                residual = residual * (index > 0).to(residual.dtype) if integer else residual
                # |v * step| < 2^30 in the decoder's integers; here d needs only 12 bits.
                decoded = (residual + mean) * step[:, a:b]
                decoded = LATENT.clamp(ste_floor(decoded, LATENT.frac) if integer else decoded)
            known = known + F.pad(decoded * here, (0, 0, 0, 0, a, latents.shape[1] - b))
        return known, bits


@contextmanager
def watched(model: ReferenceModel, note: Callable[[nn.Module, Tensor], None]) -> Iterator[None]:
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
